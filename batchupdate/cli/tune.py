"""`tune`: changes a run that another process works on."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.errors import Interrupted, UsageError
from batchupdate.util.text import listed

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.runs.folder import RunFolder
    from batchupdate.runs.tuning import Tuning

HEARD_WITHIN_S = 10.0
LOOK_EVERY_S = 0.1


@reports_errors
@options.of(options.RUNS, options.TUNING)
def tune(
    run: options.RunName = "latest",
    pause: Annotated[
        bool | None, typer.Option("--pause/--go-on", help="Send nothing further for now; or send again.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    given: options.Given,
) -> None:
    """Change a run while another process works on it: its rate, its patience, its failure limit; or pause it.

    What is in flight at a pause may finish. `batchupdate resume` keeps what was changed, but for the pause; the same
    `run` command begins with its own settings again.

    Examples:

      batchupdate tune --rate 2/s

      batchupdate tune 20261121-184500-renames-7f3a --pause
    """
    from batchupdate.runs.folder import find
    from batchupdate.runs.tuning import Tuning, ask

    screen = Screen(quiet=quiet, as_json=as_json)
    runs_dir = given.values[("runs_dir",)]
    values = {place[0]: value for place, value in given.values.items() if value is not None and place != ("runs_dir",)}
    if not values and pause is None:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in options.TUNING)
        raise UsageError("Nothing is to be changed.", f"Say what: {names}, --pause or --go-on.")
    tuning = Tuning(values, pause)
    folder = find(given.settings().runs_dir if runs_dir is None else runs_dir, run)
    if not folder.is_held():
        raise UsageError(
            f"No process is working on the run {folder.run_id}.",
            f"If it is unfinished, resume it with what you want: batchupdate resume {folder.command_name}",
        )
    try:
        _wait_until_heard(ask(folder.path, tuning), folder)
    except KeyboardInterrupt:
        message = f"Stopped on request. The run goes on; whether it was changed is in {folder.log}."
        raise Interrupted(signal.SIGINT, message) from None
    screen.result(f"{folder.run_id}: {_said(tuning)}.")
    if pause:
        screen.result(f"To go on: batchupdate tune {folder.command_name} --go-on")
    screen.json({"run_id": folder.run_id, **tuning.said})


def _said(tuning: Tuning) -> str:
    changed = [
        f"{name.replace('_', ' ')} is {f'{value:g} s' if isinstance(value, float) else value} now"
        for name, value in tuning.values.items()
    ]
    if tuning.paused is not None:
        changed.append("it is paused" if tuning.paused else "it goes on")
    return listed(changed)


def _wait_until_heard(request: Path, folder: RunFolder) -> None:
    """Waits until the process that works on the run has taken the request up, and else takes it back.

    Raises:
        UsageError: it did not.
    """
    until = time.monotonic() + HEARD_WITHIN_S
    try:
        while request.exists():
            if not folder.is_held():
                raise UsageError(f"The run {folder.run_id} ended before it was changed.", "")
            if time.monotonic() > until:
                raise UsageError(
                    f"The run {folder.run_id} is not sending: it may be reading, reporting, or waiting for an answer.",
                    "Nothing was changed. Try again once it sends.",
                )
            time.sleep(LOOK_EVERY_S)
    finally:
        with suppress(OSError):
            request.unlink(missing_ok=True)
