from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.spreadsheet.coercion import is_retyped, may_be_retyped
from batchupdate.spreadsheet.csv_injection import guard, guard_id, unguard_id

FRAGILE = (
    "007 00 12345678901234567 1234567890123456 1E5 219E01 .5e3 1.50 3.0 1/2 3-4 1.2.2026 12:30 MAR1 Sept2 1-Mar "
    "2-may-26 Dec2026 true +49 50% 1,234 (12) $5 2026-11-21"
)
STURDY = (
    "0 7 -5 123456789012345 TRUE FALSE 550e8400-e29b-41d4-a716-446655440000 01KFRX8K1CKQGCV2W5J9C9Z37A abc x1 1e5x "
    "March Decem 1.2.x a/2 - . e5"
)


@pytest.mark.parametrize("text", FRAGILE.split())
def test_what_a_spreadsheet_program_takes_for_something_else_is_known(text: str) -> None:
    assert may_be_retyped(text)
    assert guard_id(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", *STURDY.split()])
def test_a_plain_whole_number_and_any_other_text_stay_what_they_are(text: str) -> None:
    assert not may_be_retyped(text)
    assert guard_id(text) == guard(text)


@given(st.text() | st.text("'0123456789eE+-./ =", max_size=8))
def test_the_guard_of_an_id_comes_off_without_a_trace(text: str) -> None:
    assert unguard_id(guard_id(text)) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("7", "007"),
        ("0", "00"),
        ("100000", "1E5"),
        ("2190", "219E01"),
        ("1.23456789012346E+019", "12345678901234567890"),  # LibreOffice rounds
        ("12345678901234600000", "12345678901234567890"),
        ("1234567890123450", "1234567890123456"),  # Excel cuts
        ("1.5", "1.50"),
        ("1.5", "1,5"),
        ("1234", "1,234"),
        ("1234", "1.234"),
        ("1234", "1'234"),
        ("49", "+49"),
        ("-12", "(12)"),
        ("0.5", "50%"),
        ("12.5", "€ 12.50"),
        ("TRUE", "true"),
        ("2026-01-02", "1/2"),
        ("02-Jan", "1/2"),
        ("2-Jan-26", "1/2"),
        ("1/2/2026", "1-2"),
        ("01-Mar", "MAR1"),
        ("2026-11-21T18:45:00", "21.11.26 18:45"),
        ("12:30:00", "12:30"),
        ("12:30 PM", "12:30"),
    ],
)
def test_what_was_made_of_a_text_is_known(cell: str, text: str) -> None:
    assert is_retyped(cell, text)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("007", "007"),
        ("8", "007"),
        ("008", "007"),
        ("", "007"),
        ("Sales", "007"),
        ("12345678901234567891", "12345678901234567890"),  # the next one, which somebody has typed
        ("1/3", "1/2"),
        ("FALSE", "true"),
        ("TRUE", "1"),
        ("2026-11-21", "007"),
        ("abc", "1/2"),
        ("7", "7"),
        ("7", "x7"),
        *((odd, "007") for odd in ("NaN", "sNaN", "Infinity", "1e999999999", "-1e-999999999", "%", "()", "1e401")),
    ],
)
def test_a_corrected_id_is_not_taken_for_a_spoilt_one(cell: str, text: str) -> None:
    assert not is_retyped(cell, text)


@given(st.text(max_size=20), st.text("0123456789eE+-./,%()$ '", max_size=20))
def test_any_cell_and_any_id_can_be_compared(cell: str, text: str) -> None:
    assert is_retyped(cell, text) in {True, False}
