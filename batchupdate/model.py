"""The records that travel through the house: frozen, slotted, and free of behaviour.

Follow one row: a `Row` is read, becomes a `Change` or a list of `Problem`, goes out as a `Request`, comes back as
a `Reply` or a `Fault`, is judged with a `Verdict`, and ends as a `Result` that carries its `Outcome`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Outcome(StrEnum):
    """What became of one row. Every input row ends in exactly one."""

    UPDATED = "updated"
    """The API confirmed the change: any 2xx but 202 and 207."""
    ACCEPTED = "accepted"
    """202: the API will do it later."""
    UNCHANGED = "unchanged"
    """The record already had these values, or another row of the file takes this row's place."""
    INVALID = "invalid"
    """The row breaks a rule; it was never sent."""
    CONFLICT = "conflict"
    """The record is not in the state the change expected; nothing was written."""
    FAILED = "failed"
    """The API answered and refused, or kept failing after all attempts."""
    UNKNOWN = "unknown"
    """A request went out and no answer came back: it may or may not have been applied."""
    NOT_ATTEMPTED = "not_attempted"
    """The run stopped before this row."""


SUCCEEDED = frozenset({Outcome.UPDATED, Outcome.ACCEPTED, Outcome.UNCHANGED})
"""The outcomes of a row that needs nobody's attention; all others are worth another try."""


class Row(NamedTuple):
    """One data row of the input; a plain tuple, for there can be millions.

    `number` is the row's number as the user's spreadsheet program shows it (the header is row 1), and that of its file
    where there are several (see `RowRef`); `cells` are its texts as typed, in the order of the table's columns. There
    can be fewer or more cells than columns.
    """

    number: int
    cells: tuple[str, ...]


class UncertainNotice(str):
    """A reader's guess that is not plausible: a person has to see this notice, or nothing is sent."""

    __slots__ = ()


class FailureNotice(str):
    """Something beside the rows that failed, such as a message: it is shown even where only failures are."""

    __slots__ = ()


class Level(StrEnum):
    """How much a problem weighs: an error keeps its row from being sent, a warning is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one row.

    `code` is stable and meant for programs; `message` says to a person what is wrong and what to do. `column` is
    the heading as typed, or empty where the whole row is meant; `cell` is the text that stands there, and `address`
    its place as a spreadsheet program names it (`changes!C17`), empty where it has none. `file` is what the row's file
    is called where there are several, and `row` its number in that file.
    """

    code: str
    row: int
    column: str
    cell: str
    message: str
    level: Level = Level.ERROR
    address: str = ""
    file: str = ""

    def sentence(self) -> str:
        """The problem in one line, without its row number."""
        place = f"column {self.column!r}: " if self.column else ""
        return f"{place}{self.message}"


class Change(NamedTuple):
    """A valid row: which record it names and what it sets; a plain tuple, for there can be millions.

    `ids` are the id's parts as typed, one for each variable of the target's path. `fields` maps field names to JSON
    values.
    """

    row: int
    ids: tuple[str, ...]
    fields: Mapping[str, Any]


class Request(NamedTuple):
    """One change on its way to the API; a plain tuple, for there can be millions.

    `attempt` counts the tries that cost one (1 for the first); `sent` counts every request that left, throttled
    ones too. `unanswered` is true when an earlier try may have been applied without our hearing of it, and `unsure`
    when one may have been applied although an error came back. `renewed` counts how often the credentials had
    expired, and `errors` the errors that the API has answered. `pulled` is what its pulled sheet says of the record,
    as JSON, and `current` what was read of it just before; for both see `batchupdate.targets.precondition`.

    Several changes can go out as one request. It is the first of them, with all of them as its `batch`, and what it
    says of tries is true of the one that has had the most.
    """

    row: int
    record_id: str
    path: str
    fields: str
    attempt: int = 1
    sent: int = 0
    unanswered: bool = False
    unsure: bool = False
    renewed: int = 0
    errors: int = 0
    current: Any = None
    batch: tuple[Request, ...] = ()
    pulled: str = ""

    @property
    def rows(self) -> tuple[Request, ...]:
        """The changes that go out in it, by row."""
        return self.batch or (self,)


class Reply(NamedTuple):
    """What the API answered; a plain tuple, for there can be millions.

    Header names are asked for in lower case. `body` is cut off at the client's limit, and empty for a plain 200.
    """

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    duration_s: float = 0.0


class ReadReply(Reply):
    """The reply to a read that goes before a change: whatever it is, the change was not sent."""

    __slots__ = ()


