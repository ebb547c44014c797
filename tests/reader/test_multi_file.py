"""Several files read as one table."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import book, with_sheet

from batchupdate.errors import InputError
from batchupdate.model import MOST_ROWS, RowRef
from batchupdate.reader import ReadOptions
from batchupdate.reader import multi_file as module
from batchupdate.reader import sources as sources_module
from batchupdate.reader.multi_file import Tables, open_tables
from batchupdate.reader.sources import local_copies
from batchupdate.reader.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from batchupdate.model import Problem, Row

    Make = Callable[..., Path]

OWN = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"


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


def sheet(*rows: Sequence[str]) -> bytes:
    """A workbook of texts, in which those that begin with # are errors."""
    xml = ""
    for number, cells in enumerate(rows, 1):
        told = [
            f'<c r="{letter}{number}" t="e"><v>{cell}</v></c>'
            if cell.startswith("#")
            else f'<c r="{letter}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
            for letter, cell in zip("ABC", cells, strict=False)
        ]
        xml += f'<row r="{number}">{"".join(told)}</row>'
    return with_sheet(xml)


def refused(*paths: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        Whole(paths, **options)
    assert caught.value.hint
    return str(caught.value)


def test_the_rows_of_all_files_follow_one_another_with_the_numbers_of_their_files(make: Make) -> None:
    whole = Whole([make("id,name\n1,a\n\n2,b\n", "a.csv"), make("id,name\n3,c\n", "b.csv")], size=1)
    assert whole.cells == [("1", "a"), ("2", "b"), ("3", "c")]
    assert whole.spots == [(0, 2), (0, 4), (1, 2)]
    assert whole.table.rows == [2, 1]
    assert whole.table.source == "a.csv and b.csv"


def test_headings_may_be_spelled_and_ordered_another_way_and_cells_follow_the_first_file(make: Make) -> None:
    whole = Whole([make("Id,New name\n1,a\n", "a.csv"), make("new_name,ID\nb,2\n", "b.csv")])
    assert whole.table.columns == ("Id", "New name")
    assert whole.cells == [("1", "a"), ("2", "b")]
    assert whole.table.address(RowRef(1, 2).key, 0) == "B2"
    assert whole.table.address(2, 0) == "A2"


def test_formats_may_be_mixed_also_compressed(make: Make) -> None:
    paths = [
        make("id,name\n1,a\n", "a.csv"),
        make(json.dumps({"name": "b", "id": "2"}) + "\n", "b.jsonl"),
        make(book(("Sheet1", [["name", "id"], ["c", "3"]])), "c.xlsx"),
        make(gzip.compress(b"name\tid\nd\t4\n"), "d.tsv.gz"),
    ]
    whole = Whole(paths)
    assert whole.cells == [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]
    assert whole.spots == [(0, 2), (1, 1), (2, 2), (3, 2)]
    assert whole.table.address(RowRef(2, 2).key, 1) == "Sheet1!A2"


def test_an_option_is_heeded_by_the_files_for_which_it_means_something(make: Make) -> None:
    sheets = ("OldColumn", [["x"]]), ("Final", [["id", "name"], ["1", "a"]])
    paths = [make(book(*sheets), "a.xlsx"), make("id;name\n2;é\n".encode("cp850"), "b.csv")]
    whole = Whole(paths, sheet="final", encoding="cp850", delimiter=";", header_row=1)
    assert whole.table.columns == ("id", "name")
    assert whole.cells == [("1", "a"), ("2", "é")]


@pytest.mark.parametrize(
    ("option", "value", "content", "name"),
    [
        ("sheet", "Final", "id,name\n1,a\n", "csv"),
        ("delimiter", ";", '{"id": "1"}\n', "jsonl"),
        ("header_row", 2, '{"id": "1"}\n', "jsonl"),
    ],
)
def test_an_option_that_means_nothing_for_any_file_is_refused(
    make: Make, option: str, value: object, content: str, name: str
) -> None:
    said = refused(make(content, f"a.{name}"), make(content, f"b.{name}"), **{option: value})
    assert said.startswith(f"--{option.replace('_', '-')} means nothing for any of these files. Leave")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,name", "b.csv has no column 'Notes', which {a} has. All files of a run need the same headings"),
        ("id,name,note", "b.csv has no column 'Notes', which {a} has, but has 'note'."),
        ("id,name,notes,x", "b.csv has a column 'x', which {a} does not have."),
        ("id,name,notes,v,w,x,y,z", "b.csv has a column 'v', 'w', 'x' and 2 more, which {a} does not have."),
    ],
)
def test_other_headings_are_refused_with_file_and_heading(make: Make, header: str, said: str) -> None:
    a = make("Id,Name,Notes\n", "a.csv")
    assert said.format(a=a) in refused(a, make(header + "\n", "b.csv"))


