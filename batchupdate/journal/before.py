"""What records were before their changes: what a plan has read, or a look just before; kept for `undo`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchupdate.journal import queries
from batchupdate.journal.entries import keep, sign
from batchupdate.journal.file import JournalFile
from batchupdate.model import PlanLine, Request
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from batchupdate.model import Result

PORTION = 3000
"""Rows that are handled in one statement."""


class BeforeStates(JournalFile):
    """Records as they were, by the key of the row that changes them; each is the JSON of a `Seen`."""

    def unseen(self, after: int, count: int) -> list[Request]:
        """The next rows to send of whose records nothing was read yet, after the one with the key `after`."""
        return self._unseen(queries.UNSEEN, after, count)

    def unseen_at(self, paths: Iterable[str]) -> list[Request]:
        """Those of them whose requests go to some paths; see `indexed_paths`."""
        return self._unseen(queries.UNSEEN_AT, json.dumps(list(paths)))

    def _unseen(self, query: str, *values: object) -> list[Request]:
        with self._explained():
            return [
                Request(key, record_id, path, fields, pulled=pulled or "")
                for key, record_id, path, fields, pulled in self._apart.execute(query, values)
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
            connection.execute(queries.ADD_BEFORE, (json.dumps(states),))

    def keep_plan(
        self, states: Sequence[tuple[int, str]], fields: Mapping[int, Mapping[str, Any]], results: Sequence[Result]
    ) -> None:
        """Keeps what was found out before anything is sent.

        Args:
            states: what records are.
            fields: by key what is left to be set, of rows of which less is sent than they say.
            results: of the rows that are not sent.
        """
        with self._transaction() as connection:
            connection.execute(queries.ADD_BEFORE, (json.dumps(states),))
            if fields:
                changed = [[key, exact_json.dumps(values)] for key, values in fields.items()]
                connection.execute(queries.SET_PLANNED_FIELDS, (json.dumps(changed),))
            keep(connection, ((result, True) for result in results))

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

    def plan_lines(self) -> Iterator[PlanLine]:
        """The rows in input order, with what a plan says of them; streamed."""
        with self._explained():
            yield from map(PlanLine._make, self._connection.execute(queries.PLAN_LINES))

    def plan_content(self) -> Iterator[tuple[object, ...]]:
        """All that makes up a plan, in order; streamed."""
        with self._explained():
            yield from self._connection.execute(queries.PLAN_CONTENT)

    def take_over_plan(self, path: Path) -> None:
        """Writes a plan's rows into this journal, which is empty: their records must still be as they were."""
        with self._explained():
            self._connection.execute(queries.ATTACH, (str(path),))
            try:
                with self._transaction() as connection:
                    for statement in queries.TAKE_OVER_PLAN:
                        connection.execute(statement)
            finally:
                self._connection.execute(queries.DETACH)

    def has_before(self) -> bool:
        """Whether anything is known of what any record was."""
        return bool(self._one(queries.COUNT_BEFORE))
