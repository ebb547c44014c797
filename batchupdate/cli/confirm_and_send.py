"""From a job to its results: asks first, sends, and shows what the run came to."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from batchupdate.cli.interrupts import SAME_REQUEST_S, on_signals
from batchupdate.cli.summaries import show_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchupdate.cli.console import Screen
    from batchupdate.model import Progress
    from batchupdate.reporter import Summary
    from batchupdate.run import Job, Stop

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Consent:
    """What to do with what is prepared: only look, ask first, or go ahead; `possible` is whether anybody can answer."""

    dry_run: bool
    yes: bool
    possible: bool
    verbose: bool

    @property
    def asks(self) -> bool:
        """Whether a person is asked before anything is sent."""
        return not self.yes and self.possible and sys.stdin.isatty()


def ask_and_send(job: Job, screen: Screen, consent: Consent, report: dict[str, Any]) -> Summary | None:
    """Sends what was prepared if the user wants it; None if not. `report` is the JSON where nothing is sent."""
    if consent.dry_run:
        screen.result("Dry run: nothing was sent.")
        screen.json({**report, "to_send": job.to_send})
        raise typer.Exit(job.checkup.exit_code)
    if not consent.yes and job.to_send and not screen.confirm("Go ahead?", possible=consent.possible):
        screen.say("Nothing was sent.")
        screen.json({**report, "to_send": job.to_send})
        return None
    return send(job, screen, verbose=consent.verbose)


def finish(summary: Summary | None, screen: Screen) -> None:
    """Shows what a run came to, and ends the command with its exit code; does nothing if nothing was sent."""
    if summary is None:
        return
    show_outcomes(screen, summary)
    screen.json(summary.to_json())
    raise typer.Exit(summary.exit_code)


def send(job: Job, screen: Screen, *, verbose: bool = False) -> Summary:
    """Executes a job; the first signal to stop drains it, the second ends it at once."""
    from batchupdate.run import Stop, execute

    stop = Stop()
    return stoppable(screen, stop, lambda show: execute(job, on_progress=show, stop=stop, verbose=verbose))


def stoppable(screen: Screen, stop: Stop, work: Callable[[Callable[[Progress], None]], Coroutine[Any, Any, R]]) -> R:
    """Runs what `work` makes of a progress hook; the first signal asks it to stop, the second ends it at once."""
    import asyncio

    from batchupdate.util import event_loop

    async def main() -> R:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        first = 0.0

        def asked(number: int) -> None:
            nonlocal first
            if stop.signal_number is None:
                stop.request(number)
                first = loop.time()
                screen.say("Stopping: what is in flight may finish. Press Ctrl-C again to quit at once.")
            elif task is not None and (number == signal.SIGINT or loop.time() - first > SAME_REQUEST_S):
                task.cancel()

        with on_signals(loop, asked), screen.progress() as show:
            try:
                return await work(show)
            except asyncio.CancelledError as quit_at_once:
                left = " ".join(getattr(quit_at_once, "__notes__", []))
                screen.say(f"Quit. The journal has every row: {left}" if left else "Quit.")
                raise typer.Exit(128 + (stop.signal_number or signal.SIGINT)) from None

    return event_loop.run(main())
