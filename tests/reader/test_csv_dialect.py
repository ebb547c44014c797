from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.reader import csv_dialect

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("sample", "found"),
    [
        ("a,b,c\n1,2,3\n", ","),
        ("a;b;c\n1;2,5;3\n", ";"),
        ("a\tb\n1\tx, y, z\n2\tu, v, w\n", "\t"),
        ("a|b\n1|x;y\n", "|"),
        ("a;b\n1;2\n3;4,5\n", ";"),
        ('a,b\n"x;y;z","1;2\n;;"\n', ","),
        ('a;b\n"x, ""y"",\nz";"1"\n', ";"),
        ("id\n1\n2\n", ","),
        ("name\nBerlin, Mitte\n", ";"),
        ("", ","),
        ("a,b\n1,2,3\n4\n5,6\n", ","),
        ('a;b\n1;"not closed\n', ";"),
    ],
)
def test_the_delimiter_is_the_one_that_explains_header_and_rows(sample: str, found: str) -> None:
    assert csv_dialect.find_delimiter(sample) == (found, 0)


def test_a_sample_that_ends_inside_a_row_is_no_ragged_row() -> None:
    sample = "a;b,c\n" + "1;2,3\n" * 20_000
    assert csv_dialect.find_delimiter(sample[: csv_dialect.SAMPLE_CHARACTERS])[0] == ","


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\r"])
def test_excels_sep_line_is_followed_and_is_no_row(read: Callable[..., Any], line: str) -> None:
    got = read(line + "id;name\n1;A\n")
    assert got.columns == ("id", "name")
    assert got.numbers == [2]
    assert got.table.delimiter == ";"


def test_a_sep_line_may_name_any_sign(read: Callable[..., Any]) -> None:
    assert read("sep=^\nid^name\n1^A\n").cells == [("1", "A")]
    assert read("sep=\t\nid\tname\n1\tA\n").cells == [("1", "A")]


@pytest.mark.parametrize(
    ("said", "sign"), [("tab", "\t"), (r"\t", "\t"), ("Semicolon", ";"), ("pipe", "|"), ("comma", ","), ("~", "~")]
)
def test_a_delimiter_can_be_said(read: Callable[..., Any], said: str, sign: str) -> None:
    got = read(f"id{sign}name\n1{sign}A\n", delimiter=said)
    assert got.cells == [("1", "A")]
    assert got.table.delimiter == sign


@pytest.mark.parametrize("said", ["", "ab", '"', "\n", " "])
def test_an_impossible_delimiter_is_refused(refused: Callable[..., str], said: str) -> None:
    assert "can't be a delimiter" in refused("id\n", delimiter=said)


def test_windows_text_behind_a_sep_line_is_found_in_its_row(read: Callable[..., Any]) -> None:
    assert "Row 2 then reads 'Zürich'" in read("sep=;\nid;name\n1;Zürich\n".encode("cp1252")).notices