class FaultKind(StrEnum):
    """How a request can end without an answer."""

    CONNECT = "connect"
    """No connection: refused, no such host, unreachable, TLS handshake broken off. The request was not applied."""
    CERTIFICATE = "certificate"
    """The server's certificate can't be verified. The request was not sent, and repeating changes nothing."""
    NO_CREDENTIALS = "no_credentials"
    """The credentials can't be had. The request was not sent, and repeating changes nothing."""
    PACKAGE = "package"
    """The code of the target's package failed. The request was not sent, and repeating changes nothing."""
    UNWRITABLE = "unwritable"
    """The target's package can't write this row. The request was not sent; other rows may well be."""
    EXPIRED = "expired"
    """The API no longer takes the credentials, and others can be had. The request was not applied."""
    UNREAD = "unread"
    """A read that goes before a change got no answer. The change was not sent."""
    LOST = "lost"
    """The connection ended, or turned to garbage, after the request may have left. Ambiguous."""
    TIMEOUT = "timeout"
    """No answer in time, after the request may have left. Ambiguous."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that got no usable answer."""

    kind: FaultKind
    message: str
    duration_s: float = 0.0

    @property
    def ambiguous(self) -> bool:
        """Whether the request may have been applied all the same (RFC 9110, section 9.2.2)."""
        return self.kind in {FaultKind.LOST, FaultKind.TIMEOUT}

    @property
    def left(self) -> bool:
        """Whether the request may have reached the API."""
        return self.ambiguous or self.kind is FaultKind.EXPIRED


class Action(StrEnum):
    """What to do after an attempt."""

    DONE = "done"
    """The row has its outcome."""
    REPEAT = "repeat"
    """Try again after the row's own backoff; costs an attempt."""
    HOLD = "hold"
    """The API asked everybody to wait: hold all workers, then try again; costs no attempt."""
    SPLIT = "split"
    """A batch was refused as a whole: send it again in halves, so that the rows to blame come to be alone."""
    PROCEED = "proceed"
    """The record was read; now the change can be sent."""
    RENEW = "renew"
    """Try again with new credentials; costs no attempt."""
    STOP = "stop"
    """Every other row would fare the same: stop the run."""


class Allowance(NamedTuple):
    """What a reply says about one limit; a plain tuple, for nearly every reply can carry some.

    `limit` requests in each `window_s` seconds, of which `remaining` are left until it renews in `reset_s` seconds.
    None is what the reply does not tell.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None
    window_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one reply or fault means.

    `outcome` is the row's outcome if nothing further is tried. `message` is a sentence for the user, empty for a
    success. `wait_s` is the wait the API asked for, in seconds and capped, or None; `asked_s` is the same without the
    cap. `ambiguous` is whether the request may have been applied all the same. With `PROCEED`, `current` is what was
    read, and `pulled` what the record must still be, if that is new. `parts` are results and verdicts of a batch.
    """

    action: Action
    outcome: Outcome
    message: str = ""
    wait_s: float | None = None
    ambiguous: bool = False
    asked_s: float | None = None
    current: Any = None
    pulled: str = ""
    parts: Sequence[tuple[Reply, Verdict]] = ()


class Result(NamedTuple):
    """What became of one row, as the journal keeps it; a plain tuple, for there can be millions.

    `attempts` counts every request sent for this row, throttled ones too. `finished_at` is Unix time, `duration_ms` is
    of the last request, and `location` where a 202 said the change can be followed. `captured` is JSON; see `capture`.
    """

    row: int
    outcome: Outcome
    http_status: int | None = None
    attempts: int = 0
    error: str = ""
    request_id: str = ""
    location: str = ""
    finished_at: float | None = None
    duration_ms: float | None = None
    captured: str = ""


class Traffic(NamedTuple):
    """How many requests a run needed, and what the API made of them.

    `sent` counts every request that left, `retried` those that repeated an earlier one, `throttled` the replies
    that asked us to slow down, and `waited_s` the seconds spent holding still because of them. `allowed_per_s` is the
    rate, in requests/s, that the API turned out to allow; None if it never said nor showed a limit.
    """

    sent: int = 0
    retried: int = 0
    throttled: int = 0
    waited_s: float = 0.0
    allowed_per_s: float | None = None


class PaceSample(NamedTuple):
    """How far a session was at a Unix time: its `Traffic` until then, and the rate kept (requests/s), None for none."""

    session: int
    at: float
    sent: int
    throttled: int
    waited_s: float
    limit_per_s: float | None


class Line(NamedTuple):
    """One row as the reports show it; a plain tuple, for there can be millions. `cells` is JSON, times are Unix."""

    number: int
    cells: str
    record_id: str
    outcome: str
    http_status: int | None
    attempts: int
    error: str
    request_id: str
    location: str
    finished_at: float | None
    duration_ms: float | None
    captured: str = ""


