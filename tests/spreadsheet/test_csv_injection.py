from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.spreadsheet.csv_injection import guard, guard_all, guard_id, unguard, unguard_id

ALPHABET = "'=+-@ \t\r\n;＝x1"  # noqa: RUF001 - the full-width form is meant


@given(st.text(ALPHABET, max_size=9) | st.text())
def test_taking_the_guard_off_gives_the_text_as_it_was(text: str) -> None:
    assert unguard(guard(text)) == text
    assert unguard_id(guard_id(text)) == text
    assert list(guard_all(["x", text])) == ["x", guard(text)]


@given(st.text(ALPHABET, max_size=9))
def test_no_piece_of_a_guarded_text_begins_as_a_formula_where_semicolons_or_tabs_separate(text: str) -> None:
    for guarded in (guard(text), guard_id(text)):
        for piece in re.split(r"[;\t\r\n]", guarded):
            assert piece.lstrip()[:1] not in set("=+-@＝＋－＠")  # noqa: RUF001 - as above


def test_a_formula_behind_a_separator_is_guarded_in_its_place() -> None:
    assert guard("x;=1+1;") == "x;'=1+1;"
    assert guard("a\t @SUM(1)\n-2") == "a\t' @SUM(1)\n'-2"


@given(st.text(ALPHABET, max_size=6))
def test_no_guarded_text_begins_as_a_formula(text: str) -> None:
    assert guard(text).lstrip(" ")[:1] not in set("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - as above


@pytest.mark.parametrize("text", ["", "x", "'tis", "007", "1-2", "a=b", "'", "a; b", "a;b=1", "a\nb", "a;'b", "&lt;b>"])
def test_a_harmless_text_gets_no_guard(text: str) -> None:
    assert guard(text) == text
    assert unguard(text) == text
