"""`demo`: the samples, applied to a sandbox."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from batchupdate.cli import options
from batchupdate.cli.confirm_and_send import send
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.summaries import show_outcomes
from batchupdate.errors import EXIT_ROWS_NOT_FINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.sandbox import Sandbox

DEMO_LIMIT = "30/s"
DEMO_FAULTS = "503-retry-after=0.02,500=0.04,reset-after=0.04"
DEMO_SEED = 3
SAMPLES = {"langdock-renames.csv": "langdock-integration", "nairi-renames.xlsx": "nairi-llm-integration"}


@reports_errors
@options.of(options.RUNS)
def demo(*, given: options.Given) -> None:
    """Start the sandbox, apply the samples to both built-in targets, and show the results.

    Sends nothing to any other machine. The sandbox has a rate limit and some faults, so that there is something to see.

    Example:

      batchupdate demo
    """
    from batchupdate.sandbox import Faults, run_in_thread

    screen = Screen()
    with ExitStack() as stack:
        samples = stack.enter_context(sample_files())
        server = stack.enter_context(
            run_in_thread(limit=DEMO_LIMIT, headers="retry-after", faults=Faults.parse(DEMO_FAULTS, DEMO_SEED))
        )
        screen.say(f"The sandbox listens at {server.url}: {DEMO_LIMIT}, with occasional faults.")
        codes = []
        for file, target in SAMPLES.items():
            codes.append(_apply(samples / file, target, server, given, screen))
            if codes[-1] > EXIT_ROWS_NOT_FINE:  # Ctrl-C, for one
                break
        screen.say(f"The sandbox saw {server.counts.requests} requests and applied {server.counts.applied} changes.")
    raise typer.Exit(max(codes))


def _apply(file: Path, target: str, server: Sandbox, given: options.Given, screen: Screen) -> int:
    """Runs one sample, as `batchupdate run --yes` would, and shows what became of it."""
    from batchupdate.run import prepare
    from batchupdate.sandbox import LANGDOCK_KEY, NAIRI_KEY

    settings = given.settings(target=target, base_url=server.url, rate="60/s", burst=4, concurrency=8)
    keys = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "NAIRI_API_KEY": NAIRI_KEY}
    with prepare(str(file), settings, new=True, environ=keys) as job:
        screen.result()
        screen.result(f"{file.name} → {target}", style="bold")
        summary = send(job, screen)
    show_outcomes(screen, summary)
    return summary.exit_code


@contextmanager
def sample_files() -> Iterator[Path]:
    """The folder of samples: inside an installed package, or beside it in a checkout."""
    with resources.as_file(resources.files("batchupdate")) as package:
        inside = package / "samples"
        yield inside if inside.is_dir() else package.parent / "samples"
