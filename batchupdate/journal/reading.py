"""What a journal is asked by those who only read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchupdate.api.causes import Causes
from batchupdate.journal import queries
from batchupdate.journal.conflict_queries import COUNT_LASTING
from batchupdate.journal.file import JournalFile
from batchupdate.journal.statistics import Statistics
from batchupdate.model import Line, Outcome, PaceSample, Sessions, Traffic
from batchupdate.targets.precondition import Pulled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchupdate.api.error_group import ErrorGroup


class JournalReader(JournalFile):
    """Counts, rows and sentences of a run."""

    @property
    def statistics(self) -> Statistics:
        """What the rows come to, in more figures."""
        return Statistics(self._connection, self._explained())

    def rows(self) -> int:
        """How many input rows there are."""
        return int(self._one(queries.COUNT_ROWS))

    def counts(self) -> dict[Outcome, int]:
        """How many rows ended in each outcome; every outcome is there."""
        counts = dict.fromkeys(Outcome, 0)
        with self._explained():
            for outcome, count in self._connection.execute(queries.COUNT_OUTCOMES):
                counts[Outcome(outcome)] = count
        return counts

    def created(self) -> int:
        """How many rows the API answered with 201: it made a new record."""
        with self._explained():
            (count,) = self._connection.execute(queries.COUNT_CREATED).fetchone()
        return int(count)

    def to_send(self) -> int:
        """How many rows are still to be sent."""
        return int(self._one(queries.COUNT_TO_SEND))

    def pulled_rows(self) -> list[tuple[Pulled, int]]:
        """How many rows are still to be sent of each kind: one of its rows stands for what is known of the records."""
        with self._explained():
            return [
                (Pulled.from_json(pulled or ""), count)
                for *_, pulled, count in self._connection.execute(queries.COUNT_PULLED)
            ]

    def has_pulled(self) -> bool:
        """Whether a pulled sheet says something of the record of any row."""
        return bool(self._one(queries.HAS_PULLED))

    def lasting_conflicts(self, compared: str) -> dict[str, int]:
        """How many conflicts would be the same if their rows were sent again, by who has seen their records otherwise.

        Rows that were sent again already are left out. `compared` begins the error of one that a comparison has found.
        """
        with self._explained():
            return dict(self._connection.execute(COUNT_LASTING, (compared,)).fetchall())

    def sent_rows(self) -> int:
        """How many rows had a request that left, or may have."""
        return int(self._one(queries.COUNT_SENT))

    def lines(self, *outcomes: Outcome) -> Iterator[Line]:
        """The rows in input order, all of them or those with some outcomes; streamed."""
        queries_of = (queries.LINES, queries.LINES_WITH)
        if self._one(queries.HAS_CAPTURED):
            queries_of = (queries.LINES_CAPTURED, queries.LINES_CAPTURED_WITH)
        query, values = (queries_of[1], (json.dumps(outcomes),)) if outcomes else (queries_of[0], ())
        with self._explained():
            yield from map(Line._make, self._connection.execute(query, values))

    def shown_rows(self, outcomes: Iterable[Outcome]) -> Iterator[tuple[Line, str | None, str | None, str | None]]:
        """The rows with some outcomes in input order; streamed.

        Each comes with the fields that it sets as JSON, what its record was before (a `Seen`), and what its sheet or
        plan says of it (a `Pulled`); None where there is none.
        """
        with self._explained():
            for *line, fields, state, pulled in self._connection.execute(queries.SHOWN, (json.dumps([*outcomes]),)):
                yield Line(*line), fields, state, pulled

    def sent_changes(self, *outcomes: Outcome) -> Iterator[tuple[int, str, str, str, str, int | None]]:
        """The rows with some outcomes whose changes went out, or did not need to; in input order, streamed.

        Each is its key, id, path, fields as JSON, outcome and HTTP status. Of merged rows, it is the one that stood for
        them all.
        """
        with self._explained():
            yield from self._connection.execute(queries.SENT_CHANGES, (json.dumps(outcomes),))

    def unchanged_in_the_plan(self) -> Iterator[tuple[int, str, str, str, str, int | None]]:
        """The same of the rows that were so already in the plan of which this is the run, and were not seen since."""
        with self._explained():
            yield from self._connection.execute(queries.UNCHANGED_IN_THE_PLAN)

    def examples(self, count: int) -> list[tuple[int, str, str]]:
        """The first rows that are to be sent: key, id, and fields as JSON."""
        with self._explained():
            return self._connection.execute(queries.EXAMPLES, (count,)).fetchall()

    def error_groups(self, names: Iterable[str] = (), most: int = 20) -> list[ErrorGroup]:
        """The causes for which rows need attention, the most frequent first; `names` are headings and fields."""
        causes = Causes(names)
        with self._explained():
            for row in self._connection.execute(queries.ERRORS):
                causes.add(*row)
        return causes.groups(most)

    def pace(self) -> list[PaceSample]:
        """How far each session was from time to time; at most some hundreds of each."""
        with self._explained():
            return [PaceSample(*sample) for sample in self._connection.execute(queries.PACE)]

    def sessions(self) -> Sessions:
        """What all the work on this run came to."""
        with self._explained():
            *traffic, started, finished, duration, exit_code = self._connection.execute(queries.SESSIONS).fetchone()
        return Sessions(Traffic(*traffic), started, finished, duration, exit_code)
