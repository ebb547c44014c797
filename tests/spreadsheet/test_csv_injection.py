from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.spreadsheet.csv_injection import guard, unguard


@given(st.text("'=+-@ \t\r\n＝x1", max_size=6) | st.text())  # noqa: RUF001 - the full-width form is meant
def test_taking_the_guard_off_gives_the_text_as_it_was(text: str) -> None:
    assert unguard(guard(text)) == text


@given(st.text("'=+-@ \t\r\n＝x1", max_size=6))  # noqa: RUF001 - as above
def test_no_guarded_text_begins_as_a_formula(text: str) -> None:
    assert guard(text).lstrip(" ")[:1] not in set("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - as above


@pytest.mark.parametrize("text", ["", "x", "'tis", "007", "1-2", "a=b", "'"])
def test_a_harmless_text_gets_no_guard(text: str) -> None:
    assert guard(text) == text
    assert unguard(text) == text
