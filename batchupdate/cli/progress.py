"""How far a run is: a line that renews itself on a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from batchupdate.cli.units import many, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import TaskID

    from batchupdate.model import Progress

PLAIN_EVERY_S = 10.0


def _failures(progress: Progress) -> int:
    from batchupdate.model import SUCCEEDED

    return sum(count for outcome, count in progress.counts.items() if outcome not in SUCCEEDED)


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
        limit = "" if progress.limit_per_s is None else f" (limit {progress.limit_per_s:.3g}/s)"
        left = f", {span(progress.eta_s)} left" if progress.eta_s is not None else ""
        hold = f", paused for {span(progress.holding_s)}" if progress.holding_s >= 1 else ""
        self._say(
            f"{progress.done:,} of {progress.total or 0:,} rows, {progress.rate:.1f} rows/s{limit}, "
            f"{progress.traffic.throttled:,} throttled, {_failures(progress):,} unsuccessful{left}{hold}"
        )


class LiveLine:
    """One line that renews itself."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
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
        if self._task is None:
            self._task = self._bar.add_task(progress.stage, total=progress.total, detail="")
        self._bar.update(
            self._task,
            description=progress.stage,
            completed=progress.done,
            total=progress.total,
            detail=self._detail(progress),
        )

    @staticmethod
    def _detail(progress: Progress) -> str:
        if progress.stage != "sending":
            return ""
        parts = [f"{progress.rate:.1f} rows/s"]
        if progress.limit_per_s is not None:
            parts.append(f"limit {progress.limit_per_s:.3g}/s")
        if progress.traffic.throttled:
            parts.append(f"[yellow]{progress.traffic.throttled:,} throttled[/]")
        if failures := _failures(progress):
            parts.append(f"[red]{failures:,} unsuccessful[/]")
        if progress.holding_s >= 1:
            parts.append(f"[yellow]paused {span(progress.holding_s)}[/]")
        elif progress.eta_s is not None:
            parts.append(f"{span(progress.eta_s)} left")
        return " · ".join(parts)
