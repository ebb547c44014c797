"""What number formats make of dates and times."""

from __future__ import annotations

import pytest

from batchupdate.reader.excel.date_format import code_shown, date_shown


@pytest.mark.parametrize(
    ("text", "code", "seen"),
    [
        ("2026-03-01", "yyyy-mm-dd", "2026-03-01"),
        ("2026-03-01", "YYYY\\-MM\\-DD;@", "2026-03-01"),
        ("2026-03-01", "DD.MM.YYYY", "01.03.2026"),
        ("2026-03-01", "d\\.m\\.yy", "1.3.26"),
        ("2026-03-01", '[$-407]"am "d.m.', "am 1.3."),
        ("2026-03-01T12:30:00", "yyyy-mm-dd", "2026-03-01"),
        ("2026-03-01T12:30:00", "yyyy-mm-dd hh:mm:ss", "2026-03-01 12:30:00"),
        ("2026-03-01T12:30:00", 'yyyy-mm-dd"T"hh:mm:ss', "2026-03-01T12:30:00"),
        ("2026-03-01", "yyyy-mm-dd hh:mm", "2026-03-01 00:00"),
        ("2026-03-01T12:30:00", "mm:ss", "30:00"),
        ("12:30:00", "h:mm:ss", "12:30:00"),
        ("09:05:00", "h:mm:ss", "9:05:00"),
        ("12:30:00", "h:mm AM/PM", "12:30 PM"),
        ("00:05:00", "hh:mm am/pm", "12:05 AM"),
        ("13:05:00", "h:mm AM/PM", "1:05 PM"),
        ("27:30:00", "[h]:mm:ss", "27:30:00"),
        # What is not the same everywhere, or no format of a date.
        ("2026-03-01", "D-MMM", None),
        ("2026-03-01", "MMM YY", None),
        ("2026-03-01", "dddd", None),
        ("2026-03-01", "dd/mm/yyyy", None),
        ("2026-03-01", "mm-dd-yy", None),
        ("2026-03-01T12:30:00", "[h]:mm", None),
        ("27:30:00", "h:mm", None),
        ("12:30:00", "yyyy-mm-dd", None),
        ("12:30:00.5", "h:mm:ss", None),
        ("12:30:00", "mm:ss.0", None),
        ("2026-03-01", "[Red]yyyy", None),
        ("", "yyyy", None),
    ],
)
def test_dates_and_times_are_followed_where_they_are_the_same_everywhere(
    text: str, code: str, seen: str | None
) -> None:
    assert date_shown(text, code) == seen


@pytest.mark.parametrize(
    ("code", "seen"),
    [("[$-409]d\\-mmm;@", "d-mmm"), ('d" of "mmmm', 'd" of "mmmm'), ("m/d/yyyy", ""), ("dd/mm/yyyy", "dd/mm/yyyy")],
)
def test_a_format_is_named_as_a_dialog_lists_it_unless_it_is_that_of_the_country(code: str, seen: str) -> None:
    assert code_shown(code) == seen
