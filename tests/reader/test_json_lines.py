from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_keys_become_columns_in_order_of_first_sight(read: Callable[..., Any]) -> None:
    got = read('{"id": "1", "b": "B"}\n{"a": "A", "id": "2"}\n', "a.jsonl")
    assert got.columns == ("id", "b", "a")
    assert got.cells == [("1", "B", ""), ("2", "", "A")]
    assert got.table.format == "jsonl"
    assert got.notices == ""


def test_a_row_has_the_number_of_its_line(read: Callable[..., Any]) -> None:
    got = read('\n{"id": "1"}\n\n{"id": "2"}\n{}\n{"id": "3"}', "a.jsonl", size=2)
    assert got.numbers == [2, 4, 6]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"007"', "007"),
        ("1.10", "1.10"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1E400", "1E400"),
        ("true", "true"),
        ('""', ""),
        ("null", ""),
        ('["a", 1.10, {"b": null}]', '["a", 1.10, {"b": null}]'),
        ("[]", "[]"),
        ("{}", "{}"),
        (r'"\ud83d\ude00\u2028"', "😀\u2028"),
        ('"a\\nb\u2028\r"'.replace("\r", "\\r"), "a\nb\u2028\r"),
    ],
)
def test_a_value_becomes_the_text_that_the_guide_says(read: Callable[..., Any], value: str, text: str) -> None:
    assert read(f'{{"id": "1", "v": {value}}}\n', "a.jsonl").cells == [("1", text)]


def test_null_is_a_blank_cell_and_told(read: Callable[..., Any]) -> None:
    assert "1 values are null, which is read as a blank cell" in read('{"id": "1", "a": null}\n', "a.jsonl").notices


def test_nested_objects_become_dotted_columns_and_a_real_dot_is_marked(read: Callable[..., Any]) -> None:
    got = read('{"id": "1", "a": {"b": {"c": "x"}}, "a.b": "y"}\n', "a.jsonl")
    assert got.columns == ("id", "a.b.c", r"a\.b")
    assert got.cells == [("1", "x", "y")]


def test_a_backslash_in_a_key_is_marked_so_that_no_two_places_have_one_name(read: Callable[..., Any]) -> None:
    got = read('{"id": "1", "a\\\\": {"b": "x"}, "a.b": "y", "c\\\\": "z"}\n', "a.jsonl")
    assert got.columns == ("id", r"a\\.b", r"a\.b", "c" + r"\\")
    assert got.cells == [("1", "x", "y", "z")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.txt", "a.csv", "download"])
def test_json_lines_are_known_by_their_content(read: Callable[..., Any], name: str) -> None:
    assert read('\ufeff\n{"id": "1"}\n', name).table.format == "jsonl"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Expecting property name"),
        ('{"id": "1"} x', "Extra data"),
        ("[1]", "no JSON object"),
        ("1,2", "Extra data"),
        ('{"id": "1", "id": "2"}', "the key 'id' stands in it twice"),
        ('{"id": NaN}', "NaN is no number"),
        (r'{"id": "\ud800"}', "half of a surrogate pair"),
        (r'{"id": "\u0000"}', "NUL"),
        ('{"id": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_record_is_refused_with_its_number(refused: Callable[..., str], line: str, why: str) -> None:
    text = refused(f'{{"id": "1"}}\n\n{line}\n', "a.jsonl")
    assert "line 3 is no record" in text
    assert why in text


def test_records_with_endlessly_many_keys_are_refused(refused: Callable[..., str]) -> None:
    lines = "".join(f'{{"k{n}": 1}}\n' for n in range(16_385))
    assert "more than 16,384 different keys" in refused(lines, "a.jsonl")


@pytest.mark.parametrize("option", ["sheet", "delimiter"])
def test_options_of_other_formats_are_refused(refused: Callable[..., str], option: str) -> None:
    assert f"--{option} means nothing" in refused('{"id": 1}\n', "a.jsonl", **{option: "x"})
