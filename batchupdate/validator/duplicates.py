"""Finds ids that are in more than one row, in constant memory, and decides what becomes of such rows, or merges them.

Up to a bound, keys are kept in memory. Beyond it they go to a private, temporary SQLite database that spills to disk
and vanishes with its connection; its sorter then brings equal keys together. The statements run in a thread of their
own, without the interpreter's lock.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from batchupdate.model import ONE_FILE, Outcome, Problem, Result, RowLabels
from batchupdate.targets.precondition import Pulled
from batchupdate.util.background import BackgroundThread
from batchupdate.util.sqlite import bulk_insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

_SEVERAL = """
    WITH suspects AS (SELECT * FROM seen WHERE hash IN (SELECT hash FROM seen GROUP BY hash HAVING count(*) > 1))
    SELECT key, row, valid FROM suspects
    WHERE key IN (SELECT key FROM suspects GROUP BY key HAVING count(*) > 1) ORDER BY key, row
"""  # numbers are sorted faster than texts; what shares a hash is then compared in full
NAMED_AT_MOST = 5
HELD_AT_MOST = 10_000
"""Sightings kept in memory, about 200 bytes each."""


class Sighting(NamedTuple):
    """A row that names a record: the record's key, the row's number, and whether the row is valid otherwise."""

    key: str
    row: int
    valid: bool


class DuplicateFinder:
    """Remembers which row names which record, and finds the records of several rows. A context manager.

    Args:
        held_at_most: how many sightings are kept in memory.
    """

    def __init__(self, held_at_most: int = HELD_AT_MOST) -> None:
        self._held_at_most = held_at_most
        self._background = BackgroundThread("duplicates")
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE seen (hash INTEGER, key TEXT, row INTEGER, valid INTEGER)")
        self._connection.execute("BEGIN")
        self._held: list[tuple[str, int, bool]] = []
        self._spilled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.__exit__(kind, error, trace)
        self._connection.close()

    def add(self, sightings: Sequence[tuple[str, int, bool]]) -> None:
        """Remembers a batch: a `Sighting` each, or a plain tuple like it."""
        self._held.extend(sightings)
        if len(self._held) > self._held_at_most or self._spilled:
            self._spill()

    def _spill(self) -> None:
        self._spilled = True
        rows = [(hash(sighting[0]), *sighting) for sighting in self._held]
        self._held = []
        self._background.call(bulk_insert, self._connection, "INSERT INTO seen", rows)

    def groups(self) -> Iterator[list[Sighting]]:
        """The rows of every record that is in several, in the order of their numbers."""
        if self._spilled:
            return self._groups_on_disk()
        return self._groups_in_memory()

    def _groups_in_memory(self) -> Iterator[list[Sighting]]:
        if len({sighting[0] for sighting in self._held}) < len(self._held):
            groups: dict[str, list[Sighting]] = {}
            for sighting in self._held:
                groups.setdefault(sighting[0], []).append(Sighting(*sighting))
            yield from (group for group in groups.values() if len(group) > 1)

    def _groups_on_disk(self) -> Iterator[list[Sighting]]:
        self._background.wait()
        group: list[Sighting] = []
        for key, row, valid in self._connection.execute(_SEVERAL):
            if group and group[0].key != key:
                yield group
                group = []
            group.append(Sighting(key, row, bool(valid)))
        if group:
            yield group


def duplicate_problem(row: int, group: Sequence[Sighting], heading: str, labels: RowLabels = ONE_FILE) -> Problem:
    """The problem of a row whose record is in other rows too."""
    others = [sighting.row for sighting in group if sighting.row != row]
    rows = labels.label_all(others[:NAMED_AT_MOST])
    rows += f" and {len(others) - NAMED_AT_MOST} more" if len(others) > NAMED_AT_MOST else ""
    message = (
        f"the same record is in {rows}, too; keep one of them, or combine them with --on-duplicate last or "
        "--on-duplicate merge"
    )
    return Problem("duplicate_id", row, heading, "", message)


class Settlement(NamedTuple):
    """What becomes of the rows for one record: problems, results of rows that are not sent, and how they count."""

    problems: Sequence[Problem] = ()
    results: Sequence[Result] = ()
    invalid: int = 0
    superseded: int = 0


def settle(
    group: Sequence[Sighting],
    policy: Literal["error", "last", "merge"],
    heading: str,
    labels: RowLabels = ONE_FILE,
) -> Settlement:
    """Decides what becomes of the rows for one record, in the order of their numbers.

    With `error` none is sent. With `last` the last one is sent, and the others are unchanged. With `merge` one request
    carries the fields of all (see `merge`), and no row has a result of its own. An invalid row that would count keeps
    the others from being sent.
    """
    *earlier, last = group
    if policy == "error":
        problems = [duplicate_problem(sighting.row, group, heading, labels) for sighting in group]
        return _invalid(((s.row, p.sentence()) for s, p in zip(group, problems, strict=True) if s.valid), problems)
    broken = [sighting.row for sighting in group if not sighting.valid]
    if broken and (policy == "merge" or not last.valid):
        why = f"{labels.label(broken[-1])} for the same record is invalid; correct it, or remove it"
        return _invalid((sighting.row, why) for sighting in group if sighting.valid)
    superseded = [sighting.row for sighting in earlier if sighting.valid]
    if policy == "merge":
        return Settlement(superseded=len(superseded))
    why = f"not sent: {labels.label(last.row)} for the same record takes its place (on_duplicate: last)"
    results = [Result(row, Outcome.UNCHANGED, error=why) for row in superseded]
    return Settlement(results=results, superseded=len(superseded))


def _invalid(rows: Iterable[tuple[int, str]], problems: Sequence[Problem] = ()) -> Settlement:
    results = [Result(row, Outcome.INVALID, error=why) for row, why in rows]
    return Settlement(problems, results, invalid=len(results))


class Merged(NamedTuple):
    """One request for all rows of a record: the row that it is of, the rows that it carries besides, and what it sets.

    Attributes:
        carrier: the number of the row whose request it is.
        carried: the numbers of the others.
        fields: what it sets.
        known: what the record must still be before it.
        differing: the fields of which the rows expect different values; where there are any, nothing may be sent.
    """

    carrier: int
    carried: Sequence[int]
    fields: Mapping[str, Any]
    known: Pulled
    differing: Sequence[str]


def merge(
    group: Sequence[Sighting], fields: Sequence[Mapping[str, Any] | None], known: Sequence[Pulled] = ()
) -> Merged:
    """Joins several rows for one record; what a later row sets stands.

    If their sheet gives several versions of the record, none counts: the record is read before its change.

    Args:
        group: the rows, in the order of their numbers.
        fields: what each of them sets; None for one that is not to be sent.
        known: what each of them says of the record as it was.
    """
    *carried, carrier = [sighting.row for sighting in group]
    versions = {one.version for one in known}
    expected = _joined(one.expected for one in known)
    differing = [name for name in expected if len({one.expected.get(name, expected[name]) for one in known}) > 1]
    version = versions.pop() if len(versions) == 1 else ""
    matched = _joined(one.matched for one in known)  # the same in all, or they would not be of one record
    before = Pulled(version, _joined(one.old for one in known), expected, matched=matched)
    return Merged(carrier, carried, _joined(fields), before, differing)


def _joined(each: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """What several rows say by name; the later one counts."""
    return {name: value for one in each for name, value in (one or {}).items()}


def differing_problems(
    group: Sequence[Sighting], names: Sequence[str], heading: str, labels: RowLabels = ONE_FILE
) -> list[Problem]:
    """The problems of rows for one record that can't be merged, as they expect different values of some fields."""
    rows = [sighting.row for sighting in group]
    message = (
        f"{labels.label_all(rows)} for the same record expect different values of {', '.join(names)}; keep one of them"
    )
    return [Problem("differing_expectations", row, heading, "", message) for row in rows]
