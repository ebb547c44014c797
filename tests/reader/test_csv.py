from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions, open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_cells_stay_as_typed(read: Callable[..., Any]) -> None:
    typed = ("007", "NA", "1/2", " padded ", "“smart”", "1e5", "null", "TRUE")
    got = read("a,b,c,d,e,f,g,h\n" + ",".join(typed) + "\n")
    assert got.cells == [typed]


def test_the_header_is_row_1_and_the_first_data_row_is_row_2(read: Callable[..., Any]) -> None:
    got = read("id,name\n1,A\n2,B\n")
    assert got.columns == ("id", "name")
    assert got.numbers == [2, 3]
    assert got.table.header_row == 1
    assert got.notices == ""


def test_headings_are_trimmed_but_otherwise_as_typed(read: Callable[..., Any]) -> None:
    assert read(" Integration ID ,Näme\n1,A\n").columns == ("Integration ID", "Näme")


def test_a_quoted_line_end_stays_inside_its_row_and_numbers_count_rows_not_lines(read: Callable[..., Any]) -> None:
    got = read('id,name\n1,"two\nlines"\n2,"three\r\nlines\r"\n3,C\n')
    assert got.cells == [("1", "two\nlines"), ("2", "three\r\nlines\r"), ("3", "C")]
    assert got.numbers == [2, 3, 4]


def test_blank_rows_above_the_header_are_counted_and_told(read: Callable[..., Any]) -> None:
    got = read("\n,\nid,name\n1,A\n")
    assert got.columns == ("id", "name")
    assert got.table.header_row == 3
    assert got.numbers == [4]
    assert "row 3 is taken as the header" in got.notices


def test_ragged_rows_are_passed_on_as_they_are(read: Callable[..., Any]) -> None:
    assert read("id,name\n1\n2,B,extra\n").cells == [("1",), ("2", "B", "extra")]


def test_a_stray_carriage_return_ends_a_row_and_not_the_file(read: Callable[..., Any]) -> None:
    got = read("id,name\r\n1,A\r2,B\n3,C\r\n4,D")
    assert got.cells == [("1", "A"), ("2", "B"), ("3", "C"), ("4", "D")]
    assert got.numbers == [2, 3, 4, 5]


@pytest.mark.parametrize("header", ["id,name,note", "id, name, note", ' "id", "name", "note"'])
def test_quotes_after_a_blank_are_quotes_and_a_notice_says_so(read: Callable[..., Any], header: str) -> None:
    got = read(header + '\n1, "Ann, the 1st", "two\nlines"\n2,  "B ""x""", plain\n')
    assert got.columns == ("id", "name", "note")
    assert got.cells == [("1", "Ann, the 1st", "two\nlines"), ("2", 'B "x"', "plain")]
    assert "Blanks before a cell are left out" in got.notices


def test_a_blank_and_a_quote_inside_quotes_are_text(read: Callable[..., Any], make: Callable[..., Path]) -> None:
    content = 'id,name\n1," ""Ann"""\n2, padded\n3,"x, ""y"""\n'
    got = read(content)
    assert got.cells == [("1", ' "Ann"'), ("2", " padded"), ("3", 'x, "y"')]
    assert got.notices == ""
    with open_table(make(content)) as table:
        assert [problem for batch in table.batches() for problem in batch.problems] == []


def test_a_quote_after_a_blank_far_down_is_a_problem_of_its_row(make: Callable[..., Path]) -> None:
    path = make("id,name\n" + "1,A\n" * 20_000 + '2, "B"\n3,C\n')
    with open_table(path) as table:
        (problem,) = [problem for batch in table.batches() for problem in batch.problems]
    assert (problem.code, problem.row, problem.column, problem.cell) == ("blank_before_quote", 20_002, "name", ' "B"')


def test_an_unclosed_quote_is_refused_with_the_row_where_it_began(refused: Callable[..., str]) -> None:
    text = refused('id,name\n1,A\n2,"B\n3,C\n')
    assert "row 3: a quoted cell begins here and never ends" in text


def test_text_after_a_closing_quote_is_refused_with_its_row(refused: Callable[..., str]) -> None:
    assert "row 3 (line 4 of the file): there is text after a closing quote" in refused('id,n\n1,"A\n"\n2,"B"x\n')


def test_a_cell_above_the_csv_limit_is_refused_with_its_row(refused: Callable[..., str]) -> None:
    limit = csv.field_size_limit()
    assert f"row 3: a cell is longer than {limit:,} characters" in refused(f"id,n\n1,A\n2,{'x' * (limit + 1)}\n")
    assert csv.field_size_limit() == limit


def test_other_complaints_of_the_csv_module_become_sentences_too(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object) -> str:
        raise csv.Error("something new")

    with open_table(make("id\n1\n")) as table:

        class Reader:
            line_num = 7

            def __iter__(self) -> Self:
                return self

            __next__ = broken

        monkeypatch.setattr(csv, "reader", lambda *_args, **_options: Reader())
        with pytest.raises(InputError, match=r"row 1 \(line 7 of the file\) can't be read: something new"):
            list(table.batches())


def test_a_sheet_of_a_text_file_is_refused(refused: Callable[..., str]) -> None:
    assert "--sheet means nothing" in refused("id\n1\n", sheet="one")


# Surrogates have no encoding, NUL is refused, and U+FEFF at the start of a file is its mark.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)
tables = st.lists(st.lists(text, min_size=3, max_size=3), min_size=1, max_size=6)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=tables,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(ENCODINGS),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_written_by_the_csv_module_comes_back_the_same(
    tmp_path: Path, rows: list[list[str]], delimiter: str, encoding: str, end: str
) -> None:
    out = io.StringIO(newline="")
    # With "\n" as line end, the csv module leaves a lone CR unquoted, which then ends a row.
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([["id", "name", "note"], *rows])
    path = tmp_path / "table.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    given_encoding = encoding if encoding.endswith("e") else None
    with open_table(path, ReadOptions(encoding=given_encoding, delimiter=delimiter)) as table:
        assert table.columns == ("id", "name", "note")
        got = {row.number: row.cells for batch in table.batches() for row in batch}
    assert got == {n: tuple(cells) for n, cells in enumerate(rows, 2) if "".join(cells).strip()}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.text("abé ,;|\t\"'\n", max_size=8), min_size=3, max_size=3), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
)
def test_the_delimiter_is_found_out_whatever_the_cells_hold(
    tmp_path: Path, rows: list[list[str]], delimiter: str
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([["id", "name", "note"], *rows])
    path = tmp_path / "table.csv"
    path.write_bytes(out.getvalue().encode())
    with open_table(path) as table:
        assert table.delimiter == delimiter
        assert table.columns == ("id", "name", "note")
