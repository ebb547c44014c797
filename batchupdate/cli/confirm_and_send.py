"""From a job to its results: asks first, sends, and shows what the run came to."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from batchupdate.cli.interrupts import SAME_REQUEST_S, ended_by_signals, on_signals
from batchupdate.cli.summaries import show_canary, show_outcomes
from batchupdate.cli.units import many
from batchupdate.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from batchupdate.cli.console import Screen
    from batchupdate.model import Progress
    from batchupdate.reporter import Summary
    from batchupdate.run import Job, Stop
    from batchupdate.runs.canary import Canary

R = TypeVar("R")

ROUNDS = 5
"""After so many of the event loop, a signal has been heard that came while something else kept it busy."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What to do with what is prepared: only look, ask first, or go ahead; `possible` is whether anybody can answer."""

    dry_run: bool
    yes: bool
    possible: bool
    verbose: bool
    yes_really: bool = False

    @property
    def asks(self) -> bool:
        """Whether a person is asked before anything is sent."""
        return not self.goes_ahead and self.possible and sys.stdin.isatty()

    @property
    def goes_ahead(self) -> bool:
        """Whether the command itself says yes."""
        return self.yes or self.yes_really


def ask_and_send(
    job: Job, screen: Screen, consent: Consent, report: dict[str, Any], stop: Stop | None = None
) -> Summary | None:
    """Sends what was prepared if the user wants it; None if not.

    Args:
        job: what was prepared.
        screen: where it is asked, and progress shown.
        consent: whether to ask.
        report: the JSON where nothing is sent.
        stop: what the first signal asks for a clean end; None where nothing else heeds it.
    """
    if consent.dry_run:
        screen.result("Dry run: nothing was sent.")
        screen.json({**report, "to_send": job.to_send})
        raise typer.Exit(job.checkup.exit_code)
    if not consent.goes_ahead and job.to_send and not _confirmed(job, screen, possible=consent.possible):
        screen.say("Nothing was sent.")
        screen.json({**report, "to_send": job.to_send})
        return None
    return send(job, screen, stop, asks=consent.asks, verbose=consent.verbose)


def _confirmed(job: Job, screen: Screen, *, possible: bool) -> bool:
    """Whether a person wants it; to send many rows to a host of production, its name is to be typed."""
    rows, host = many(job.to_send, "row"), job.host
    if not job.needs_name:
        return screen.confirm(f"Send {rows} to {host}. Go ahead?", possible=possible)
    question = f"{host} is production. To send {rows} there, type the host's name"
    if screen.confirm(question, possible=possible, name=host):
        return True
    screen.say(f"That is not the host's name, which is {host}.")
    return False


def finish(summary: Summary | None, screen: Screen) -> None:
    """Shows what a run came to, and ends the command with its exit code; does nothing if nothing was sent."""
    if summary is None:
        return
    show_outcomes(screen, summary)
    screen.json(summary.to_json())
    raise typer.Exit(summary.exit_code)


def send(job: Job, screen: Screen, stop: Stop | None = None, *, asks: bool = False, verbose: bool = False) -> Summary:
    """Executes a job, and with `asks`, asks after its canary whether to go on; the first signal to stop drains it."""
    from batchupdate.run import Stop, execute

    once = stop or Stop()

    def executed() -> Summary:
        return stoppable(
            screen, once, lambda show: execute(job, asks=asks, on_progress=show, stop=once, verbose=verbose)
        )

    summary, canary = executed(), job.canary
    if asks and canary and summary.waits_after_canary and _goes_on(job, screen, canary, summary, once):
        job.let_canary_pass()
        summary = executed()
    return summary


def _goes_on(job: Job, screen: Screen, canary: Canary, summary: Summary, stop: Stop) -> bool:
    """Shows what became of the canary, and asks about the other rows; nothing is in flight meanwhile."""
    show_canary(screen, job, canary, summary)
    resume = f"batchupdate resume {job.folder.command_name}"
    message = f"Stopped on request, after the canary; to resume: {resume}"
    if stop.signal_number is not None:
        raise Interrupted(stop.signal_number, message)
    try:
        with ended_by_signals():
            return screen.confirm(f"Go on with the other {many(job.to_send, 'row')}?", possible=True)
    except KeyboardInterrupt:
        raise Interrupted(signal.SIGINT, message) from None
    except UsageError:  # the terminal was closed, or Ctrl-D pressed
        return False


def unless_stopped(
    screen: Screen, stop: Stop, work: Callable[[Callable[[Progress], None]], Coroutine[Any, Any, R]]
) -> R:
    """Runs `work` as `stoppable` does, where it changes nothing, and something else is to follow on it.

    Raises:
        Interrupted: a signal has asked to stop.
    """
    found = stoppable(screen, stop, work)
    stop.heed()
    return found


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
                done = await work(show)
                for _ in range(ROUNDS):
                    await asyncio.sleep(0)
            except asyncio.CancelledError as quit_at_once:
                left = " ".join(getattr(quit_at_once, "__notes__", []))
                screen.say(f"Quit. The journal has every row: {left}" if left else "Quit.")
                raise typer.Exit(128 + (stop.signal_number or signal.SIGINT)) from None
            return done

    return event_loop.run(main())
