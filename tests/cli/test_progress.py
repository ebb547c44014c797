from __future__ import annotations

import io
import math
import re
from dataclasses import replace

import pytest
from rich.console import Console

from batchupdate.cli import progress
from batchupdate.cli.console import Screen
from batchupdate.model import Outcome, Progress, Traffic

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
    for part in ("1,200/5,000", "40.2 rows/s", "limit 45/s", "7 throttled", "10 unsuccessful", "1 min 35 s left"):
        assert part in text


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 110, 200])
@pytest.mark.parametrize("holding_s", [0.0, 30.0, math.inf])
def test_the_live_line_fits_the_terminal_and_keeps_what_is_missed_most(width: int, holding_s: float) -> None:
    shown = io.StringIO()
    large = replace(SENDING, done=1_200_000, total=2_000_000, holding_s=holding_s)
    with progress.LiveLine(Console(file=shown, force_terminal=True, width=width, color_system=None)) as live:
        live.show(large)
        live._bar.refresh()
    *_, line = [text for text in re.split(r"[\r\n]|\x1b\[[?\d]*[A-Za-z]", shown.getvalue()) if "sending" in text]
    assert len(line.rstrip()) <= width
    if width >= 40:
        assert "1,200,000/2,000,000" in line
    if width >= 60:
        assert ("1 min 35 s left" if not holding_s else "paused") in line
    if width >= 80:
        assert "10 unsuccessful" in line
    assert "…" not in line or width < 40


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


def test_on_a_dumb_terminal_lines_come_at_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich take anything for a terminal
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with Screen().progress() as show:
        now = 10.0
        show(SENDING)
    assert "1,200 of 5,000 rows" in capsys.readouterr().err