def test_none_of_several_files_may_have_two_equal_headings(make: Make) -> None:
    one, two = make("id,note\n1,a\n", "a.csv"), make("id,note,Note\n1,a,b\n", "b.csv")
    for files in ((one, two), (two, one)):
        assert "b.csv: the columns B and C have the same heading" in refused(*files)


def test_a_secret_in_a_heading_is_not_told(make: Make) -> None:
    with local_copies([make("id\n", "a.csv"), make("id,sk-secret\n", "b.csv")]) as sources:
        with pytest.raises(InputError) as caught:
            open_tables(sources, ReadOptions(), lambda text: text.replace("sk-secret", "[redacted]"))
        assert "sk-secret" not in str(caught.value)
        assert "'[redacted]'" in str(caught.value)


def test_columns_without_headings_need_not_be_in_every_file_and_lose_nothing(make: Make) -> None:
    whole = Whole([make("id,,name\n1,x,a\n", "a.csv"), make("name,id,,\nb,2,y,z\n", "b.csv")])
    assert whole.table.columns == ("id", "", "name", "")
    assert whole.cells == [("1", "x", "a", ""), ("2", "y", "b", "z")]
    assert whole.problems == []
    assert whole.table.address(2, 3) == ""  # no such column there
    assert whole.table.address(2, 4) == "D2"  # beyond all headings
    assert whole.table.address(RowRef(1, 2).key, 3) == "D2"


def test_results_of_an_earlier_run_stand_beside_plain_files(make: Make) -> None:
    own = make(f"id,name,_extra_1,_file,{OWN}\n2,'=b,x,f.csv,7,2,failed,,,,,,\n", "failed.csv")
    whole = Whole([make("name,id\na,1\n", "a.csv"), own])
    assert whole.table.columns == ("name", "id", "_extra_1")
    assert whole.cells == [("a", "1", ""), ("=b", "2", "x")]
    assert whole.table.notices == (
        "failed.csv: This file holds results of an earlier run; their columns (_row, _outcome and so on) are ignored.",
    )
    assert whole.table.address(RowRef(1, 2).key, 2) == "C2"


def test_a_pulled_sheet_stands_beside_a_plain_file(make: Make) -> None:
    plain = make("id,name\n1,One\n", "a.csv")
    pulled = make("id,name,_locked,_old.name\n2,'=Two,,Zwei\n", "b.csv")
    whole = Whole([plain, pulled])
    assert whole.table.columns == ("id", "name", "_locked", "_old.name")
    assert whole.cells == [("1", "One", "", ""), ("2", "=Two", "", "Zwei")]


def test_a_row_of_another_width_is_a_problem_also_where_cells_change_places(make: Make) -> None:
    whole = Whole([make("id,name,note\n", "a.csv"), make("note,name,id\nn,b,2\nn,b\nn,b,3,far,out\n", "b.csv")])
    assert whole.cells == [("2", "b", "n"), ("", "b", "n"), ("3", "b", "n", "far", "out")]
    assert [(RowRef.of(one.row).number, one.code, one.cell) for one in whole.problems] == [
        (3, "ragged_row", ""),
        (4, "ragged_row", "far"),
    ]
    assert "the row has 2 cells, but the header row has 3; is a line broken in two?" in whole.problems[0].message
    assert "the row has 5 cells, but the header row has 3; put quotes around" in whole.problems[1].message
    assert whole.table.address(RowRef(1, 4).key, 4) == "E4"


