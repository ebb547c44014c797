"""What records were before their changes: what a plan has read, or a look just before; kept for `undo`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchupdate.journal import before_queries as queries
from batchupdate.journal.checksum import of_fact
from batchupdate.journal.entries import keep, sign
from batchupdate.journal.file import JournalFile
from batchupdate.journal.queries import MARK_UNSURE
from batchupdate.model import PlanLine, Request
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json
from batchupdate.util.sqlite import bulk_insert

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from batchupdate.model import Outcome, Result

PORTION = 3000
"""Rows that are handled in one statement."""


class BeforeStates(JournalFile):
    """Records as they were, by the key of the row that changes them; each is the JSON of a `Seen`."""

    def unseen(self, after: int, count: int) -> list[Request]:
        """The next rows to send of whose records nothing was read yet, after the one with the key `after`."""
        return self._unseen(queries.UNSEEN, after, count)

    def unseen_at(self, paths: Iterable[str]) -> list[Request]:
        """Those of them whose requests go to some paths; see `index_paths`."""
        return self._unseen(queries.UNSEEN_AT, json.dumps(list(paths)))

    def _unseen(self, query: str, *values: object) -> list[Request]:
        with self._explained():
            return [
                Request(key, record_id, path, fields, sent=sent, pulled=pulled or "")
                for key, record_id, path, fields, pulled, sent in self._apart.execute(query, values)
            ]

    def count_unseen(self) -> int:
        """How many rows there are to send of whose records nothing was read yet."""
        return int(self._one(queries.COUNT_UNSEEN))

    def fields_set(self) -> set[str]:
        """The names of all fields that some row sets."""
        with self._explained():
            return {name for (name,) in self._connection.execute(queries.FIELDS_SET)}

    def index_paths(self, *, drop: bool = False) -> None:
        """Makes rows quick to find by their paths, for as long as that is needed."""
        with self._transaction() as connection:
            connection.execute(queries.DROP_INDEX_OF_PATHS if drop else queries.INDEX_PATHS)

    def keep_before(self, states: Sequence[tuple[int, str]]) -> None:
        """Keeps what some records are before their changes."""
        with self._transaction() as connection:
            _keep_before(connection, states)

    def amend_before(self, key: int, seen: Seen) -> None:
        """Corrects what is kept of a record, by fields that were read later; of all others, it stays."""
        kept = self.before([key])
        earlier = Seen.from_json(kept[key]) if key in kept else Seen()
        values = {name: value for name, value in earlier.values.items() if name not in seen.absent} | dict(seen.values)
        absent = [*(name for name in earlier.absent if name not in values and name not in seen.absent), *seen.absent]
        if (now := earlier._replace(values=values, absent=tuple(absent))) != earlier:
            self.keep_before([(key, now.to_json())])

    def keep_plan(
        self,
        states: Sequence[tuple[int, str]],
        fields: Mapping[int, Mapping[str, Any]],
        results: Sequence[Result],
        guarded: Sequence[tuple[int, str]] = (),
    ) -> None:
        """Keeps what was found out before anything is sent.

        Args:
            states: what records are.
            fields: by key what is left to be set, of rows of which less is sent than they say.
            results: of the rows that are not sent.
            guarded: what records must still be when the rows of this run are sent.
        """
        with self._transaction() as connection:
            _keep_before(connection, states)
            if fields:
                changed = json.dumps([[key, exact_json.dumps(values)] for key, values in fields.items()])
                connection.execute(queries.KEEP_WANTED, (changed,))
                connection.execute(queries.SET_PLANNED_FIELDS, (changed,))
            if guarded:
                connection.execute(queries.GUARD, (json.dumps(guarded),))
            keep(connection, ((result, True) for result in results))

    def forget_comparison(self, in_doubt: Sequence[int]) -> int:
        """Lets rows be as they were before they were compared with their records, as far as nothing of them was sent.

        Those that were unchanged are to be sent again. What may have been applied keeps what its record was before;
        `in_doubt` are the statuses of errors after which that is so (`api.verdict.errors_in_doubt`).

        Returns:
            How many were unchanged.
        """
        with self._transaction() as connection:
            connection.execute(MARK_UNSURE, (json.dumps(in_doubt),))
            unchanged = connection.execute(queries.FORGET_UNCHANGED).rowcount
            for statement in queries.FORGET_COMPARED:
                connection.execute(statement)
            sign(connection)
        return unchanged

    def may_be_applied(self, keys: Sequence[int]) -> set[int]:
        """Which of some rows may have been applied without our hearing of it; keys at most as many as `PORTION`."""
        with self._explained():
            return {key for (key,) in self._connection.execute(queries.MAY_BE_APPLIED, (json.dumps(keys),))}

    def sign(self) -> None:
        """Gives checksums to what has none yet."""
        with self._transaction() as connection:
            sign(connection)

    def before(self, keys: Sequence[int]) -> dict[int, str]:
        """What the records of some rows were, as far as that is known; entries that are damaged are left out."""
        found: dict[int, str] = {}
        with self._explained():
            for start in range(0, len(keys), PORTION):
                chosen = json.dumps(keys[start : start + PORTION])
                found.update(self._connection.execute(queries.BEFORE, (chosen,)).fetchall())
        return found

    def plan_lines(self, *outcomes: Outcome) -> Iterator[PlanLine]:
        """The rows in input order with what a plan says of them, all or those with some outcomes; streamed."""
        query, values = (queries.PLAN_LINES_WITH, (json.dumps(outcomes),)) if outcomes else (queries.PLAN_LINES, ())
        with self._explained():
            yield from map(PlanLine._make, self._connection.execute(query, values))

    def take_over_plan(self, path: Path, already_so: str) -> None:
        """Writes a plan's rows into this journal, which is empty: their records must still be as they were.

        `already_so` is said of rows that the plan has found to be so, until somebody has looked at them again.
        """
        with self._explained():
            self._connection.execute(queries.ATTACH, (str(path),))
            try:
                with self._transaction() as connection:
                    for statement in queries.TAKE_OVER_PLAN:
                        connection.execute(statement)
                    connection.execute(queries.NOT_SEEN_SINCE, (already_so,))
            finally:
                self._connection.execute(queries.DETACH)

    def has_before(self) -> bool:
        """Whether anything is known of what any record was."""
        return bool(self._one(queries.COUNT_BEFORE))


def _keep_before(connection: sqlite3.Connection, states: Sequence[tuple[int, str]]) -> None:
    bulk_insert(connection, queries.ADD_BEFORE, [(key, state, of_fact(key, state)) for key, state in states])
