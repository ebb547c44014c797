from __future__ import annotations

import pytest

from batchupdate.spreadsheet.error_values import error_values, is_error_value


@pytest.mark.parametrize(
    "cell",
    [
        "#N/A",
        "#DIV/0!",
        "#SPILL!",
        "Err:502",
        "Err:523",
        "Err :508",
        "###",
        "########",
        "#NV",
        "#¡REF!",
        "#ИМЯ?",
        "#ref! ",
    ],
)
def test_what_a_spreadsheet_program_writes_for_an_error_is_one(cell: str) -> None:
    assert is_error_value(cell)


@pytest.mark.parametrize(
    "cell", ["NA", "N/A", "#1", "##", "#ff0000", "#general", "see #N/A", "Err: 502 times", "Err:", "Error:502", "#WOW!"]
)
def test_other_texts_with_such_signs_are_none(cell: str) -> None:
    assert not is_error_value(cell)


def test_each_is_found_at_its_place() -> None:
    rows = [["k1", "#fff"], ["k2", "#N/A", "Err:502"], [], ["###"]]
    assert list(error_values(rows)) == [(1, 1), (1, 2), (3, 0)]
    assert list(error_values([["a", "b"], []])) == []
