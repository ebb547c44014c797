"""`pull`: current records, in a sheet to edit and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import completion, options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import on_signals
from batchupdate.cli.key_prompt import environ_with_key
from batchupdate.cli.output_file import Force, Output, check_command, default_path, refuse_stdout
from batchupdate.cli.units import many
from batchupdate.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.config import Settings
    from batchupdate.roundtrip.pull import Pulled
    from batchupdate.roundtrip.sheet import Form
    from batchupdate.targets import Target


@reports_errors
@options.of(options.VARIABLES, options.CONFIG, options.BASE_URL, options.ASKING)
def pull(
    target: options.TargetName,
    output: Output = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="xlsx, csv or jsonl.  [default: as the file is named, else xlsx]",
            autocompletion=completion.choices("xlsx", "csv", "jsonl"),
        ),
    ] = None,
    force: Force = False,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N records only.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    given: options.Given,
) -> None:
    """Write a target's present records into a sheet, ready to edit and run.

    Only reads. The old values stand in hidden columns beside, so that a run of the sheet sends only what was edited.
    Rows that must not be edited are grey, with the reason in the column _locked.

    Examples:

      batchupdate pull langdock-integration

      batchupdate pull langdock-integration -o now.csv --force

      batchupdate pull ./my-api.yaml --format jsonl --limit 100
    """
    from batchupdate.roundtrip.pull import listing_of
    from batchupdate.targets import find_target

    found = find_target(target)
    listing_of(found, target)
    refuse_stdout(output)
    path, kind = _place(found, output, form)
    settings = given.settings(target=target, limit=limit)
    screen = Screen(quiet=quiet, as_json=as_json)
    pulled = _pulled(target, settings, path, kind, screen, force=force)
    for notice in pulled.notices:
        screen.say(notice)
    grey = "grey" if kind == "xlsx" else "see _locked"
    locked = f", {pulled.locked:,} of them not yours to change ({grey})" if pulled.locked else ""
    screen.result(f"{many(pulled.records, 'record')} → {path}{locked}")
    if pulled.records:
        screen.say(f"Edit it, then: {check_command(path, target)}")
    screen.json(
        {
            "target": found.name,
            "file": str(path),
            "format": kind.value,
            "records": pulled.records,
            "locked": pulled.locked,
            "pages": pulled.pages,
            "requests": pulled.requests,
            "notices": list(pulled.notices),
        }
    )


def _place(target: Target, output: Path | None, form: str | None) -> tuple[Path, Form]:
    """Where to write, and as what: as is said, or as the file is named."""
    from batchupdate.roundtrip.sheet import Form

    known = ", ".join(Form)
    text = form or (output.suffix.lower().removeprefix(".") if output else "") or Form.XLSX
    if text not in set(Form):
        what = f"--format {form}" if form else f"The name of {output}"
        raise UsageError(f"{what} is none of: {known}.", "Add --format, or name the file accordingly.")
    kind = Form(text)
    if output and output.suffix.lower().removeprefix(".") in set(Form) - {kind}:
        raise UsageError(f"{output} does not have the extension of --format {kind}.", "Give only one of them.")
    return output or default_path(target, kind), kind


def _pulled(target: str, settings: Settings, path: Path, form: Form, screen: Screen, *, force: bool) -> Pulled:
    """Pulls until it is done, or a signal ends it; then nothing is left behind."""
    import asyncio

    from batchupdate.roundtrip.pull import pull_records
    from batchupdate.targets import find_target
    from batchupdate.util import event_loop

    environ = environ_with_key(find_target(target), settings)

    async def main() -> Pulled:
        task, asked = asyncio.current_task(), []

        def stop(number: int) -> None:
            asked.append(number)
            if task is not None:
                task.cancel()

        with on_signals(asyncio.get_running_loop(), stop), screen.progress() as show:
            try:
                return await pull_records(target, settings, path, form, force=force, on_progress=show, environ=environ)
            except asyncio.CancelledError:
                raise Interrupted(asked[0]) from None

    return event_loop.run(main())