@dataclass(frozen=True, slots=True)
class Sessions:
    """All the work on a run so far: its traffic, first start, last end, and seconds at work."""

    traffic: Traffic
    started_at: float | None
    finished_at: float | None
    duration_s: float
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for whoever watches it.

    `stage` is `reading`, `sending` or `reporting`; `total` is None while the file is still being read. `rate` is
    rows finished per second over the last seconds, `eta_s` the expected seconds to the end including known waits,
    `holding_s` how long all workers still hold still, zero if they don't and infinite if a person has paused them, and
    `limit_per_s` the rate now kept, in requests/s, None for none. `trouble` is why nothing gets through at present, as
    a sentence, empty as long as something does.
    """

    stage: str
    done: int = 0
    total: int | None = None
    counts: Mapping[Outcome, int] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    rate: float = 0.0
    eta_s: float | None = None
    holding_s: float = 0.0
    limit_per_s: float | None = None
    trouble: str = ""


BITS = 32
MOST_ROWS = (1 << BITS) - 1
"""The highest number that a row of one of several files can have."""


class InputFile(NamedTuple):
    """One of several files of a run: what it is called in results, where it stood, its digest, and its data rows."""

    name: str
    path: str
    sha256: str
    rows: int


class RowRef(NamedTuple):
    """Where a row stands: the index of its file, from 0, and its number there as a spreadsheet program shows it."""

    file: int
    number: int

    @property
    def key(self) -> int:
        """The one integer by which journal, workers and idempotency keys know the row.

        The file's index stands above the lowest 32 bits. So the rows of a single file keep their numbers, all rows are
        in order, and nothing has to be looked up to tell a row's file.
        """
        return self.file << BITS | self.number

    @classmethod
    def of(cls, key: int) -> RowRef:
        """The place of the row with this key."""
        return cls(key >> BITS, key & MOST_ROWS)


class RowLabels(NamedTuple):
    """How rows are called in a run of these files; `names` is empty for a run of one file, whose rows need no name."""

    names: tuple[str, ...] = ()

    def row(self, key: int) -> int:
        """A row's number as its file has it."""
        return RowRef.of(key).number if self.names else key

    def file(self, key: int) -> str:
        """What a row's file is called; empty in a run of one file."""
        if not self.names:
            return ""
        index = RowRef.of(key).file
        return self.names[index] if 0 <= index < len(self.names) else f"file {index + 1}"

    def label(self, key: int) -> str:
        """A row's place in a sentence: `row 7`, or with several files `b.csv row 7`."""
        return f"{self.file(key)} row {RowRef.of(key).number}" if self.names else f"row {key}"

    def label_all(self, keys: Sequence[int]) -> str:
        """The places of some rows in a sentence: `row 7`, `rows 7, 9`, or `a.csv row 7, b.csv row 7`."""
        if self.names:
            return ", ".join(map(self.label, keys))
        return f"row{'s' if len(keys) > 1 else ''} {', '.join(map(str, keys))}"

    def rows_by_file(self, keys: Iterable[int]) -> list[int]:
        """How many of some rows each file has."""
        counts = Counter(RowRef.of(key).file for key in keys)
        return [counts[index] for index in range(len(self.names))]


ONE_FILE = RowLabels()
"""How the rows of a run of one file are called."""


def files_of(kept: object) -> tuple[InputFile, ...]:
    """The files of a run as its journal tells of its input; none for a run of one file, or where they can't be read."""
    files = kept.get("files") if isinstance(kept, dict) else None
    found = [_file(one) for one in files] if isinstance(files, list) else []
    return tuple(one for one in found if one is not None) if None not in found else ()


def _file(kept: object) -> InputFile | None:
    match kept:
        case {"name": str(name), "path": str(path), "sha256": str(sha256), "rows": int(rows)}:
            return InputFile(name, path, sha256, rows)
    return None


def labels_of(files: Sequence[InputFile]) -> RowLabels:
    """How rows are called in a run of several files, or of one where none are listed."""
    return RowLabels(tuple(one.name for one in files))


class PlanState(StrEnum):
    """What a plan says of a row."""

    CHANGE = "change"
    """Its record changes."""
    CREATE = "create"
    """It makes a new record, for there is none with its id."""
    UNKNOWN = "unknown"
    """It is sent, and what it changes can't be known: nothing reads its record, or what it sets."""
    UNCHANGED = "unchanged"
    """Its record has these values already, or another row takes its place; nothing is sent."""
    CONFLICT = "conflict"
    """Its record is not as the sheet expects; nothing is sent."""
    NOT_THERE = "not_there"
    """There is no such record; nothing is sent."""
    UNREADABLE = "unreadable"
    """Its record can't be read, although others can; nothing is sent."""
    INVALID = "invalid"
    """It breaks a rule; nothing is sent."""


SENT_STATES = frozenset({PlanState.CHANGE, PlanState.CREATE, PlanState.UNKNOWN})
FINE_STATES = SENT_STATES | {PlanState.UNCHANGED}
"""The states of rows that `run --plan` sends, and of those that need nobody's attention."""


class FieldChange(NamedTuple):
    """What becomes of one field: JSON values. `known` is whether `old` is; None is also that of an absent one."""

    name: str
    old: Any
    new: Any
    known: bool = True
    absent: bool = False


class PlannedRow(NamedTuple):
    """One row of a plan; a plain tuple, for there can be millions. `message` says why nothing is sent."""

    key: int
    record_id: str
    state: PlanState
    changes: tuple[FieldChange, ...] = ()
    message: str = ""


class PlanLine(NamedTuple):
    """One row of a plan's journal: `fields` and `state` are JSON, or None; `rest` is what else makes it up, as JSON."""

    key: int
    record_id: str
    fields: str | None
    outcome: str | None
    error: str
    state: str | None
    rest: str = "[]"
