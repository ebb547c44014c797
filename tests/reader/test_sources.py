"""Several files read as one table."""

from __future__ import annotations

from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.errors import InputError
from batchupdate.model import RowRef
from batchupdate.reader import ReadOptions
from batchupdate.reader.multi_file import Tables, open_tables
from batchupdate.reader.sources import FileSource, local_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.model import Problem, Row

    Make = Callable[..., Path]


class Whole:
    """Some files, read to their end."""

    def __init__(self, paths: Sequence[Path | str], size: int = 500, **options: Any) -> None:
        with local_copies(paths) as sources, open_tables(sources, ReadOptions(**options)) as table:
            assert isinstance(table, Tables)
            self.table = table
            self.batches = list(table.batches(size))
            self.rows: list[Row] = [row for batch in self.batches for row in batch]
            self.problems: list[Problem] = [problem for batch in self.batches for problem in batch.problems]
        self.cells = [row.cells for row in self.rows]
        self.spots = [(RowRef.of(row.number).file, RowRef.of(row.number).number) for row in self.rows]


def refused(*paths: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        Whole(paths, **options)
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize("again", ["a.csv", "./a.csv", "sub/../a.csv", "link.csv"])
def test_a_file_that_is_named_twice_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch, again: str) -> None:
    path = make("id\n1\n", "a.csv")
    monkeypatch.chdir(path.parent)
    (path.parent / "sub").mkdir()
    (path.parent / "link.csv").symlink_to(path)
    said = "a.csv is named twice. " if again == "a.csv" else f"a.csv and {again} are the same file. "
    assert refused("a.csv", again).startswith(said)


def test_two_files_with_the_same_content_are_two_files(make: Make) -> None:
    assert len(Whole([make("id\n1\n", "a.csv"), make("id\n1\n", "b.csv")]).rows) == 2


def test_a_url_that_is_named_twice_is_refused_without_its_query() -> None:
    assert refused("https://host/a.csv?key=k", "https://host/a.csv?key=k").startswith("https://host/a.csv is named")


def test_standard_input_stands_alone(make: Make) -> None:
    assert refused(make("id\n"), "-").startswith("Standard input (-) can't be one of several files.")


def test_no_file_at_all_is_refused() -> None:
    assert refused() == "No file is named. Name one, or several."


def test_a_missing_file_is_told_by_its_name(make: Make) -> None:
    assert "There is no file" in refused(make("id\n"), "missing.csv")


@pytest.mark.parametrize("named", [["https://u:p@host/a.csv?key=k"], ["s3://bucket/a.csv#f"]])
def test_a_urls_place_holds_no_credential(named: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchupdate.reader.files.local_copy.fetched", lambda _url: nullcontext(BytesIO(b"id\n1\n")))
    with local_copies(named) as (source,):
        assert source.place == source.name == named[0].replace("u:p@", "").split("?")[0].split("#")[0]


def test_a_file_that_can_not_be_read_when_its_digest_is_made_gives_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FileSource(tmp_path / "in.csv", "in.csv", "in.csv")
    with pytest.raises(InputError, match=r"There is no file in\.csv"):
        source.digest()

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"in\.csv can't be read: permission denied"):
        source.digest()
