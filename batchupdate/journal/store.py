"""The journal: ingest writes rows, the workers claim them and write results, the reporter reads.

One process writes at a time (it holds the run's lock), and each method is one transaction. Batches go in by statements
that hold many rows, so that SQLite works without Python's interpreter lock instead of taking it at every row.
"""

from __future__ import annotations

import json
import secrets
from array import array
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from batchupdate.errors import BatchUpdateError, ConfigError, RunLocked, SafetyStop
from batchupdate.journal import queries
from batchupdate.journal.before import BeforeStates
from batchupdate.journal.checksum import of_row
from batchupdate.journal.connection import damage, how_to_save
from batchupdate.journal.entries import keep, settle, sign
from batchupdate.journal.in_flight import NAME, InFlightMap, is_in_use, maps_of_workers, read_head, read_maps
from batchupdate.journal.lost_entries import what_is_missing
from batchupdate.journal.pace import Pace
from batchupdate.journal.reading import JournalReader
from batchupdate.journal.records import Session
from batchupdate.journal.sampling import draw
from batchupdate.model import Outcome, Request, Result, RowRef
from batchupdate.util import json as exact_json
from batchupdate.util.sqlite import bulk_insert

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.journal.records import Copy, Entry

COPIED_AT_ONCE = 3000
ANSWERED_BY_AN_ERROR = 2
"""What stands in `started.unanswered` of a row that may have been applied although an error came back."""
_OUT_AT_THE_END = (
    "the run ended before this row's answer came, or just before it was sent; repeating is not safe here, so check "
    "this record"
)


