"""A run that is ready to go: what every way to begin one ends in, and what is executed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from batchupdate.api.verdict import errors_in_doubt
from batchupdate.config.production import host_of, is_among
from batchupdate.model import files_of, labels_of
from batchupdate.runs.canary import canary_of, failures, keep, why_ended
from batchupdate.runs.metadata import OPTIONS, batch_in_use, batch_size_of, rate_of, report_facts
from batchupdate.runs.read_first import ReadFirst
from batchupdate.runs.workers import refuse_workers
from batchupdate.targets.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Rate, Secrets, Settings
    from batchupdate.errors import CanaryEnded
    from batchupdate.journal import Journal
    from batchupdate.journal.statistics import FieldCount
    from batchupdate.model import Outcome, RowLabels
    from batchupdate.runs.canary import Canary
    from batchupdate.runs.folder import RunFolder
    from batchupdate.runs.tuning import Tuning
    from batchupdate.targets import Batch, Target
    from batchupdate.util.clock import Clock
    from batchupdate.validator.checkup import Checkup

EXAMPLES = 3


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Job:
    """A run whose journal is sealed and held by this process: every row stands in it, and nothing is sent yet.

    The `credentials` of a job that is only shown and not executed authenticate nothing, but know what is secret.
    `resumed` says that the run was left unfinished, `compared` that this process has compared its rows with their
    records, and `not_before` when its first request may leave (monotonic time, in seconds): what was asked of the API
    before that has used up its rate. `unusual` says in what a new one is not like earlier ones, a sentence each.
    `passed` are the outcomes of its canary once this process has let that pass. `on_start` is called when it begins to
    send; a second time, after a canary, it has nothing left to do. `tuned` is what a person has changed since it began.
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
    compared: bool = False
    not_before: float = 0.0
    unusual: Sequence[str] = ()
    passed: Counter[Outcome] = field(default_factory=Counter)
    on_start: Callable[[], None] = field(default=_nothing)
    tuned: list[Tuning] = field(default_factory=list)

    def __post_init__(self) -> None:
        batch_size_of(self.target, self.settings)  # a batch that can't be is found before anything is sent
        refuse_workers(self.settings, self.concurrency)

    def as_tuned(self) -> Self:
        """The same job with the settings as they were changed since it began."""
        settings = self.settings
        for tuning in self.tuned:
            settings = tuning.over(settings)
        return replace(self, settings=settings)

    def begin_session(self) -> int:
        """Begins a process's work in the journal; returns the session's number there."""
        in_doubt = errors_in_doubt(self.target)
        return self.journal.begin_session(self.clock.unix(), repeatable=self.may_repeat, in_doubt=in_doubt)

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
    def capture(self) -> dict[str, str]:
        """Which values of the replies stand in the results, by name; the user's own go before the target's."""
        return {**self.target.capture, **self.settings.capture}

    @property
    def report_facts(self) -> dict[str, Any]:
        """Which reports the run has, as the journal keeps it; with the values of before it was resumed, too."""
        before = self.journal.meta().get("reports", {}).get("captured", ())
        return report_facts(self.settings, dict.fromkeys((*before, *self.capture)))

    @property
    def host(self) -> str:
        """The name of the host that the rows are sent to."""
        return host_of(self.base_url)

    @property
    def needs_name(self) -> bool:
        """Whether a person is to type the host's name before the rows are sent."""
        return self.to_send > self.settings.confirm_above and is_among(self.host, self.settings.production)

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

    @property
    def fields_to_send(self) -> list[FieldCount]:
        """The fields that the rows set which are still to be sent; it takes a few seconds for a million rows."""
        return self.journal.statistics.fields_to_send()

    @property
    def canary(self) -> Canary | None:
        """The rows that go first and have not passed yet; None if all go at once."""
        return canary_of(self.journal, self.settings.canary)

    @property
    def canary_allowed(self) -> bool:
        """Whether the canary has its results, and few enough failures to send the others without a question."""
        canary = self.canary
        if canary is None or canary.left(self.journal):
            return False
        return failures(canary.counts(self.journal)) <= self.settings.canary_max_failures

    def keep_options(self, words: Sequence[str]) -> None:
        """Lets the run keep the options that a command for its failed rows needs, as the words that were typed."""
        self.journal.set_meta({OPTIONS: list(words)})

    def begin_canary(self) -> Canary | None:
        """Settles which rows go first; call it once the session has begun."""
        if canary := self.canary:
            keep(self.journal, canary, passed=False)
        return canary

    def let_canary_pass(self) -> None:
        """The other rows may be sent."""
        if canary := self.canary:
            self.passed.update(canary.counts(self.journal))
            keep(self.journal, canary, passed=True)

    def why_canary_ended(self, canary: Canary) -> CanaryEnded:
        """Why the run ends after its canary."""
        counts, allowed = canary.counts(self.journal), self.settings.canary_max_failures
        return why_ended(counts, self.to_send, allowed, self.folder.command_name)

    def examples(self) -> list[tuple[str, str, str, Seen | None]]:
        """The first rows to be sent: place, id, fields as JSON, and what the record is, as far as that is known.

        What an earlier process has read is not what it is now, unless a plan has, which its record must still meet.
        """
        labels, found = self.labels, self.journal.examples(EXAMPLES)
        keys = [key for key, *_ in found]
        current = self.compared or not self.resumed or "plan_of" in self.journal.meta()
        before = self.journal.before(keys) if current else {}
        earlier = self.journal.may_be_applied(keys)
        seen = {key: Seen.from_json(state) for key, state in before.items() if key not in earlier}
        return [(labels.label(key), record_id, fields, seen.get(key)) for key, record_id, fields in found]
