"""The rules that stand below several stages: headings, guards against formulas, and calls in a thread of their own."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.spreadsheet.csv_injection import guard, unguard
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.util.background import Behind


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


@pytest.mark.parametrize(
    "heading", ["Integration ID", "integration_id", "integration-id", " INTEGRATIONID\t", "integrationId"]
)
def test_spellings_of_one_heading_are_equal(heading: str) -> None:
    assert normalise_heading(heading) == "integrationid"


def test_calls_run_in_order_in_one_other_thread() -> None:
    seen: list[tuple[int, int]] = []
    with Behind("test") as behind:
        for number in range(20):
            behind.call(lambda number=number: seen.append((number, threading.get_ident())))
        behind.wait()
    assert [number for number, _ in seen] == list(range(20))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def test_what_a_call_raises_is_raised_once_by_the_next() -> None:
    with Behind("test") as behind:
        behind.call(int, "no number")
        with pytest.raises(ValueError, match="no number"):
            behind.call(int, "1")
        behind.call(int, "2")
        behind.wait()
        behind.wait()


def test_what_the_last_call_raises_is_raised_at_the_end() -> None:
    with pytest.raises(ValueError, match="no number"), Behind("test") as behind:
        behind.call(int, "no number")


def test_an_error_inside_goes_before_one_of_the_last_call() -> None:
    behind = Behind("test")
    with pytest.raises(KeyError), behind:
        raise told_behind(behind)


def told_behind(behind: Behind) -> KeyError:
    behind.call(int, "no number")
    return KeyError()
