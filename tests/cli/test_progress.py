from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from batchupdate.cli import progress
from batchupdate.cli.console import Screen
from batchupdate.model import Outcome, Progress, Traffic

if TYPE_CHECKING:
    import pytest


SENDING = Progress(
    "sending",
    1200,
    5000,
    {Outcome.UPDATED: 1190, Outcome.FAILED: 10},
    Traffic(1300, 90, 7, 12.0),
    rate=40.25,
    eta_s=95.0,
    limit_per_s=45.0,
)


def test_the_live_line_tells_rows_rate_throttles_failures_and_time_left() -> None:
    shown = io.StringIO()
    with progress.LiveLine(Console(file=shown, force_terminal=True, width=120, color_system=None)) as live:
        live.show(Progress("reading", 400))
        live.show(SENDING)
        live._bar.refresh()
    text = shown.getvalue()
    for part in ("1200/5000", "40.2 rows/s", "limit 45/s", "7 throttled", "10 unsuccessful", "1 min 35 s left"):
        assert part in text


def test_the_live_line_tells_how_long_everybody_holds() -> None:
    shown = io.StringIO()
    with progress.LiveLine(Console(file=shown, force_terminal=True, width=120, color_system=None)) as live:
        live.show(Progress("sending", 1, 2, holding_s=30.0))
        live._bar.refresh()
    assert "paused 30.0 s" in shown.getvalue()


def test_where_there_is_no_terminal_a_plain_line_comes_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    said: list[str] = []
    plain = progress.PlainLines(said.append)
    plain.show(SENDING)
    now = 10.0
    plain.show(Progress("reading", 123_456))
    now = 15.0
    plain.show(SENDING)
    now = 20.0
    plain.show(Progress("sending", 1200, 5000, SENDING.counts, SENDING.traffic, 40.25, 95.0, 30.0, 45.0))
    assert said == [
        "read 123,456 rows",
        (
            "1,200 of 5,000 rows, 40.2 rows/s (limit 45/s), 7 throttled, 10 unsuccessful, 1 min 35 s left, "
            "paused for 30.0 s"
        ),
    ]


def test_why_nothing_gets_through_is_said_at_once_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    trouble = "No connection to 127.0.0.1:9: connection refused; trying again, for up to 600 s (--give-up-after)."
    with Screen().progress() as show:
        for text in ("", trouble, trouble, "", trouble):
            show(Progress("sending", 1, 2, trouble=text))
    assert " ".join(capsys.readouterr().err.split()) == trouble


def test_a_quiet_screen_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(quiet=True).progress() as show:
        show(Progress("sending", 1, 2, trouble="No connection."))
    assert capsys.readouterr().err == ""