class Journal(JournalReader, BeforeStates):
    """One run's journal; a context manager. Use from one thread at a time.

    Raises, from every method:
        SafetyStop: the disk is full, the folder is read-only, or the file is damaged.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._commits = 0
        self._ended_well = False
        self._pace = Pace()
        self.in_flight = InFlightMap()
        """The rows whose requests are out, once a session has begun."""

    @classmethod
    def take_over(cls, path: Path, sessions_begun: int = 0) -> Self:
        """Opens the journal of a run that this process holds, to send its rows or to report for good.

        Every page and every checksum is looked at, for nothing is sent on the word of a damaged journal; that takes
        some seconds for a million rows. What a killed process left in its in-flight map is kept.

        Args:
            path: the journal.
            sessions_begun: how many processes are known to have worked on the run; if the journal knows fewer, then it
                is an older one.

        Raises:
            ConfigError: it is none of ours, of a newer version of this program, damaged, or lacks its last entries.
            RunLocked: another process is working on it.
        """
        journal = cls.open(path)
        try:
            journal.examine()
            damage = journal.find_damage()
            journal.settle_in_flight(sessions_begun, trusted=not damage.results)
            journal.set_aside(damage)
        except BaseException:
            journal.close()
            raise
        return journal

    def close(self) -> None:
        """Closes the file."""
        self._close_map()
        super().close()

    def _close_map(self) -> None:
        """Lets go of the in-flight map of a session that has ended, if there was one."""
        if self._session and self._ended_well and self.in_flight.is_empty:
            with suppress(BatchUpdateError), self._transaction() as connection:
                connection.execute(queries.FORGET_MAP, (self._session,))
        self.in_flight.close(remove=self._ended_well)

    def _requests(self, query: str, after: int, count: int) -> list[Request]:
        with self._explained():
            requests = []
            rows = self._apart.execute(query, (after, count))
            for key, record_id, path, fields, sent, open_end, pulled, cells, expected in rows:
                if expected is not None and of_row(key, cells, record_id, path, fields, None, pulled) != expected:
                    raise damage(f"row {RowRef.of(key).number} is not as it was written")
                unsure = open_end == ANSWERED_BY_AN_ERROR
                unanswered = bool(open_end) and not unsure
                requests.append(Request(key, record_id, path, fields, 1, sent, unanswered, unsure, pulled=pulled or ""))
            return requests

    # Ingest.

    def add_rows(
        self, entries: Iterable[Entry], results: Sequence[Result], pulled: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """Writes a batch of input rows, and the results of those that will never be sent.

        `pulled` is by key what a pulled sheet says of a row's record, as JSON.
        """
        rows = []
        for key, cells, record_id, path, fields in entries:
            row = (key, exact_json.dumps(cells), record_id, path, None if fields is None else exact_json.dumps(fields))
            known = pulled.get(key)
            rows.append((*row, known, of_row(*row, None, known)))
        with self._transaction() as connection:
            bulk_insert(connection, queries.ADD_ROWS, rows)
            keep(connection, ((result, True) for result in results))

    def withdraw(self, results: Sequence[Result]) -> None:
        """Takes rows out of what is to be sent, and keeps why."""
        with self._transaction() as connection:
            connection.execute(queries.WITHDRAW, (json.dumps([result.row for result in results]),))
            keep(connection, ((result, True) for result in results))

    def fields_of(self, keys: Sequence[int]) -> list[dict[str, Any] | None]:
        """The fields of some rows, None for a row that is not to be sent; in the order of their keys."""
        with self._explained():
            found = self._connection.execute(queries.FIELDS, (json.dumps(sorted(keys)),)).fetchall()
        return [exact_json.loads(fields) if fields else None for (fields,) in found]

    def pulled_of(self, keys: Sequence[int]) -> list[str]:
        """What a pulled sheet says of the records of some rows, as JSON; in the order of their keys."""
        with self._explained():
            return [pulled or "" for (pulled,) in self._connection.execute(queries.PULLED, (json.dumps(keys),))]

    def carry(self, keys: Sequence[int], carrier: int, fields: Mapping[str, Any], pulled: str = "") -> None:
        """Lets one row's request carry the fields of others for the same record."""
        with self._transaction() as connection:
            connection.execute(queries.CARRY, (json.dumps([carrier, list(keys)]),))
            connection.execute(queries.SET_FIELDS, (exact_json.dumps([carrier, fields, pulled or None]),))

    def draw(self, count: int, seed: int) -> None:
        """Leaves only a sample of the rows that can be sent, with the rows that are sent together with these."""
        with self._transaction() as connection:
            draw(connection, count, seed)
        with self._explained():
            self._connection.execute("VACUUM")  # what is not in the run is not to lie in its folder

    def seal(self, values: Mapping[str, Any]) -> None:
        """Ends the ingest: from here on the rows stand, and every commit is on the disk before it returns."""
        with self._explained():
            self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction() as connection:
            sign(connection)
        self.set_meta({**values, "sealed": True})
        self._checkpoint()

    # Rows for a retry, which is a run of its own.

    def numbers_of(
        self, outcomes: Sequence[Outcome], statuses: Sequence[tuple[int, int]], rows: Sequence[tuple[int, int]]
    ) -> list[int]:
        """The keys of the rows with one of some outcomes, statuses and keys (spans, both ends included).

        No statuses or rows mean all. Rows that one request carries belong together: all come along if one does.
        """
        wanted = (json.dumps(outcomes), json.dumps(statuses), json.dumps(rows))
        with self._explained():
            return [key for (key,) in self._connection.execute(queries.SELECTED, wanted)]

    def may_have_changed(
        self, rows: Sequence[tuple[int, int]] = (), *, in_doubt: Sequence[int] | None = None
    ) -> Sequence[int]:
        """The keys of the rows whose records this run has changed, or may have; `rows` as in `numbers_of`.

        They take eight bytes each, for the reports of every large run ask for them.

        Beside those that were updated, accepted or are unknown, these are the failed ones of which the API has said
        that it had applied them, and those that got an error which leaves that open: one of the statuses `in_doubt`,
        for a target that says something of them (`api.verdict.errors_in_doubt`).
        """
        wanted = ("[]", "[]", json.dumps(rows), _statuses(in_doubt))
        with self._explained():
            found = self._connection.execute(queries.MAY_HAVE_CHANGED, wanted)
            return array("q", (key for (key,) in found))

    def copies(
        self, keys: Sequence[int], *, in_doubt: Sequence[int] | None = None, whole: bool = False
    ) -> Iterator[list[Copy]]:
        """Some rows as they stand, in batches, for another journal; each with whether it may have been applied.

        `in_doubt` is as in `may_have_changed`. `whole` gives them also the fields that a comparison has taken out.
        """
        statuses = _statuses(in_doubt)
        with self._explained():
            for start in range(0, len(keys), COPIED_AT_ONCE):
                chosen = json.dumps([*keys[start : start + COPIED_AT_ONCE]])
                yield self._connection.execute(queries.COPIES, (chosen, statuses, whole)).fetchall()

    def add_copies(self, rows: Sequence[Copy]) -> None:
        """Writes rows of another journal; what may have been applied stays unanswered until there is an answer."""
        with self._transaction() as connection:
            bulk_insert(connection, queries.ADD_COPIES, [row[:-1] for row in rows])
            bulk_insert(connection, queries.ADD_UNANSWERED, [(row[0], 0, row[-1]) for row in rows if row[-1]])

    def give_away(self, keys: Sequence[int], run_id: str) -> None:
        """Leaves rows to another run: this one does not send them any more, and no third one may."""
        chosen = json.dumps(keys)
        with self._transaction() as connection:
            connection.execute(queries.GIVE_AWAY, (chosen, f"sent again by the run {run_id}"))
            sign(connection)
            connection.execute(queries.ADD_GIVEN, (run_id, chosen))
        self._checkpoint()  # without its `-wal` file, this one would send them once more

    def given(self) -> dict[str, dict[Outcome, int]]:
        """By the run that has sent them again, how many rows of each outcome went there; the latest run first."""
        given: dict[str, dict[Outcome, int]] = {}
        with self._explained():
            for run, outcome, count in self._connection.execute(queries.COUNT_GIVEN):
                given.setdefault(run, {})[Outcome(outcome)] = count
        return given

    # The work.

    def settle_in_flight(self, sessions_begun: int = 0, *, trusted: bool = True) -> None:
        """Keeps what a killed process left in its in-flight map; whatever else it had claimed never left.

        Args:
            sessions_begun: how many processes are known to have worked on the run.
            trusted: whether all results are as they were written: one that isn't may be that of any claimed row.

        Raises:
            ConfigError: the journal has lost its last entries.
            RunLocked: the process that writes the map is alive.
        """
        path = self._path.with_name(NAME)
        of_workers = maps_of_workers(self._path.parent).values()
        if any(map(is_in_use, [path, *of_workers])):  # a worker process may outlive its run by a moment
            raise RunLocked(
                f"Another process is working on the run {self._path.parent.name}, although its lock file is gone.",
                "Wait for it, or stop it.",
            )
        with self._explained():
            last = self._connection.execute(queries.LAST_SESSION).fetchone()
        number, token, commits = last or (0, None, 0)
        if lack := what_is_missing(self._one, read_head(path), token, commits, sessions_begun):
            raise ConfigError(
                f"The journal {self._path} lacks its last entries: {lack}.",
                f"Put all files of the run's folder back where they were. {how_to_save(self._path)}",
            )
        left = read_maps(path, token)
        if left is not None:
            with self._transaction() as connection:
                settle(connection, left, trusted=trusted)
                connection.execute(queries.FORGET_MAP, (number,))
            with suppress(OSError):  # it belongs to no session any more
                path.unlink(missing_ok=True)
        for each in of_workers:  # theirs, and those that an earlier session has left
            with suppress(OSError):
                each.unlink(missing_ok=True)

    def begin_session(self, now: float, *, repeatable: bool, in_doubt: Sequence[int] | None = None) -> int:
        """Starts a process's work: what was not final is to be tried again, and returns the session's number.

        A row that was in flight when the last process died is sent again where repeating is safe, and else `unknown`.
        One that is sent again stays `unknown` until it has an answer, and so does one that may have been applied
        although its last answer was an error; `in_doubt` is as in `may_have_changed`.
        """
        statuses = _statuses(in_doubt)
        self._close_map()  # of the session before, if this process has sent a canary
        self._ended_well = False
        token = secrets.token_hex(16)
        made = self.in_flight.create(self._path.with_name(NAME), token)
        with self._transaction() as connection:
            if repeatable:
                connection.execute(queries.MARK_UNANSWERED)
                connection.execute(queries.MARK_UNSURE, (statuses,))
            else:
                connection.execute(queries.KEEP_UNKNOWN, (statuses,))
                connection.execute(queries.CLOSE_WHAT_WAS_OUT, (_OUT_AT_THE_END,))
            connection.execute(queries.FORGET_ANSWERED)
            connection.execute(queries.SUM_UP_ATTEMPTS)
            connection.execute(queries.DROP_UNFINISHED)
            connection.execute(queries.DROP_CAPTURED)
            connection.execute(queries.UNCLAIM_ALL)
            sign(connection)
            cursor = connection.execute(queries.BEGIN_SESSION, (now, token if made else None))
            self._session, self._commits, self._pace = int(cursor.lastrowid or 0), 0, Pace()
            self._pace.note(connection, Session(self._session, now))
        self._checkpoint()  # so that not even a copy of this file alone looks as if nothing had been sent
        return self._session

    def end_session(self, session: Session, exit_code: int) -> None:
        """Keeps what a process's work came to."""
        with self._transaction() as connection:
            self._keep_session(connection, session, last=True)
            connection.execute(queries.END_SESSION, (exit_code, session.number))
        self._ended_well = not self._failed

    def _keep_session(self, connection: sqlite3.Connection, session: Session, *, last: bool = False) -> None:
        *state, _ = session
        connection.execute(queries.UPDATE_SESSION, state)
        self._pace.note(connection, session, last=last)

    def upcoming(self, after: int, count: int) -> list[Request]:
        """The next rows to send after the one with the key `after`, at most `count`; they are not claimed by that.

        May be called while another thread commits.
        """
        return self._requests(queries.UPCOMING, after, count)

    def unanswered(self, after: int, count: int) -> list[Request]:
        """The next rows after the one with the key `after` that may have been applied without our hearing of it.

        May be called while another thread commits.
        """
        return self._requests(queries.UNANSWERED, after, count)

    def commit(
        self, claimed: Sequence[int], results: Sequence[tuple[Result, bool]], session: Session | None = None
    ) -> None:
        """Marks rows as claimed and keeps results, in one durable commit.

        No request may leave before this has returned for its row: then none leaves that the journal does not know.

        Args:
            claimed: the keys of rows that are to be sent now.
            results: what became of earlier rows, each with whether that is final.
            session: how far the session is; kept too, so that a kill does not make its requests unheard of.

        Raises:
            SafetyStop: it can't be written, or another process has begun to work on this run.
        """
        with self._transaction() as connection:
            if claimed:
                connection.execute(queries.CLAIM, (json.dumps(claimed),))
            keep(connection, results)
            if session is not None:
                self._keep_session(connection, session)
            if self._session:
                self._count_commit(connection)
        self._commits += 1
        self.in_flight.clear((result.row for result, _ in results), self._commits)

    def deny(self, found: Sequence[tuple[int, str]]) -> None:
        """Lets updated rows be failed ones, each with why: their records were read back, and don't have their values.

        Raises:
            SafetyStop: it can't be written, or another process has begun to work on this run.
        """
        with self._transaction() as connection:
            connection.execute(queries.DENY, (json.dumps(found),))
            if self._session:
                self._count_commit(connection)
        self._commits += 1
        self.in_flight.clear((), self._commits)

    def _count_commit(self, connection: sqlite3.Connection) -> None:
        if not connection.execute(queries.COUNT_COMMIT, (self._session, self._commits + 1)).rowcount:
            raise SafetyStop("Another process has begun to work on this run.", "Let it work, and look at its log.")

    def release(self, keys: Sequence[int]) -> None:
        """Takes back the mark of rows that were claimed but not sent.

        Raises:
            SafetyStop: another process has begun to work on this run; the marks are its own now.
        """
        chosen = json.dumps(keys)
        with self._transaction() as connection:
            if self._session:
                self._count_commit(connection)
            connection.execute(queries.RELEASE, (chosen,))
            connection.execute(queries.UNCLAIM, (chosen,))
        self._commits += 1
        self.in_flight.clear(keys, self._commits)


def _statuses(in_doubt: Sequence[int] | None) -> str:
    """Statuses of errors as a batch; None are those of a target that says nothing of any."""
    if in_doubt is None:
        from batchupdate.api.verdict import errors_in_doubt  # noqa: PLC0415 - it takes a while, and readers don't ask

        in_doubt = errors_in_doubt()
    return json.dumps(in_doubt)
