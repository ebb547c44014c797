"""`targets test`: what a target makes of one row, and what it finds in one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.key_prompt import environ_with_key
from batchupdate.cli.units import many
from batchupdate.errors import EXIT_ROWS_NOT_FINE, UsageError

if TYPE_CHECKING:
    from batchupdate.config import Settings
    from batchupdate.roundtrip.trial import Tried

SHOWN_RECORDS = 20


@reports_errors
@options.of(options.VARIABLES, options.CONFIG, options.BASE_URL, options.READING)
def try_target(
    target: options.TargetName,
    file: Annotated[
        str | None, typer.Option("--file", help="A table, whose first row is shown. Without one, a row of examples.")
    ] = None,
    read: Annotated[
        list[str] | None,
        typer.Option(
            "--read", metavar="ID", help="Read this record. Repeatable, for an id of several parts, in their order."
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="FIELD=VALUE", help="Search for records as --match does. Repeatable."),
    ] = None,
    as_json: options.Json = False,
    *,
    given: options.Given,
) -> None:
    """Show the exact request that a target makes of a row, and send nothing; or read one record.

    The request is what a run would send, with [redacted] in the place of the key. With --read, the record is asked for,
    and shown with the fields that the target finds in it. With --search, all that the target's search finds is shown.

    Examples:

      batchupdate targets test zendesk-ticket --file tickets.csv --var site=acme --var email=ann@acme.example

      batchupdate targets test ./my-api.yaml

      batchupdate targets test ./my-api.yaml --read 1024

      batchupdate targets test ./my-api.yaml --search "name=Ann Example"
    """
    settings = given.settings(target=target)
    screen = Screen(as_json=as_json)
    if sum(map(bool, (file, read, search))) > 1:
        raise UsageError(
            "--file shows a request, --read reads a record, and --search searches for some.", "Give only one of them."
        )
    if read:
        _show_record(read, settings, screen)
        return
    if search:
        _show_search(search, settings, screen)
        return
    from batchupdate.roundtrip.trial import preview_of

    tried = preview_of(file, settings)
    _show_request(tried, screen, of_file=file is not None)
    raise typer.Exit(0 if tried.preview else EXIT_ROWS_NOT_FINE)


def _show_request(tried: Tried, screen: Screen, *, of_file: bool) -> None:
    for notice in tried.notices:
        screen.say(notice)
    for problem in tried.problems:
        screen.say(f"row {problem.row}: {problem.sentence()}" if of_file else problem.sentence())
    preview = tried.preview
    if preview is None:
        screen.result("Nothing would be sent for this row.", failure=True)
        screen.json({"request": None, "problems": [problem.sentence() for problem in tried.problems]})
        return
    screen.say(f"Row {preview.row} would be sent as:" if of_file else "A row of examples would be sent as:")
    headers = [f"{name}: {value}" for name, value in preview.headers.items()]
    _show_lines(screen, [f"{preview.method} {preview.url}", *headers, "", *preview.pretty_body.splitlines()])
    screen.say("Nothing was sent.")
    screen.json(
        {
            "request": {
                "method": preview.method,
                "url": preview.url,
                "headers": dict(preview.headers),
                "body": preview.text,
            },
            "problems": [problem.sentence() for problem in tried.problems],
        }
    )


def _show_lines(screen: Screen, lines: list[str]) -> None:
    """Lines that are not to be wrapped, because they are somebody's format."""
    if not screen.as_json:
        for line in lines:
            screen.line(line)


def _show_record(ids: list[str], settings: Settings, screen: Screen) -> None:
    from batchupdate.roundtrip.trial import read_record
    from batchupdate.targets.catalogue import target_of
    from batchupdate.util import event_loop

    environ = environ_with_key(target_of(settings), settings)
    read = event_loop.run(read_record(ids, settings, environ, on_trouble=screen.say))
    _show_lines(screen, [f"GET {read.path}", "", *read.record.splitlines()])
    rows = [(one.field, one.place, "not in the record" if one.value is None else one.value) for one in read.fields]
    screen.table(("field", "where", "value"), rows)
    missing = [one.field for one in read.fields if one.value is None]
    if len(missing) == len(rows):
        screen.say("None of the target's fields is in the record. Check read.record, and where the fields are (at).")
    screen.json({"path": read.path, "record": read.record, "fields": {one.field: one.value for one in read.fields}})


def _show_search(asked: list[str], settings: Settings, screen: Screen) -> None:
    from batchupdate.roundtrip.search_trial import search_records, searching
    from batchupdate.targets.catalogue import target_of
    from batchupdate.util import event_loop

    values: dict[str, str] = {}
    for one in asked:
        name, equals, value = one.partition("=")
        if not (name and equals) or name in values:
            raise UsageError(f"--search {one!r} is no field with its value, or a field given twice.", "Say: name=Ann")
        values[name] = value
    environ = environ_with_key(target_of(searching(settings, values)), settings)
    found = event_loop.run(search_records(values, settings, environ, on_trouble=screen.say))
    _show_lines(screen, [f"GET {found.path}", ""])
    rows = []
    for record in found.records[:SHOWN_RECORDS]:
        fields = [f"{name}: {'not in the record' if value is None else value}" for name, value in record.values.items()]
        rows.append(("/".join(record.ids), ", ".join(fields), record.locked or ("yes" if record.meant else "no")))
    screen.table(("id", "fields", "is meant"), rows or [("no record", "", "")])
    if (more := len(found.records) - len(rows)) > 0:
        screen.say(f"And {many(more, 'record')} more.")
    meant = sum(one.meant for one in found.records)
    screen.say(
        f"A row with these values would mean {many(meant, 'record')}" + ("." if meant == 1 else ", so it is stopped.")
    )
    if found.records and not any(value is not None for one in found.records for value in one.values.values()):
        screen.say(
            "None of the fields is in the records. Check search.records, and where the fields are (search.fields)."
        )
    records = [{"id": list(one.ids), "fields": one.values, "meant": one.meant} for one in found.records]
    screen.json({"path": found.path, "records": records})
