"""`sandbox` and `demo`: a local API server to try everything on."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from batchupdate.cli import options
from batchupdate.cli.apply import send
from batchupdate.cli.console import Screen, outcomes, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.sandbox import Sandbox

LimitKind = Literal["fixed-window", "sliding-window", "token-bucket"]
HeaderStyle = Literal["none", "retry-after", "ietf", "legacy"]
DEMO_LIMIT = "30/s"
DEMO_FAULTS = "503-retry-after=0.02,500=0.04,reset-after=0.04"
DEMO_SEED = 3


@told
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 lets the system choose.")] = 8765,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    limit: Annotated[str, typer.Option(help="The API's rate limit, such as 20/s.")] = "unlimited",
    limit_kind: Annotated[LimitKind, typer.Option(help="How the limit counts.")] = "fixed-window",
    headers: Annotated[HeaderStyle, typer.Option(help="What a reply says of the limit.")] = "none",
    faults: Annotated[
        str, typer.Option(help='Faults with their probabilities, such as "500=0.05,reset-after=0.02,hang=0.01".')
    ] = "",
    seed: Annotated[int, typer.Option(help="Makes records and faults repeatable.")] = 1,
    langdock: Annotated[int, typer.Option(min=0, help="How many Langdock integrations there are.")] = 60,
    nairi: Annotated[int, typer.Option(min=0, help="How many Nairi integrations there are.")] = 40,
) -> None:
    """Run a local API server that behaves like the built-in targets, until Ctrl-C.

    Examples:

      batchupdate sandbox --limit 20/s --headers retry-after

      batchupdate sandbox --faults "500=0.05,reset-after=0.02" --seed 7
    """
    from batchupdate.errors import ConfigError
    from batchupdate.sandbox import LANGDOCK_KEY, NAIRI_KEY, serve

    screen = Screen()

    def ready(url: str) -> None:
        screen.result(f"The sandbox listens at {url}")
        screen.say(f"  LANGDOCK_API_KEY={LANGDOCK_KEY} batchupdate run FILE -t langdock-integration --base-url {url}")
        screen.say(f"  NAIRI_API_KEY={NAIRI_KEY} batchupdate run FILE -t nairi-llm-integration --base-url {url}")
        screen.say(f"  What it really applied: {url}/_sandbox/applied")

    try:
        asyncio.run(
            serve(
                ready,
                port=port,
                host=host,
                limit=limit,
                limit_kind=limit_kind,
                headers=headers,
                faults=faults,
                seed=seed,
                langdock=langdock,
                nairi=nairi,
            )
        )
    except ValueError as error:
        raise ConfigError(f"{error}.".replace("..", ".")) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"The sandbox can't listen at {host}:{port}: {reason}.", "Say another --port.") from error


@told
def demo(runs_dir: options.RunsDir = None) -> None:
    """Start the sandbox, apply the samples to both built-in targets, and show the results.

    Sends nothing to any other machine. The sandbox has a rate limit and some faults, so that there is something to see.

    Example:

      batchupdate demo
    """
    from batchupdate.sandbox import Faults, run_in_thread

    screen = Screen()
    with ExitStack() as stack:
        samples = stack.enter_context(_samples())
        server = stack.enter_context(
            run_in_thread(limit=DEMO_LIMIT, headers="retry-after", faults=Faults.parse(DEMO_FAULTS, DEMO_SEED))
        )
        screen.say(f"The sandbox listens at {server.url}: {DEMO_LIMIT}, and now and then a fault.")
        codes = [
            _apply(samples / "langdock-renames.csv", "langdock-integration", server, runs_dir, screen),
            _apply(samples / "nairi-renames.xlsx", "nairi-llm-integration", server, runs_dir, screen),
        ]
        screen.say(f"The sandbox saw {server.counts.requests} requests and applied {server.counts.applied} changes.")
    raise typer.Exit(max(codes))


def _apply(file: Path, target: str, server: Sandbox, runs_dir: Path | None, screen: Screen) -> int:
    """Runs one sample, as `batchupdate run --yes` would, and shows what became of it."""
    from batchupdate.runs.begin import prepare
    from batchupdate.sandbox import LANGDOCK_KEY, NAIRI_KEY

    settings = options.settings_from(
        None, target=target, base_url=server.url, runs_dir=runs_dir, rate="60/s", burst=4, concurrency=8
    )
    keys = {"LANGDOCK_API_KEY": LANGDOCK_KEY, "NAIRI_API_KEY": NAIRI_KEY}
    with prepare(str(file), settings, new=True, environ=keys) as prepared:
        screen.result()
        screen.result(f"{file.name} → {target}", style="bold")
        summary = send(prepared, screen)
    outcomes(screen, summary)
    return summary.exit_code


@contextmanager
def _samples() -> Iterator[Path]:
    """The folder of samples: inside an installed package, or beside it in a checkout."""
    with resources.as_file(resources.files("batchupdate")) as package:
        inside = package / "samples"
        yield inside if inside.is_dir() else package.parent / "samples"
