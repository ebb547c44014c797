"""Cells and rows that a file holds although they are no data: nothing of them is sent, or not without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.config import Settings
from batchupdate.run import check_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.validator.checkup import Checkup

TARGET = """\
name: things
title: Things
base_url: https://api.example.com
path: /things/{key}
auth: {scheme: none}
id: {key: {aliases: [Record ID]}}
fields: {name: {}, price: {type: number, aliases: [Unit price]}}
"""


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Checkup]:
    def check(content: str | bytes, **reading: Any) -> Checkup:
        target, source = tmp_path / "things.yaml", tmp_path / "things.csv"
        target.write_text(TARGET)
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        return check_file(source, Settings.model_validate({"target": str(target), "input": reading}))

    return check


def found(checkup: Checkup) -> list[tuple[str, int]]:
    return [(problem.code, problem.row) for problem in checkup.found]


def test_error_texts_stop_their_rows_once_each_and_name_no_record(check: Callable[..., Checkup]) -> None:
    checkup = check("key,name,price,seen\n#N/A,A,1,x\n#N/A,B,2,x\nk3,#VALUE!,3,x\nk4,D,####,x\nk5,E,5,#REF!\n")
    assert found(checkup) == [("error_cell", row) for row in (2, 3, 4, 5)]  # row 6 has one where nobody looks
    assert checkup.invalid == 4


def test_a_row_is_not_left_out_by_a_condition_on_an_error_text(check: Callable[..., Checkup]) -> None:
    checkup = check("key,name,state\nk1,A,open\nk2,B,#REF!\nk3,C,done\n", when={"state": "open"})
    assert (found(checkup), checkup.skipped) == ([("error_cell", 3)], 1)


def test_two_spellings_of_an_id_that_differ_in_a_blank_at_its_end_are_duplicates(check: Callable[..., Checkup]) -> None:
    checkup = check("key,name\nann@example.com ,A\nbob@example.com,B\nann@example.com,C\n")
    assert found(checkup) == [("trimmed", 2), ("duplicate_id", 2), ("duplicate_id", 4)]
