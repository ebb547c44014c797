"""Two journals beside each other: the rows that differ."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.journal import queries
from batchupdate.journal.connection import explained, uri_of
from batchupdate.journal.store import Journal
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Values(NamedTuple):
    """What each of two runs was to set in a field, as JSON values; not `in_one` where the first was not to set it."""

    name: str
    one: Any
    other: Any
    in_one: bool
    in_other: bool


class Difference(NamedTuple):
    """A row that differs between two runs; what a run does not have of it is None.

    `fields` are those that differ between what each run was to set.
    """

    record_id: str
    one_row: int | None
    other_row: int | None
    one_outcome: str | None
    other_outcome: str | None
    one_error: str
    other_error: str
    fields: tuple[Values, ...]


def differences(one: Path, other: Path) -> Iterator[Difference]:
    """The rows of two runs that differ in their outcome or in what they set; streamed, in the order of the first run.

    Rows belong together by the id of their record, and where they have none by their place. Those that only the second
    run has come last.

    Raises:
        ConfigError: one of the journals can't be read.
    """
    for path in (one, other):
        Journal.open(path).close()  # brought up to date, if it is of an older version
    with explained(one), closing(sqlite3.connect(":memory:", uri=True)) as connection:
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute(queries.ATTACH_ONE, (uri_of(one),))
        connection.execute(queries.ATTACH_OTHER, (uri_of(other),))
        for query in (queries.DIFFERENCES, queries.ONLY_IN_OTHER):
            for *pair, one_fields, other_fields in connection.execute(query):
                found = _difference(pair, one_fields, other_fields)
                if found is not None:
                    yield found


def _difference(pair: list[Any], one: str | None, other: str | None) -> Difference | None:
    one_key, other_key, record_id, one_outcome, other_outcome, one_error, other_error = pair
    left, right = (exact_json.loads(fields) if fields else {} for fields in (one, other))
    both = one_key is not None and other_key is not None
    names = [*left, *(name for name in right if name not in left)] if both else []
    fields = tuple(
        Values(name, left.get(name), right.get(name), name in left, name in right)
        for name in names
        if _differ(name, left, right)
    )
    if both and one_outcome == other_outcome and not fields:
        return None
    return Difference(
        record_id, one_key, other_key, one_outcome, other_outcome, one_error or "", other_error or "", fields
    )


def _differ(name: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    if (name in left) is not (name in right):
        return True
    one, other = left[name], right[name]
    if isinstance(one, bool) is not isinstance(other, bool):
        return True  # in Python, true equals 1
    return bool(exact_json.dumps(one) != exact_json.dumps(other) and one != other)
