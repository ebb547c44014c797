from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from workbooks import book

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions, open_table
from batchupdate.reader.registry import FORMATS, Format

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


TABLE = [["id", "name"], ["007", "A"], ["", ""], ["NA", "B"]]


@pytest.mark.parametrize("option", ["encoding", "delimiter"])
def test_options_of_text_files_are_refused_for_a_workbook(refused: Callable[..., str], option: str) -> None:
    assert f"--{option} means nothing" in refused(book(("s", TABLE)), "a.xlsx", **{option: "x"})


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_an_implementation_and_suffixes_of_its_own(name: str) -> None:
    one = FORMATS[name]
    module, _, opener = one.implementation.partition(":")
    assert callable(getattr(import_module(f"batchupdate.reader.{module}"), opener))
    assert not set(one.suffixes) & {
        suffix for other in FORMATS.values() if other is not one for suffix in other.suffixes
    }


def test_a_format_is_one_line_and_one_file(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    added = Format("lines", "a file of lines", "csv:CsvRecords", (".lines",), frozenset({"encoding"}), magic=b"LINES,")
    monkeypatch.setitem(FORMATS, "lines", added)
    path = make("LINES,id\n1,2\n", "a.data")
    with open_table(path) as table:
        assert table.columns == ("LINES", "id")
    with pytest.raises(InputError, match="is a file of lines, for which --sheet means nothing"):
        open_table(path, ReadOptions(sheet="x"))