def test_a_problem_of_a_cell_stands_under_the_first_files_heading(make: Make) -> None:
    whole = Whole([make("id,name\n1,a\n", "a.csv"), make(sheet(["NAME", "ID"], ["a", "#N/A"]), "b.xlsx")])
    (problem,) = whole.problems
    assert (problem.row, problem.column, problem.code) == (RowRef(1, 2).key, "id", "error_cell")
    assert problem.message.startswith("s!B2 holds the error")


def test_a_cell_without_a_value_is_told_of_its_own_column_where_pull_wrote_one_that_is_called_alike(make: Make) -> None:
    headings = ["id", "locked", "_locked"]
    whole = Whole(
        [make(sheet(headings, ["1", "no", "x"]), "a.xlsx"), make(sheet(headings, ["2", "#N/A", "x"]), "b.xlsx")]
    )
    assert [(problem.row, problem.column) for problem in whole.problems] == [(RowRef(1, 2).key, "locked")]


def test_the_limit_counts_the_rows_of_all_files(make: Make) -> None:
    spoilt = sheet(["id"], ["4"], ["#N/A"], ["#N/A"])
    paths = [make("id\n1\n2\n", "a.csv"), make(spoilt, "b.xlsx"), make("id\n5\n", "c.csv")]
    whole = Whole(paths, limit=4)
    assert whole.spots == [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert whole.table.rows == [2, 2, 0]
    assert [RowRef.of(problem.row).number for problem in whole.problems] == [3]
    assert Whole(paths, limit=2).table.rows == [2, 0, 0]


def test_a_sentence_that_goes_for_several_files_is_told_once(make: Make) -> None:
    paths = [make("\nid,name\n1,a\n", f"{name}.csv") for name in "abc"]
    above = "The first 1 rows are blank; row 2 is taken as the header. If it is another row, say which: --header-row N."
    assert Whole(paths).table.notices == (f"a.csv, b.csv and c.csv: {above}",)


def test_one_heavy_file_is_open_at_a_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [make(gzip.compress(b"id,name\n1,a\n"), f"{name}.csv.gz") for name in "abc"]
    opened = most = 0
    real_open, real_close = sources_module.open_table, Table.close

    def open_table(*args: Any, **more: Any) -> Table:
        nonlocal opened, most
        opened += 1
        most = max(most, opened)
        return real_open(*args, **more)

    def close(table: Table) -> None:
        nonlocal opened
        opened -= 1
        real_close(table)

    monkeypatch.setattr(sources_module, "open_table", open_table)
    monkeypatch.setattr(Table, "close", close)
    assert len(Whole(paths).rows) == 3
    assert (opened, most) == (0, 1)


def test_a_heavy_file_that_changes_between_its_headings_and_its_rows_is_told(make: Make) -> None:
    paths = [make(gzip.compress(b"id,name\n1,a\n"), f"{name}.csv.gz") for name in "ab"]
    with local_copies(paths) as sources:
        table = open_tables(sources, ReadOptions())
        paths[1].write_bytes(gzip.compress(b"name,id\na,1\n"))
        with pytest.raises(InputError, match=r"b\.csv\.gz was changed while it was being read"):
            list(table.batches())


def test_a_row_with_too_high_a_number_for_one_of_several_files_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [make("id\n1\n2\n", "a.csv"), make("id\n3\n", "b.csv")]
    assert MOST_ROWS == 2**32 - 1
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    assert len(Whole(paths).rows) == 3
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    assert "a.csv has more than 2 rows" in refused(*paths)


def test_the_rows_can_be_read_anew(make: Make) -> None:
    with local_copies([make("id\n1\n", "a.csv"), make("id\n2\n", "b.csv")]) as sources:
        table = open_tables(sources, ReadOptions())
        assert [len(list(table.batches())) for _ in range(2)] == [2, 2]
        assert isinstance(table, Tables)
        assert table.rows == [1, 1]


# ---- which files they may be ----


def test_one_file_in_a_list_is_a_plain_table(make: Make) -> None:
    with local_copies([make("id\n1\n", "a.csv")]) as sources, open_tables(sources, ReadOptions()) as table:
        assert isinstance(table, Table)
