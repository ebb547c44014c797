from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.reader.value_to_text import text_of


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("007", "007"),
        (" x ", " x "),
        (True, "TRUE"),
        (False, "FALSE"),
        (123.0, "123"),
        (-0.0, "0"),
        (-12, "-12"),
        (0.1, "0.1"),
        (1234567890123450000.0, "1234567890123450000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (dt.date(2026, 11, 21), "2026-11-21"),
        (dt.datetime.fromisoformat("2026-11-21T00:00:00"), "2026-11-21"),
        (dt.datetime.fromisoformat("2026-11-21T18:45:00"), "2026-11-21T18:45:00"),
        (dt.time(7, 5), "07:05:00"),
        (dt.timedelta(hours=30, seconds=1), "30:00:01"),
        (dt.timedelta(seconds=-90), "-00:01:30"),
        (dt.timedelta(microseconds=500), "00:00:00.000500"),
    ],
)
def test_a_cell_becomes_the_text_that_the_guide_says(cell: object, text: str) -> None:
    assert text_of(cell) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_number_loses_a_digit(number: float) -> None:
    assert float(text_of(number)) == number
