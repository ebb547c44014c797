from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from batchupdate.errors import InputError
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)


def test_blank_lines_count_in_the_numbering_but_are_no_rows(read: Callable[..., Any]) -> None:
    got = read("id,name\n1,A\n\n2,B\n,\n ,\t\n\n3,C\n\n")
    assert got.numbers == [2, 4, 8]


def test_blank_rows_are_left_out_of_files_whose_first_column_is_empty_too(read: Callable[..., Any]) -> None:
    assert read("note,id\n,1\n,\n,2\n").numbers == [2, 4]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_batches_of_any_size_hold_the_same_rows(read: Callable[..., Any], size: int) -> None:
    got = read("\n\n\nid,name\n1,A\n\n2,B\n3,C\n", size=size)
    assert got.numbers == [5, 7, 8]


def test_empty_cells_beyond_the_last_column_are_cut_off(read: Callable[..., Any]) -> None:
    assert read("id,name\n1,A,,,\n2,B,,x,\n3,,\n").cells == [("1", "A"), ("2", "B", "", "x"), ("3", "")]


def test_a_column_without_heading_keeps_its_place(read: Callable[..., Any]) -> None:
    got = read("id,,name,\n1,x,A,\n")
    assert got.columns == ("id", "", "name", "")
    assert got.cells == [("1", "x", "A", "")]


def test_a_file_of_only_a_header_is_a_table_without_rows(read: Callable[..., Any]) -> None:
    got = read("id,name\n")
    assert got.columns == ("id", "name")
    assert got.rows == []


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n,,\n\t\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_file_with_nothing_in_it_is_refused(refused: Callable[..., str], content: bytes) -> None:
    assert "empty" in refused(content)


def test_error_texts_are_problems_of_their_rows_in_every_batch(make: Callable[..., Path]) -> None:
    path = make("title,,\nid,name,note\n#REF!,A,\n\nk2,Err:502,#fff\nk3,NA,####\n")
    with open_table(path) as table:
        found = [problem for batch in table.batches(2) for problem in batch.problems]
    assert [(one.code, one.row, one.column, one.cell) for one in found] == [
        ("error_cell", 3, "id", "#REF!"),
        ("error_cell", 5, "name", "Err:502"),
        ("error_cell", 6, "note", "####"),
    ]
    assert found[0].message.startswith("A3 holds '#REF!', which a spreadsheet program writes")


def test_an_error_text_in_results_that_are_run_again_is_named_by_its_own_column(make: Callable[..., Path]) -> None:
    columns = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"
    with open_table(make(f"id,name,{columns}\nk1,#N/A,2,k1,failed,400,1,#REF!,,,\n")) as table:
        (batch,) = table.batches()
    assert [(one.column, one.cell) for one in batch.problems] == [("name", "#N/A")]


def test_limit_reads_the_first_data_rows_only(read: Callable[..., Any]) -> None:
    content = "id\n" + "".join(f"{n}\n\n" for n in range(50))
    assert read(content, limit=3).cells == [("0",), ("1",), ("2",)]
    assert read(content, limit=3, size=2).cells == [("0",), ("1",), ("2",)]
    assert read(content, limit=0).cells == []
    assert len(read(content, limit=1000).cells) == 50


def test_rows_can_be_read_again(make: Callable[..., Path]) -> None:
    with open_table(make("id,name\n1,A\n2,B\n")) as table:
        assert list(table.batches()) == list(table.batches()) != []


@pytest.mark.parametrize(
    ("heading", "letters"),
    [("id,name,NAME", "B and C"), ("integrationId,x,Integration ID", "A and C"), ("a-b,a_B", "A and B")],
)
def test_two_headings_that_mean_the_same_are_refused_with_their_letters_where_one_of_them_is_used(
    make: Callable[..., Path], heading: str, letters: str
) -> None:
    with open_table(make(heading + "\n1,2,3\n")) as table:
        twins = ["ABC".index(letter) for letter in letters.split(" and ")]
        for used in ({twins[0]}, {twins[1]}, {0, 1, 2}):
            with pytest.raises(InputError, match=f"columns {letters} have the same heading"):
                table.refuse_twins_of(used)
        table.refuse_twins_of({0, 1, 2}.difference(twins))


def test_the_third_of_three_equal_headings_is_seen_as_well(make: Callable[..., Path]) -> None:
    with (
        open_table(make("id,note,note,Note\n1,2,3,4\n")) as table,
        pytest.raises(InputError, match="B and C have the same heading"),
    ):
        table.refuse_twins_of({3})


def test_headings_of_signs_alone_are_no_twins(read: Callable[..., Any]) -> None:
    assert read("id,-,_\n1,2,3\n").columns == ("id", "-", "_")


def test_a_header_of_absurd_width_is_refused(refused: Callable[..., str]) -> None:
    assert "16,385 columns" in refused("h" + "".join(f",h{n}" for n in range(16_384)) + "\n")


def test_a_row_of_absurd_width_is_refused(refused: Callable[..., str]) -> None:
    assert "row 3 has 16,385 cells" in refused("id,name\n1,A\n" + "," * 16_384 + "x\n")


def test_a_wide_table_comes_in_smaller_batches(make: Callable[..., Path]) -> None:
    with open_table(make("h" + "".join(f",h{n}" for n in range(9_999)) + "\n" + "x\n" * 250)) as table:
        assert [len(batch) for batch in table.batches(3000)] == [99, 100, 51]
