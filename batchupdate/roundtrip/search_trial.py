"""A target's search on trial: what it finds for some values, and which of that a row with these values would mean."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.engine.listing import PageClient, Pager, record_pages
from batchupdate.engine.listing.page_client import SEARCH
from batchupdate.errors import ConfigError
from batchupdate.runs.keys import credentials_of
from batchupdate.targets.catalogue import target_of
from batchupdate.targets.ways_to_find import ways_to_find
from batchupdate.util.clock import SystemClock
from batchupdate.util.json import dumps
from batchupdate.validator.matches import KeyField, key_of
from batchupdate.validator.types import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.targets import Target
    from batchupdate.util.clock import Clock


class FoundRecord(NamedTuple):
    """A record that a search has found.

    `values` are those of the fields that were asked for, as JSON, and None where the record does not show one; `meant`
    is whether they are the same as what was asked for, and `locked` why the record must not be edited, or ''.
    """

    ids: Sequence[str]
    values: Mapping[str, str | None]
    meant: bool
    locked: str


class Searched(NamedTuple):
    """A search, and what it has found."""

    path: str
    records: Sequence[FoundRecord]


def searching(settings: Settings, values: Mapping[str, str]) -> Settings:
    """The settings with which records are found by these fields, so that all variables have to have values."""
    of_input = settings.input.model_copy(update={"match": dict.fromkeys(values)})
    return settings.model_copy(update={"input": of_input})


async def search_records(
    values: Mapping[str, str],
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    on_trouble: Callable[[str], None] = lambda _: None,
) -> Searched:
    """Searches for records as `--match` does, at the target's rate.

    Args:
        values: by field, as the cells of a row would have them.
        settings: with `target`.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.
        on_trouble: is called with a sentence when a page has to be asked for again.

    Raises:
        UsageError: the target declares no `search`, or one by other fields; nothing was sent.
        SafetyStop: the reply can't be had, or is not as the target declares.
    """
    target = target_of(searching(settings, values), environ)
    if target.search is None:
        hint = "Add 'search' to its declaration (docs/targets.md)."
        raise ConfigError(f"The target {target.name} does not declare how records are searched for.", hint)
    asks_by = target.search.asks_by
    if {*asks_by} != {*values}:
        shown = " ".join(f'--search "{name}=VALUE"' for name in asks_by)
        raise ConfigError(f"Records of {target.name} are searched for by {' and '.join(asks_by)}.", f"Give: {shown}")
    fields = [KeyField(name, target.fields[name]) for name in asks_by]
    wanted = _wanted(fields, values, target)
    _, search = ways_to_find(target, asks_by)
    assert search is not None  # noqa: S101 - it asks by these
    search = search.for_values(values)
    clock = clock or SystemClock()
    pager = Pager(search, target.base(settings.base_url, allow_http=settings.allow_http))
    credentials = credentials_of(target, settings, environ, clock)
    asking = PageClient(pager.origin, target, settings, credentials, clock=clock, on_trouble=on_trouble, wording=SEARCH)
    found: list[FoundRecord] = []
    async with asking, aclosing(record_pages(asking, pager, target, search, asks_by)) as pages:
        async for page in pages:
            for record in page.records:
                shown_values = {name: dumps(record.fields[name]) if name in record.fields else None for name in asks_by}
                meant = key_of(fields, record.fields) == wanted
                found.append(FoundRecord(record.ids, shown_values, meant, record.locked))
    return Searched(credentials.secrets.redact(search.path), found)


def _wanted(fields: Sequence[KeyField], values: Mapping[str, str], target: Target) -> tuple[str, ...]:
    """What the fields of a record must be equal to."""
    key = []
    for field in fields:
        try:
            key.append(field.of_cell(values[field.name]))
        except RefusedError as error:
            raise ConfigError(f"No record of {target.name} can have that {field.name}: {error}.") from error
        if not key[-1]:
            raise ConfigError(f"The {field.name} to search for is blank.", "Give a value that a record has.")
    return tuple(key)
