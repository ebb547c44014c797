"""A target on trial: the request that it makes of one row, without sending it, and what it finds in one record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.api.client import FIXED_HEADERS
from batchupdate.config import Input, Secrets
from batchupdate.config.json_path import UnexpectedReplyError, search
from batchupdate.engine.listing import RECORD, PageClient
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.ingest import Ingest
from batchupdate.model import Level, Request, Row
from batchupdate.reader import ReadOptions
from batchupdate.reader.multi_file import open_tables
from batchupdate.reader.sources import local_copies
from batchupdate.runs.keys import credentials_of, only_secrets
from batchupdate.runs.metadata import batch_in_use, batch_size_of
from batchupdate.targets.catalogue import target_of
from batchupdate.util.clock import SystemClock
from batchupdate.util.json import ExactNumber, dumps
from batchupdate.validator import Validator, map_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.model import Change, Problem
    from batchupdate.reader.sources import Given
    from batchupdate.targets import FieldRule, IdRule, Target
    from batchupdate.util.clock import Clock
    from batchupdate.validator.checked_rows import CheckedRows

_EXAMPLES = {
    "integer": "1",
    "number": "1.5",
    "boolean": "true",
    "date": "2026-11-21",
    "datetime": "2026-11-21T18:45:00Z",
    "json": "{}",
}
_FORMATS = {
    "url": "https://www.example.com",
    "hex-color": "#1a73e8",
    "uuid": "550e8400-e29b-41d4-a716-446655440000",
    "ulid": "01KFRX8K1CKQGCV2W5J9C9Z37H",
}
_NO_BASE = "https://HOST"
_OWN_IDEMPOTENCY_KEY = "[one for each row]"
_VERSION = "[the version that is read just before]"


@dataclass(frozen=True, slots=True)
class Preview:
    """A request that was not sent: what the client would send for a row, with keys replaced by `[redacted]`."""

    row: int
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are none are escaped."""
        return self.body.decode("utf-8", "backslashreplace")

    @property
    def pretty_body(self) -> str:
        """The body for people: JSON indented, with every digit as it is sent, and a form with a line for each part."""
        text = self.text
        if "json" in self.headers["Content-Type"]:
            return _indented(json.loads(text, parse_float=ExactNumber, parse_int=ExactNumber))
        return text.replace("&", "\n&")


def _indented(value: Any, margin: str = "") -> str:  # noqa: ANN401 - any JSON value
    """JSON with a line for each member; `json.dumps` would write numbers in its own way."""
    inner = f"{margin}  "
    if isinstance(value, dict) and value:
        members = (
            f"{inner}{json.dumps(name, ensure_ascii=False)}: {_indented(one, inner)}" for name, one in value.items()
        )
        return "{\n" + ",\n".join(members) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"{inner}{_indented(one, inner)}" for one in value) + f"\n{margin}]"
    return value.text if isinstance(value, ExactNumber) else json.dumps(value, ensure_ascii=False)


class Tried(NamedTuple):
    """The request for a row, or None where there is none, with all that is to be said of the row."""

    preview: Preview | None
    problems: Sequence[Problem]
    notices: Sequence[str]


# ---- the request for a row ----


def preview_of(source: Given | None, settings: Settings, environ: Mapping[str, str] | None = None) -> Tried:
    """The request for the first row of a file, or for a row of examples where none is given. Sends nothing.

    Raises:
        UsageError: the file, the config or the target can't be used.
    """
    target = target_of(settings, environ, offline=True)
    notices = _notices_about_variables(settings, environ)
    secrets = only_secrets(target, settings, environ, SystemClock()).secrets
    problems: list[Problem] = []
    checked = _example(target) if source is None else _first_row(source, target, settings, secrets, problems, notices)
    if checked is None or not checked.rows:
        return Tried(None, problems, [*notices, "The file has no row."])
    change = next(checked.changes())
    notices += checked.skipped.values()
    problems += checked.problems if source is None else ()
    if (most := batch_size_of(target, settings)) > 1:
        notices.append(f"Up to {most:,} rows go out with one request; here is one of a single row.")
    if target.body.base:
        notices.append(
            "The record is read just before, and what a row does not set is taken from it; that is not shown."
        )
    if target.hooks and "sign" in target.hooks.names:
        notices.append(f"The package {target.hooks.package} adds headers as the request leaves; they are not shown.")
    return Tried(change and _request(change, target, settings), problems, notices)


def _notices_about_variables(settings: Settings, environ: Mapping[str, str] | None) -> list[str]:
    try:
        target_of(settings, environ)
    except ConfigError as error:
        return [f"{error} Here, an example stands in its place."]
    return []


def _first_row(
    source: Given, target: Target, settings: Settings, secrets: Secrets, problems: list[Problem], notices: list[str]
) -> CheckedRows | None:
    options = settings.input
    kept: list[CheckedRows] = []
    reading = ReadOptions(options.sheet, options.encoding, options.delimiter, 1, options.header_row, options.widths)
    with (
        local_copies(source, options.query) as sources,
        open_tables(sources, reading, secrets.redact) as table,
        Ingest(table, target, options, secrets, problems.append, lambda _: None) as ingest,
    ):
        ingest.read(kept.append)
        notices += ingest.checkup.notices
    return next((checked for checked in kept if checked.rows), None)


