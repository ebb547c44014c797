"""What a worker pool works with: where requests come from, where results go, and whose turn it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.config import MaxFailures
    from batchupdate.model import Allowance, Outcome, Request, Result, Traffic
    from batchupdate.targets.seen import Seen


class Source(Protocol):
    """Where requests come from."""

    async def claim(self, count: int) -> list[Request]:
        """The next requests, at most `count`; none at the end."""
        ...

    async def release(self, keys: Sequence[int]) -> None:
        """Takes back rows that were claimed but not sent."""
        ...


class Sink(Protocol):
    """Where it is noted what becomes of requests; nothing of it may wait."""

    def leaves(self, request: Request) -> None:
        """Notes that a request leaves now."""
        ...

    def waits(self, result: Result) -> None:
        """Notes what is true of a row that waits for its next try, for the case that the process dies meanwhile."""
        ...

    def finish(self, result: Result, *, final: bool = True) -> None:
        """Keeps a result; one that is not final is tried again when the run is resumed."""
        ...


class Past(Protocol):
    """Where it is kept what records were before their changes."""

    async def keep_before(self, key: int, state: str) -> None:
        """Keeps what a row's record is, the JSON of a `Seen`; returns once that is on the disk."""
        ...

    async def amend_before(self, key: int, seen: Seen) -> None:
        """Corrects what is kept of a row's record, by what was read of it later; returns once that is on the disk."""
        ...


class Turns(Protocol):
    """Whose turn it is; see `batchupdate.limiter.Limiter`."""

    @property
    def rate_per_s(self) -> float:
        """The rate in force, in requests per second; infinite for none."""
        ...

    @property
    def allowed_per_s(self) -> float | None:
        """What the API was found to allow, in requests per second; None if unknown."""
        ...

    @property
    def waited_s(self) -> float:
        """Seconds for which everybody was held so far."""
        ...

    @property
    def down_for_s(self) -> float:
        """Seconds for which nothing got through; zero while requests do."""
        ...

    @property
    def probing(self) -> bool:
        """Whether the API takes nothing, as far as known, so that single requests ask whether it does again."""
        ...

    async def turn(self) -> float:
        """Waits for a turn; returns when it was given."""
        ...

    def try_turn(self) -> float | None:
        """Takes a turn if one may be had at once; returns when it was given, or None."""
        ...

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = ()) -> None:
        """Gives a turn back: its request got through."""
        ...

    def hold(
        self,
        sent_at: float,
        wait_s: float | None,
        allowances: Sequence[Allowance] = (),
        *,
        again: bool = False,
        partly: bool = False,
    ) -> bool:
        """Gives a turn back and pauses everybody; returns whether this was a fresh refusal.

        `again` is whether its row was refused before, and others got through since: then it may be the row. `partly`
        is whether other rows of the same request got through.
        """
        ...

    def failed(self, sent_at: float, *, again: bool = False) -> bool:
        """Gives a turn back: the server failed, or never answered; returns whether everybody pauses for that.

        `again` is whether that is its row's own fault, which says nothing of the API.
        """
        ...

    def cancelled(self, sent_at: float) -> None:
        """Gives a turn back of which nothing was heard, or nothing that says something of the API."""
        ...

    def acquit(self) -> None:
        """Takes back what refusals taught: they were single rows' own."""
        ...


class Pool(Protocol):
    """What sends everything that a source has; see `WorkerPool`, and `Coordinator` for one of several processes."""

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """Results so far, by outcome."""
        ...

    @property
    def traffic(self) -> Traffic:
        """The requests so far."""
        ...

    @property
    def trouble(self) -> str:
        """Why nothing gets through at present, as a sentence; empty as long as something does."""
        ...

    @property
    def in_flight(self) -> int:
        """What is out and unanswered."""
        ...

    async def run(self, concurrency: int) -> None:
        """Works until everything is sent, or the run is stopped."""
        ...

    def stop(self, reason: Exception | None = None) -> None:
        """Takes no further rows; what is in flight may finish."""
        ...

    def set_limits(self, give_up_after_s: float, max_failures: MaxFailures | None) -> None:
        """Keeps another patience (seconds) and failure limit from now on."""
        ...
