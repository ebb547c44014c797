"""A run that is ready to go: what every way to begin one ends in, and what is executed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchupdate.model import files_of, labels_of
from batchupdate.runs.metadata import batch_in_use, batch_size_of, rate_of
from batchupdate.runs.read_first import ReadFirst

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Rate, Secrets, Settings
    from batchupdate.journal import Journal
    from batchupdate.model import RowLabels
    from batchupdate.runs.folder import RunFolder
    from batchupdate.targets import Batch, Target
    from batchupdate.util.clock import Clock
    from batchupdate.validator.checkup import Checkup

EXAMPLES = 3


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Job:
    """A run whose journal is sealed and held by this process: every row stands in it, and nothing is sent yet.

    A job that is only shown and not executed has no `credentials`, but knows what is secret. `resumed` says that the
    run was left unfinished, and `not_before` when its first request may leave (monotonic time, in seconds): what was
    asked of the API before that has used up its rate. `on_start` is called once when it begins to send.
    """

    folder: RunFolder
    journal: Journal
    target: Target
    settings: Settings
    base_url: str
    credentials: Credentials
    clock: Clock
    checkup: Checkup
    resumed: bool = False
    not_before: float = 0.0
    on_start: Callable[[], None] = field(default=_nothing)

    def __post_init__(self) -> None:
        batch_size_of(self.target, self.settings)  # a batch that can't be is found before anything is sent

    @property
    def secrets(self) -> Secrets:
        """What must never be written down."""
        return self.credentials.secrets

    @property
    def rate(self) -> Rate:
        """The rate to keep, in requests/s, or the ceiling below which it is found out."""
        return rate_of(self.target, self.settings)

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight."""
        return self.settings.concurrency or self.target.concurrency

    @property
    def batch_size(self) -> int:
        """How many rows go out as one request at the most; one whose record is read first goes by itself."""
        return batch_size_of(self.target, self.settings)

    @property
    def batch(self) -> Batch | None:
        """How rows go out together; None where each goes by itself."""
        return batch_in_use(self.target, self.settings)

    @property
    def labels(self) -> RowLabels:
        """How the rows are called."""
        return labels_of(files_of(self.journal.meta().get("input")))

    @property
    def to_send(self) -> int:
        """How many rows are still to be sent."""
        return self.journal.to_send()

    @property
    def read_first(self) -> ReadFirst:
        """Which records are read just before their changes."""
        return ReadFirst(self.target, self.settings.check_old)

    @property
    def to_read(self) -> int:
        """How many rows are still to be sent whose records are read just before."""
        if self.target.body.base is not None:
            return self.to_send
        reads, kinds = self.read_first.reads, self.journal.pulled_rows()
        return sum(count for known, count in kinds if reads(known))

    @property
    def is_retry(self) -> bool:
        """Whether the command that began this would begin another run of an earlier one's rows."""
        return not self.resumed and "retry_of" in self.journal.meta()

    @property
    def may_repeat(self) -> bool:
        """Whether rows that an earlier process left unanswered may be sent again: not with a key that was forgotten."""
        keys, heard_at = self.target.idempotency, self.journal.sessions().finished_at
        forgotten = keys is not None and heard_at is not None and keys.forgotten(self.clock.unix() - heard_at)
        return self.target.repeatable and not forgotten

    @property
    def nonce(self) -> str:
        """What tells this run from all others, anywhere; part of its idempotency keys."""
        return str(self.journal.meta().get("nonce", self.folder.run_id))

    def examples(self) -> list[tuple[str, str, str]]:
        """The first rows to be sent: place, id, and fields as JSON."""
        labels = self.labels
        return [(labels.label(key), record_id, fields) for key, record_id, fields in self.journal.examples(EXAMPLES)]