def _request(change: Change, target: Target, settings: Settings) -> Preview:
    path, method, content_type = target.expand(change.ids), target.method, target.change_headers["Content-Type"]
    body = target.body_of(dumps(change.fields), path)
    if batch := batch_in_use(target, settings):
        request = Request(change.row, "", path, dumps(change.fields))
        body = target.batch_builder.build([target.batch_record(request)])
        path, method, content_type = batch.path, batch.method, batch.content_type
    fixed = settings.base_url or target.base_url
    base = target.base(settings.base_url, allow_http=settings.allow_http) if fixed else _NO_BASE
    headers = {**FIXED_HEADERS, **target.read_headers, **target.change_headers, "Content-Type": content_type}
    headers |= target.auth.redacted_headers()
    if target.idempotency:
        headers[target.idempotency.header] = _OWN_IDEMPOTENCY_KEY
    if target.precondition:
        headers |= target.precondition.headers(_VERSION)
    query = target.auth.redacted_query()
    url = f"{base}{path}" + (("&" if "?" in path else "?") + query if query else "")
    return Preview(change.row, method, url, headers, body)


def _example(target: Target) -> CheckedRows:
    return _check(_example_cells(target), target)


def _check(cells: Mapping[str, str], target: Target) -> CheckedRows:
    validator = Validator(target, map_columns([*cells], target, Input()), Secrets())
    return validator.check([Row(2, tuple(cells.values()))])


def _example_cells(target: Target) -> dict[str, str]:
    """A row of examples; fields for which none is known are left out unless a row needs them."""
    cells = {name: _id_example(name, rule) for name, rule in target.id.items()}
    for name, rule in target.fields.items():
        example = _field_example(name, rule)
        if example and (rule.required or not (rule.pattern and not rule.example)) and name not in target.parts:
            cells[name] = example
    return cells


def _id_example(name: str, rule: IdRule) -> str:
    return rule.example or (rule.prefix if rule.format == "ulid" else "") + _FORMATS.get(rule.format or "", f"{name}-1")


def _field_example(name: str, rule: FieldRule) -> str:
    if rule.type == "list":
        item = _field_example(name, rule.items) if rule.items else f"{name} 1"
        return json.dumps([item] * max(rule.min_items or 1, 1))
    if rule.enum:
        return rule.enum[0]
    if rule.type == "json" and not rule.example:
        return "[]" if rule.json_type == "array" else "{}"
    if rule.type in {"integer", "number"} and (rule.minimum is not None or rule.maximum is not None):
        return str(rule.minimum if rule.minimum is not None else rule.maximum)
    text = rule.example or _FORMATS.get(rule.format or "") or _EXAMPLES.get(rule.type) or f"a new {name}"
    return text.ljust(rule.min_length or 0, "x")[: rule.max_length]


# ---- a record ----


class Found(NamedTuple):
    """A field of a record: where it was looked for, and its value as JSON; None where it is not in the record."""

    field: str
    place: str
    value: str | None


class ReadRecord(NamedTuple):
    """A record as the API has it, and what the target finds in it."""

    path: str
    record: str
    fields: Sequence[Found]


async def read_record(
    ids: Sequence[str],
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> ReadRecord:
    """Reads one record as a look-up before a retry would, at the target's rate.

    Args:
        ids: the parts of its id, in the order of the path.
        settings: with `target`.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.
        on_trouble: is called with a sentence when the record has to be asked for again.

    Raises:
        UsageError: the target declares no `read`, or this is no id of it; nothing was sent.
        SafetyStop: the record can't be read, or is not where the target says.
    """
    target = target_of(settings, environ)
    if target.read is None:
        hint = "Add 'read' to its declaration (docs/targets.md); {} where the record is at the same path."
        raise ConfigError(f"The target {target.name} does not declare how a record is read.", hint)
    path = target.read_path(target.expand(_checked(ids, target)))
    clock = clock or SystemClock()
    base_url = target.base(settings.base_url, allow_http=settings.allow_http)
    credentials = credentials_of(target, settings, environ, clock)
    asking = PageClient(base_url, target, settings, credentials, clock=clock, on_trouble=on_trouble, wording=RECORD)
    async with asking:
        answer = await asking.page(path, None, 1, may_be_gone=False)
    assert answer is not None  # noqa: S101 - it may not be gone
    try:
        record = search(target.read.record, answer[0], "read.record")
    except UnexpectedReplyError as error:
        raise SafetyStop(f"The record is not as the target declares: {error}.", "Correct read.record.") from error
    if not isinstance(record, dict):
        what = "nothing" if record is None else dumps(record)[:60]
        hint = f"The reply was: {dumps(answer[0])[:300]}"
        raise SafetyStop(f"'read.record' ({target.read.record}) finds {what} in the reply, and no record.", hint)
    found = [_found(name, record, target) for name in target.fields]
    text = _indented(json.loads(dumps(record), parse_float=ExactNumber, parse_int=ExactNumber))
    return ReadRecord(path, credentials.secrets.redact(text), found)


def _checked(ids: Sequence[str], target: Target) -> tuple[str, ...]:
    """The parts of the id, as a row may have them."""
    names = target.path_variables
    if len(ids) != len(names):
        shown = " ".join(f"--read {name.upper()}" for name in names)
        raise ConfigError(f"A record of {target.name} is read by {', '.join(names)}.", f"Give all: {shown}")
    checked = _check({**_example_cells(target), **dict(zip(names, ids, strict=True))}, target)
    about = [one for one in checked.problems if one.column in names and one.level is Level.ERROR]
    if about or checked.ids[0] is None:
        raise ConfigError(f"This is no id of {target.name}: {about[0].sentence() if about else ids}.")
    return checked.ids[0]


def _found(name: str, record: Mapping[str, Any], target: Target) -> Found:
    if place := target.places.get(name):
        value = search(place.jmespath, record, "at")
        return Found(name, target.fields[name].at or name, None if value is None else dumps(value))
    path, value = target.paths[name], record
    for member in path:
        if not isinstance(value, dict) or member not in value:
            return Found(name, ".".join(path), None)
        value = value[member]
    return Found(name, ".".join(path), dumps(value))
