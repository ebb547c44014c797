"""`targets from-openapi`: a target out of an OpenAPI document."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.output_file import Force
from batchupdate.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from batchupdate.targets.openapi import Choices, Document, Draft, Operation


@reports_errors
def from_openapi(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="An OpenAPI document, 3.0, 3.1 or Swagger 2: a file or a URL.")
    ],
    operation: Annotated[
        str, typer.Option("--operation", help="The update: its operationId, or 'PATCH /contacts/{id}'.")
    ] = "",
    show_list: Annotated[bool, typer.Option("--list", help="List the operations that update one record.")] = False,
    fields: Annotated[
        str, typer.Option("--fields", help="The fields to declare, with commas; an object's name takes its members.")
    ] = "",
    server: Annotated[
        int | None, typer.Option("--server", min=1, help="Which of the document's servers, counted from 1.")
    ] = None,
    variant: Annotated[
        str, typer.Option("--variant", help="Which form of the body, by name or number, where it has several.")
    ] = "",
    follow_refs: Annotated[
        bool, typer.Option("--follow-refs", help="Let references lead to other files in the document's folder.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write, or - for standard output.")
    ] = None,
    force: Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a target of an OpenAPI document: one file, to look through and to keep.

    Nothing but the document itself is fetched, and that only from a URL. Download the files that it refers to.

    Examples:

      batchupdate targets from-openapi openapi.yaml --list

      batchupdate targets from-openapi openapi.yaml --operation updateContact -o contact.yaml
    """
    from batchupdate.targets.openapi import Choices, draft_target, find_operation

    screen = Screen(quiet=quiet, as_json=as_json)
    document = _document(spec, follow=follow_refs)
    found = _operations(spec, document)
    picked = tuple(filter(None, (name.strip() for name in fields.split(","))))
    choices = Choices(server, variant, picked)
    if show_list:
        _show_operations(screen, document, found)
        return
    if not operation and len(found) > 1:
        operation = _asked(screen, found)
    one = find_operation(found, operation) if operation else found[0]
    draft = draft_target(document, one, _asked_choices(screen, document, one, choices))
    _write(screen, draft, output, one, force=force)


def draft_by_asking(screen: Screen, spec: str, operation: str) -> Draft:
    """A target of a document; at a terminal, what is open is asked for.

    Raises:
        UsageError: something can't be used, or has to be chosen where nobody can be asked.
    """
    from batchupdate.targets.openapi import Choices, draft_target, find_operation

    document = _document(spec)
    found = _operations(spec, document)
    if not operation and len(found) > 1:
        operation = _asked(screen, found)
    one = find_operation(found, operation) if operation else found[0]
    return draft_target(document, one, _asked_choices(screen, document, one, Choices(None, "", ())))


def _document(spec: str, *, follow: bool = False) -> Document:
    """The document, from a file or from a URL."""
    from batchupdate.reader.files.remote import fetched, public_name, url_of
    from batchupdate.targets.openapi import document_of, load_document

    url = url_of(spec)
    if url is None:
        return load_document(Path(spec), follow=follow)
    if follow:
        raise UsageError("--follow-refs is for a document in a file.", "Download it, and the files that it refers to.")
    with fetched(url) as stream:
        return document_of(stream, public_name(url))


def _operations(spec: str, document: Document) -> list[Operation]:
    from batchupdate.targets.openapi import operations_of

    if found := operations_of(document):
        return found
    raise ConfigError(
        f"{spec} has no operation that updates one record.",
        "That would be a PATCH, PUT or POST with a variable in its path and a body.",
    )


def _show_operations(screen: Screen, document: Document, found: list[Operation]) -> None:
    from batchupdate.targets.openapi import draft_target

    rows, data = [], []
    for one in found:
        try:
            draft = draft_target(document, one)
            able, why = True, f"{len(draft.target.fields)} fields"
        except ConfigError as error:
            able, why = False, f"no: {error.message}"
        rows.append((one.method, one.path, one.operation_id, one.summary, why))
        data.append(
            {
                "method": one.method,
                "path": one.path,
                "operation_id": one.operation_id,
                "summary": one.summary,
                "declarable": able,
                "reason": "" if able else why.removeprefix("no: "),
            }
        )
    screen.table(("method", "path", "operation", "what it does", "can be declared"), rows)
    screen.say(f"{sum(each['declarable'] is True for each in data):,} of {len(data):,} can be declared.")
    for reference, reason in document.broken.items():
        screen.say(f"The reference {reference} is broken: {reason}.")
    screen.json({"operations": data})


def _asked(screen: Screen, found: list[Operation]) -> str:
    """The operation that somebody at a terminal chooses."""
    if not sys.stdin.isatty():
        raise UsageError(f"The document has {len(found):,} update operations.", "Choose with --operation; see --list.")
    for number, one in enumerate(found, 1):
        screen.say(f"{number:>4}  {one.name}  {one.summary}")
    chosen: int = typer.prompt("Which one", type=int, err=True)
    if not 1 <= chosen <= len(found):
        raise UsageError(f"There is no operation {chosen}.", f"They are counted from 1 to {len(found)}.")
    return found[chosen - 1].name


def _asked_choices(screen: Screen, document: Document, one: Operation, choices: Choices) -> Choices:
    """What else somebody at a terminal is asked: which server, and which of many fields."""
    from batchupdate.targets.openapi import draft_target, preferred, servers_of

    if not sys.stdin.isatty():
        return choices
    servers = servers_of(document, one)
    if choices.server is None and len(servers) > 1:
        for number, (url, node) in enumerate(servers, 1):
            screen.say(f"{number:>4}  {url}  {node.get('description', '')}")
        number = typer.prompt("Which server", type=int, default=preferred(servers) + 1, err=True)
        choices = choices._replace(server=number)
    if not choices.fields and (draft := draft_target(document, one, choices)).left_out:
        screen.say(f"It has {len(draft.target.fields) + len(draft.left_out):,} fields:")
        screen.say(", ".join([*draft.target.fields, *draft.left_out]))
        text = typer.prompt("Which ones, with commas (nothing: the first 50)", default="", show_default=False, err=True)
        choices = choices._replace(fields=tuple(filter(None, (name.strip() for name in text.split(",")))))
    return choices


def _write(screen: Screen, draft: Draft, output: Path | None, one: Operation, *, force: bool) -> None:
    from batchupdate.roundtrip.sheet import atomic_file
    from batchupdate.targets.openapi import about_left_out

    target = draft.target
    for note in [*draft.notes, about_left_out(draft.left_out)]:
        if note:
            screen.say(f"Look at: {note}")
    if output is not None and str(output) == "-":
        screen.line(draft.yaml.rstrip("\n"))
        return
    path = output or Path(f"{target.name}.yaml")
    if path.suffix not in {".yaml", ".yml"}:
        raise UsageError(f"A target is a YAML file, and {path} does not end in .yaml.", "Name it so.")
    with atomic_file(path, force=force) as beside:
        beside.write_text(draft.yaml, "utf-8")
    name = shlex.quote(str(path))
    screen.result(f"{path}: {one.name}, {len(target.fields)} fields. Look through it, then:")
    screen.result(f"  batchupdate targets show {name}")
    screen.result(f"  batchupdate template {name}")
    screen.json(
        {
            "target": target.name,
            "file": str(path),
            "fields": list(target.fields),
            "left_out": list(draft.left_out),
            "notes": list(draft.notes),
        }
    )
