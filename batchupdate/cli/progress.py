"""How far a run is: a line that renews itself on a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from batchupdate.cli.units import many, span, three_digits

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import TaskID

    from batchupdate.model import Progress

PLAIN_EVERY_S = 10.0
WIDE = 110
"""Columns from which on there is room for a longer bar."""


def _failures(progress: Progress) -> int:
    from batchupdate.model import SUCCEEDED

    return sum(count for outcome, count in progress.counts.items() if outcome not in SUCCEEDED)


def _for_how_long(progress: Progress) -> str:
    """For how long everybody is paused, as far as that is known."""
    return "by tune" if math.isinf(progress.holding_s) else f"for {span(progress.holding_s)}"


class PlainLines:
    """Lines at intervals, for logs of cron and CI."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next = time.monotonic() + PLAIN_EVERY_S

    def show(self, progress: Progress) -> None:
        """Says a line if the last one is long enough ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + PLAIN_EVERY_S
        if progress.stage == "reading":
            self._say(f"read {many(progress.done, 'row')}")
            return
        if progress.stage == "matching":
            self._say(f"read {many(progress.done, 'record')}, to find the ids")
            return
        limit = "" if progress.limit_per_s is None else f" (limit {three_digits(progress.limit_per_s)}/s)"
        left = f", {span(progress.eta_s)} left" if progress.eta_s is not None else ""
        hold = f", paused {_for_how_long(progress)}" if progress.holding_s >= 1 else ""
        self._say(
            f"{progress.done:,} of {progress.total or 0:,} rows, {progress.rate:.1f} rows/s{limit}, "
            f"{progress.traffic.throttled:,} throttled, {_failures(progress):,} unsuccessful{left}{hold}"
        )


class LiveLine:
    """One line that renews itself, and never is longer than the terminal is wide."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._width, self._bar_width = console.width, 20 if console.width >= WIDE else 10
        self._bar = Bar(
            TextColumn("{task.description}"),
            # rich's own colour of a bar that is not full yet is nearly red, which looks like trouble
            BarColumn(self._bar_width, complete_style="cyan", finished_style="green", pulse_style="cyan"),
            TextColumn("{task.fields[detail]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError):  # the terminal is gone
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Renews the line."""
        room = self._width - len(progress.stage) - self._bar_width - 2
        detail = _fitting(_parts(progress), room)
        if self._task is None:
            self._task = self._bar.add_task(progress.stage, total=progress.total, detail=detail)
        self._bar.update(
            self._task, description=progress.stage, completed=progress.done, total=progress.total, detail=detail
        )


class _Part(NamedTuple):
    """A piece of the line: its text, its colour, and how much it is missed; the least missed ones go first."""

    text: str
    missed: int
    colour: str = ""


def _parts(progress: Progress) -> list[_Part]:
    count = f"{progress.done:,}" if progress.total is None else f"{progress.done:,}/{progress.total:,}"
    parts = [_Part(count, 6)]
    if progress.stage != "sending":
        return parts
    parts.append(_Part(f"{progress.rate:.1f} rows/s", 3))
    if progress.limit_per_s is not None:
        parts.append(_Part(f"limit {three_digits(progress.limit_per_s)}/s", 1))
    if progress.traffic.throttled:
        parts.append(_Part(f"{progress.traffic.throttled:,} throttled", 2, "yellow"))
    if failures := _failures(progress):
        parts.append(_Part(f"{failures:,} unsuccessful", 4, "red"))
    if progress.holding_s >= 1:
        parts.append(_Part(f"paused {_for_how_long(progress).removeprefix('for ')}", 5, "yellow"))
    elif progress.eta_s is not None:
        parts.append(_Part(f"{span(progress.eta_s)} left", 5))
    return parts


def _fitting(parts: list[_Part], room: int) -> str:
    """The parts on one line of so many characters, with rich's markup; those that find no room are left out."""
    while len(" · ".join(part.text for part in parts)) > room and len(parts) > 1:
        parts.remove(min(parts, key=lambda part: part.missed))
    return " · ".join(f"[{part.colour}]{part.text}[/]" if part.colour else part.text for part in parts)
