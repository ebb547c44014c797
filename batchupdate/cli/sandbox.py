"""`sandbox`: a local API server to try everything on."""

from __future__ import annotations

import shlex
from typing import Annotated, Literal

import typer

from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.demo import sample_files

LimitKind = Literal["fixed-window", "sliding-window", "token-bucket"]
HeaderStyle = Literal["none", "retry-after", "ietf", "legacy"]


@reports_errors
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 lets the system choose.")] = 8765,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    limit: Annotated[str, typer.Option(help="The API's rate limit, such as 20/s.")] = "unlimited",
    limit_kind: Annotated[LimitKind, typer.Option(help="How the limit counts.")] = "fixed-window",
    headers: Annotated[HeaderStyle, typer.Option(help="What a reply says of the limit.")] = "none",
    faults: Annotated[
        str, typer.Option(help='Faults with their probabilities, such as "500=0.05,reset-after=0.02,hang=0.01".')
    ] = "",
    bad_records: Annotated[
        str, typer.Option(help='Records that always get an error, such as "429=1,503=2@30" (Retry-After: 30).')
    ] = "",
    versions: Annotated[bool, typer.Option("--versions", help="Contacts have ETags, and take If-Match.")] = False,
    second_writer: Annotated[
        float, typer.Option(min=0, max=1, help="The chance that somebody else changes a record after a request.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Makes records and faults repeatable.")] = 1,
    langdock: Annotated[int, typer.Option(min=0, help="How many Langdock integrations there are.")] = 60,
    nairi: Annotated[int, typer.Option(min=0, help="How many Nairi integrations there are.")] = 40,
) -> None:
    """Run a local API server that behaves like the built-in targets, and contacts to pull and edit, until Ctrl-C.

    Examples:

      batchupdate sandbox --limit 20/s --headers retry-after

      batchupdate sandbox --faults "500=0.05,reset-after=0.02" --seed 7

      batchupdate sandbox --bad-records 429=1
    """
    from batchupdate.errors import ConfigError
    from batchupdate.sandbox import CONTACTS_KEY, LANGDOCK_KEY, NAIRI_KEY, serve
    from batchupdate.util import event_loop

    screen = Screen()
    with sample_files() as samples:
        contacts = samples / "sandbox-contacts.yaml"

    def ready(url: str) -> None:
        screen.result(f"The sandbox listens at {url}")
        screen.say(f"  LANGDOCK_API_KEY={LANGDOCK_KEY} batchupdate run FILE -t langdock-integration --base-url {url}")
        screen.say(f"  NAIRI_API_KEY={NAIRI_KEY} batchupdate run FILE -t nairi-llm-integration --base-url {url}")
        screen.say(f"  CONTACTS_API_KEY={CONTACTS_KEY} batchupdate pull {shlex.quote(str(contacts))} --base-url {url}")
        screen.say(f"  What it has applied: {url}/_sandbox/applied")

    try:
        event_loop.run(
            serve(
                ready,
                port=port,
                host=host,
                limit=limit,
                limit_kind=limit_kind,
                headers=headers,
                faults=faults,
                bad_records=bad_records,
                versions=versions,
                second_writer=second_writer,
                seed=seed,
                langdock=langdock,
                nairi=nairi,
            )
        )
    except ValueError as error:
        raise ConfigError(f"{error}.".replace("..", ".")) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"The sandbox can't listen at {host}:{port}: {reason}.", "Choose another --port.") from error
