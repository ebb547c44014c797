"""`targets from-curl`: a declaration, made of a curl command."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.errors import UsageError


@reports_errors
def from_curl(
    command: Annotated[
        str, typer.Argument(help="The curl command in quotes, or - to read it from standard input.", metavar="COMMAND")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it.  [default: the target's name, here]")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the target is called.")] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="NAME=VALUE", help="Which part of the URL is the record's id. Repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make a target of a curl command that updates one record.

    The command is only read: nothing is sent, and no key is kept. Beside the declaration, a table with the command's
    own row is written, to try it with. Look over what was made before you use it.

    Examples:

      batchupdate targets from-curl 'curl -X PATCH https://api.example.com/v1/contacts/1024 -d ...'

      batchupdate targets from-curl - --id account=acme --id contact=7 < command.txt
    """
    from batchupdate.reporter.atomic_write import replacing_all
    from batchupdate.targets.from_curl import draft_from_curl

    screen = Screen(as_json=as_json)
    text = sys.stdin.read() if command == "-" else command
    draft = draft_from_curl(text, _pairs(ids or []), name)
    path = output or Path(f"{draft.target.name}.yaml")
    table = path.with_suffix(".csv")
    if taken := [one for one in (path, table) if one.exists() and not force]:
        raise UsageError(
            f"{taken[0]} is there already.", "Name another file with --output, or replace it with --force."
        )
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([list(draft.cells), list(draft.cells.values())])
    with replacing_all([path, table]) as (declaration, row):
        declaration.write(draft.text)
        row.write(rows.getvalue())
    for note in draft.notes:
        screen.say(note)
    screen.result(f"{draft.target.method} {draft.target.base_url}{draft.target.path} → {path}, and its row → {table}")
    screen.say(f"Look it over, then: batchupdate targets test {_word(path)} --file {shlex.quote(str(table))}")
    screen.json({"file": str(path), "table": str(table), "target": draft.target.name, "notes": list(draft.notes)})


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _pairs(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--id {text!r} is not of the form NAME=VALUE.", "For example: --id contact=1024")
        found[name] = value
    return found
