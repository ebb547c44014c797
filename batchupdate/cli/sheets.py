"""`template` and `pull`: sheets to fill in."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchupdate.cli import options
from batchupdate.cli.apply import on_signals
from batchupdate.cli.console import Screen, many, told
from batchupdate.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from batchupdate.config import Settings
    from batchupdate.roundtrip.pull import Pulled
    from batchupdate.roundtrip.sheet import Form
    from batchupdate.targets import Target

TargetToFill = Annotated[
    str, typer.Argument(help="A built-in target, or the path of your own target's YAML file.", metavar="TARGET")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.  [default: <target>.xlsx]")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")]


@told
def template(
    target: TargetToFill,
    output: Output = None,
    force: Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write an empty workbook for a target: headings with notes, drop-downs, and a sheet that explains.

    Needs no key and no network. Fill it in, then check and run it.

    Examples:

      batchupdate template langdock-integration

      batchupdate template ./my-api.yaml -o contacts.xlsx
    """
    from batchupdate.roundtrip.sheet import write_template
    from batchupdate.targets import find_target

    found = find_target(target)
    _refuse_stdout(output)
    path = output or _default(found, "xlsx")
    if path.suffix.lower() != ".xlsx":
        raise UsageError(f"A template is a workbook, and {path} does not end in .xlsx.", "Give it such a name.")
    write_template(path, found, target, force=force)
    screen = Screen(quiet=quiet, as_json=as_json)
    screen.result(f"{path}: fill it in, then: {_check(path, target)}")
    screen.json({"target": found.name, "file": str(path)})


@told
@options.asking
def pull(
    target: TargetToFill,
    output: Output = None,
    form: Annotated[
        str | None, typer.Option("--format", help="xlsx, csv or jsonl.  [default: as the file is named, else xlsx]")
    ] = None,
    force: Force = False,
    config: options.Config = None,
    base_url: options.BaseUrl = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N records only.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    sending: dict[str, Any],
) -> None:
    """Write a target's present records into a sheet, ready to edit and run.

    Only reads. The old values stand in hidden columns beside, so that a run of the sheet sends only what was edited.
    Rows that must not be edited are grey, with the reason in the column _locked.

    Examples:

      batchupdate pull langdock-integration

      batchupdate pull langdock-integration -o now.csv --force

      batchupdate pull ./my-api.yaml --format jsonl --limit 100
    """
    from batchupdate.roundtrip.pull import listable

    found, _ = listable(target)
    _refuse_stdout(output)
    path, kind = _place(found, output, form)
    settings = options.settings_from(config, target=target, base_url=base_url, limit=limit, **sending)
    screen = Screen(quiet=quiet, as_json=as_json)
    pulled = _pulled(target, settings, path, kind, screen, force=force)
    for notice in pulled.notices:
        screen.say(notice)
    grey = "grey" if kind == "xlsx" else "see _locked"
    locked = f", {pulled.locked:,} of them not yours to change ({grey})" if pulled.locked else ""
    screen.result(f"{many(pulled.records, 'record')} → {path}{locked}")
    if pulled.records:
        screen.say(f"Edit it, then: {_check(path, target)}")
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


def _check(path: Path, target: str) -> str:
    return f"batchupdate check {shlex.quote(str(path))} --target {shlex.quote(target)}"


def _default(target: Target, suffix: str) -> Path:
    return Path(f"{target.name}.{suffix}")


def _refuse_stdout(output: Path | None) -> None:
    if output is not None and str(output) == "-":
        raise UsageError("A sheet can't go to standard output: it appears when it is whole.", "Give it a file's name.")


def _place(target: Target, output: Path | None, form: str | None) -> tuple[Path, Form]:
    """Where to write, and as what: as is said, or as the file is named."""
    from batchupdate.roundtrip.sheet import Form

    known = ", ".join(Form)
    text = form or (output.suffix.lower().removeprefix(".") if output else "") or Form.XLSX
    if text not in set(Form):
        what = f"--format {form}" if form else f"The name of {output}"
        raise UsageError(f"{what} is none of: {known}.", "Say --format, or name the file so.")
    kind = Form(text)
    if output and output.suffix.lower().removeprefix(".") in set(Form) - {kind}:
        raise UsageError(f"{output} is not named like a file in the --format {kind}.", "Keep one of them.")
    return output or _default(target, kind), kind


def _pulled(target: str, settings: Settings, path: Path, form: Form, screen: Screen, *, force: bool) -> Pulled:
    """Pulls until it is done, or a signal ends it; then nothing is left behind."""
    from batchupdate.roundtrip.pull import pull_records

    async def main() -> Pulled:
        task, asked = asyncio.current_task(), []

        def stop(number: int) -> None:
            asked.append(number)
            if task is not None:
                task.cancel()

        with on_signals(asyncio.get_running_loop(), stop), screen.progress() as show:
            try:
                return await pull_records(target, settings, path, form, force=force, on_progress=show)
            except asyncio.CancelledError:
                raise Interrupted(asked[0]) from None

    return asyncio.run(main())
