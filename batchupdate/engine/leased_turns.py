"""One limiter for several processes: turns are leased to each, a little ahead, and come back with what was heard.

Clocks need not agree: by how much they differ is known from the lease that was on its way for the shortest time. So a
turn is taken at the time for which it was given, a little later, or not at all, and never earlier. When everybody
pauses, or the rate changes, all leases are void: a `recall` goes to every process, and has a number by which a lease
that crosses it is known as an older one.

A turn that nobody takes in its time is lost: to give it again later would be a burst. So a process asks for the next
ones while it has some, and for no more than it has requests to spare, and fewer for a while after it came too late.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.limiter.pause import Pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchupdate.limiter import Lease, Limiter
    from batchupdate.model import Allowance
    from batchupdate.util.clock import Clock

LEASE_MOST = 256
"""Turns leased at once, at the most."""

AHEAD_S = 0.25
"""Turns are leased this far ahead, at the most: so much is lost of the rate when a process dies."""

AUTO_AHEAD_S = 0.05
"""The same where the rate is being found out: what was leased is not slowed down by what is learned meanwhile."""

LATE_S = 0.015
"""A turn that was not taken so long after its time is lost: who was held up does not make good for it in a burst."""

NAME_S = 1e-6
"""A turn is called by the time for which it was given, less this: rounding must not make it the one after it."""

BOLDEST, BOLDER = 8.0, 1.02
"""A process asks for so many turns for each request that it could have in flight more, at the most: some of those in
flight will have come back. That is halved whenever it can't use a turn, and grows by this factor with each lease."""

FORGET = 0.002
"""How soon a way to the limiter that has become longer for good is no lateness any more, as a share at each lease."""

LATELY = 64
"""So many turns say which share of its turns a process uses."""

LATE_KEPT = 0.9
"""Share of what leases were late that counts at the next one, if that is less late."""

AT_ONCE_S = 0.01
"""Replies to requests that left within such a time count as one where the rate is being found out, the newest."""

IDLE_S = 0.25
"""A process that needs no turn for so long gives back what it has."""

PASSED, HOLD, FAILED, CANCELLED, UNUSED, ACQUIT = "passed", "hold", "failed", "cancelled", "unused", "acquit"


class Heard(NamedTuple):
    """What became of turns: a word of those above, how many, and for when the newest was given.

    Of turns that were never taken, that is the oldest. The others are as in `batchupdate.limiter.Limiter`.
    """

    kind: str
    turns: int
    at: float
    wait_s: float | None = None
    again: bool = False
    partly: bool = False
    allowances: Sequence[Allowance] = ()
    roomy: bool = True


class Granted(NamedTuple):
    """The answer to a process that asks for turns.

    `recalls` numbers the last recall that the lease knows of. `down_for_s` and `probing` are those of the limiter,
    `rate_per_s` is the process's share of the rate, `patience_s` after what silence of the API it gives up, and `auto`
    whether the rate is found out, so that it matters what replies advertise.
    """

    lease: Lease
    recalls: int
    down_for_s: float
    probing: bool
    rate_per_s: float
    patience_s: float
    auto: bool


@dataclass(slots=True)
class _Fate:
    """How many turns a process used lately, and how many it let pass; none is taken for one that was used."""

    used: float = 1.0
    lost: float = 0.0

    def count(self, used: int, lost: int) -> None:
        """Adds some."""
        kept = min(1.0, LATELY / (self.used + self.lost))
        self.used, self.lost = max(1.0, kept * self.used + used), kept * self.lost + lost


class TurnDesk:
    """Leases the limiter's turns to processes, and passes on to it what they hear.

    Args:
        limiter: whose turns they are.
        recall: lets every process know that its leases are void, by the recall's number.
    """

    def __init__(self, limiter: Limiter, recall: Callable[[int], None]) -> None:
        self._limiter, self._recall = limiter, recall
        self._recalls = 0
        self._out: Counter[str] = Counter()
        self._fates: dict[str, _Fate] = {}
        self._idle: set[str] = set()  # processes whose round has ended, and which have not asked since
        self.patience_s = 0.0
        """After what silence of the API a process gives up, in seconds."""
        limiter.on_recall = self._recalled

    def _recalled(self) -> None:
        self._recalls += 1
        self._recall(self._recalls)

    async def lease(self, process: str, most: int, heard: Sequence[Heard]) -> Granted:
        """Waits for turns, and leases them to a process."""
        self.hear(process, heard)
        self._out.setdefault(process, 0)
        self._idle.discard(process)
        limiter, share = self._limiter, max(1, len(self._out))
        auto = limiter.rate.auto
        ahead_s = AUTO_AHEAD_S if auto else AHEAD_S
        lease = await limiter.lease(min(most, LEASE_MOST), ahead_s, share / self._fitness(process) ** 2)
        if process in self._out and process not in self._idle:
            self._out[process] += lease.turns
        else:  # it has died meanwhile, or wants none any more
            self._back(lease.turns)
            lease = lease._replace(turns=0)
        per_s, down_for_s = limiter.rate_per_s / share, limiter.down_for_s
        return Granted(lease, self._recalls, down_for_s, limiter.probing, per_s, self.patience_s, auto)

    def _fitness(self, process: str) -> float:
        """Which share of its turns a process uses, beside the one that uses the largest; one for that."""
        used = {name: self._fates.get(name, _Fate()) for name in self._out}
        best = max(fate.used / (fate.used + fate.lost) for fate in used.values())
        fate = used[process]
        return fate.used / (fate.used + fate.lost) / best

    def hear(self, process: str, heard: Sequence[Heard]) -> None:
        """Takes turns back from a process, with what became of their requests."""
        limiter = self._limiter
        if process not in self._out:  # it has died, and all that it had was given back
            return
        for kind, count, at, wait_s, again, partly, allowances, roomy in heard:
            self._out[process] -= count
            fate = self._fates.setdefault(process, _Fate())
            if kind == UNUSED:
                fate.count(0, count)
                limiter.unused(at, count)
                continue
            fate.count(count, 0)
            limiter.redeem(count)
            if kind == PASSED:
                for _ in range(count):
                    limiter.passed(at, allowances, roomy=roomy)
            elif kind == HOLD:
                limiter.hold(at, wait_s, allowances, again=again, partly=partly)
            elif kind == FAILED:
                limiter.failed(at, again=again)
            elif kind == ACQUIT:
                limiter.acquit()
            else:
                limiter.cancelled(at)

    def ended(self, process: str) -> None:
        """A process has nothing to send: what it was leased, and has not given back, comes too late for it."""
        if process in self._out:
            self._idle.add(process)
            self._back(self._out[process])
            self._out[process] = 0

    def gone(self, process: str) -> None:
        """A process has ended: what it had is given back."""
        self._fates.pop(process, None)
        self._idle.discard(process)
        self._back(self._out.pop(process, 0))

    def _back(self, count: int) -> None:
        self._limiter.redeem(count)
        for _ in range(count):
            self._limiter.cancelled(0.0)


@dataclass(slots=True)
class _Leased:
    """Turns that were leased: how many are left, for when the next one is, and how far apart they are (seconds).

    `lost` is how many of them nobody took in time.
    """

    turns: int
    due: float
    spacing_s: float
    lost: int = 0


class LeasedTurns:
    """Turns in another process than the limiter's; see `batchupdate.engine.protocols.Turns`.

    Args:
        ask: asks for so many turns, and says what was heard until then.
        clock: where time comes from.
        urgent: is called when something was heard that all others should know soon.
        concurrency: how many requests this process may have in flight.
    """

    def __init__(
        self,
        ask: Callable[[int, list[Heard]], Awaitable[Granted]],
        clock: Clock,
        urgent: Callable[[], None],
        concurrency: int,
    ) -> None:
        self._ask, self._clock, self._urgent, self._concurrency = ask, clock, urgent, concurrency
        self._line = asyncio.Lock()
        self._leases: deque[_Leased] = deque()
        self._asking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.set_result(None)
        self._last, self._spacing_s = 0, 0.0  # turns of the last lease, and how far apart they are
        self._bold = BOLDEST  # turns to ask for, for each request that might be in flight beside those that are
        self._out = 0  # turns that were taken and have not come back
        self._taken_at = clock.monotonic()
        self._round = 0
        self._recalls = 0
        self._late_s = 0.0  # by which leases are longer on their way than the fastest one
        self._ahead_s: float | None = None  # of the limiter's clock before ours, as far as known
        self._pause = Pause(clock.monotonic())
        self._heard: list[Heard] = []
        self._down_since: float | None = None
        self.auto = False
        """Whether the rate is found out, so that it matters what replies advertise."""
        self.probing = False
        """Whether the API takes nothing, as far as known when turns were last given."""
        self.rate_per_s = 1.0
        """This process's share of the rate, in requests per second; infinite for none."""
        self.patience_s = 0.0
        """After what silence of the API to give up, in seconds; zero before the first turn."""
        self.allowed_per_s = None
        self.waited_s = 0.0  # the limiter counts it for all

    @property
    def down_for_s(self) -> float:
        """Seconds for which nothing got through, in any process; zero while requests do."""
        return 0.0 if self._down_since is None else self._clock.monotonic() - self._down_since

    async def turn(self) -> float:
        """Waits for a turn; returns the time for which it was given."""
        async with self._line:
            while (given := self._take()) is None:
                if self._leases:
                    await self._clock.sleep_until(self._leases[0].due, precise=True)
                else:
                    await asyncio.shield(self._renew())
            return given

    def try_turn(self) -> float | None:
        """Takes a turn if one may be had at once; returns the time for which it was given, or None."""
        return None if self._line.locked() else self._take()

    def _take(self) -> float | None:
        now = self._clock.monotonic()
        self._lose(now)
        if not self._leases or now < self._leases[0].due:
            return None
        lease = self._leases[0]
        given = lease.due if lease.spacing_s else now
        lease.turns -= 1
        lease.due += lease.spacing_s
        if not lease.turns:
            self._ended(self._leases.popleft())
        self._out += 1
        self._taken_at = now
        self._look_ahead()
        return given

    def _lose(self, now: float) -> None:
        """Gives back turns whose time is over."""
        while self._leases and (lost := self._drop(self._leases[0], now)):
            self._leases[0].lost += lost if self._spare() <= 1 + self._concurrency // 8 else 0
            if not self._leases[0].turns:
                self._ended(self._leases.popleft())

    def _drop(self, lease: _Leased, now: float) -> int:
        """Takes those turns out of a lease whose time is over; returns how many."""
        late_s = now - lease.due - LATE_S
        if not lease.spacing_s or late_s <= 0:
            return 0
        lost = min(lease.turns, 1 + int(late_s / lease.spacing_s))
        self._note(Heard(UNUSED, lost, lease.due))
        lease.turns -= lost
        lease.due += lost * lease.spacing_s
        return lost

    def _ended(self, lease: _Leased) -> None:
        """Nothing is left of a lease: how much of it was lost says how much to ask for."""
        if lease.lost:
            self._bold = max(1.0, self._bold / 2)
        else:
            self._bold = min(BOLDEST, self._bold * BOLDER)

    def _look_ahead(self) -> None:
        """Asks for the next turns while there are some, if this process can use them."""
        if self._is_asking or self.probing:
            return
        left = sum(lease.turns for lease in self._leases)
        few = left <= self._last // 2 or left * self._spacing_s < 2 * self._late_s
        if few and left < self._bold * self._spare():
            self._renew()

    def _spare(self) -> int:
        """How many requests may be in flight beside those that are."""
        return self._concurrency - self._out

    @property
    def _is_asking(self) -> bool:
        return not self._asking.done()

    def _renew(self) -> asyncio.Future[None]:
        """Asks for turns, unless it is being done."""
        if not self._is_asking:
            most = max(1, min(int(self._bold * self._spare()), LEASE_MOST))
            self._asking = asyncio.ensure_future(self._ask_for(most))
            self._asking.add_done_callback(_forgive)
        return self._asking

    async def _ask_for(self, most: int) -> None:
        asked_in = self._round
        granted = await self._ask(most, self.take_heard())
        if asked_in != self._round:  # all that it was leased was taken back
            return
        lease, recalls, down_for_s, self.probing, self.rate_per_s, self.patience_s, self.auto = granted
        now = self._clock.monotonic()
        ahead_s = lease.at - now
        known_s = ahead_s if self._ahead_s is None else self._ahead_s
        self._ahead_s = max(ahead_s, known_s + FORGET * (ahead_s - known_s))
        self._down_since = now - down_for_s if down_for_s else None
        self._late_s = max(now - (lease.at - self._ahead_s), LATE_KEPT * self._late_s)
        # As the limiter meant it, however long the lease was on its way: else turns of several processes coincide.
        due = lease.at + lease.start_s - self._ahead_s
        if recalls < self._recalls:
            self._note(Heard(UNUSED, lease.turns, due))
            self._urgent()
            return
        self._recalls, self._last, self._spacing_s = recalls, lease.turns, lease.spacing_s
        leased = _Leased(lease.turns, due, lease.spacing_s)
        self._drop(leased, now)  # lost on the way: that it can't use so many is not said by that
        if leased.turns:
            self._leases.append(leased)
        else:
            self._ended(leased)

    def recall(self, recalls: int) -> None:
        """The limiter has let everybody pause, or keeps another rate: no turn that it gave before counts any more."""
        if recalls > self._recalls:
            self._recalls = recalls
            self._give_up_turns()

    def close(self) -> None:
        """Gives back what will not be used any more; what is still to come is taken back by whom it comes from."""
        self._round += 1
        self._give_up_turns()

    def tidy(self) -> None:
        """Gives back what was not used in its time, or is not needed at present; to be called now and then."""
        now = self._clock.monotonic()
        self._lose(now)
        if not self._line.locked() and now > self._taken_at + IDLE_S:
            self._give_up_turns()

    def _give_up_turns(self) -> None:
        for lease in self._leases:
            self._note(Heard(UNUSED, lease.turns, lease.due))
        self._leases.clear()

    def take_heard(self) -> list[Heard]:
        """What became of turns since this was last asked; it is to be passed on to the limiter, in this order."""
        heard, self._heard = self._heard, []
        return heard

    def _note(self, heard: Heard) -> None:
        heard = heard._replace(at=heard.at + (self._ahead_s or 0.0) - NAME_S)
        last = self._heard[-1] if self._heard else None
        if last is None or last.kind != heard.kind or not self._merge(last, heard):
            self._heard.append(heard)
            return
        turns = last.turns + heard.turns
        newest = max(last, heard, key=lambda one: one.at)
        self._heard[-1] = newest._replace(turns=turns, allowances=newest.allowances or last.allowances)

    def _merge(self, last: Heard, heard: Heard) -> bool:
        if self.auto:
            return heard.kind == PASSED and int(last.at / AT_ONCE_S) == int(heard.at / AT_ONCE_S)
        return heard.kind in {PASSED, UNUSED}

    def _back(self) -> bool:
        """A turn comes back; returns whether this process might have had more out."""
        roomy = self._out < self._concurrency
        self._out -= 1
        if self._line.locked():
            self._look_ahead()
        return roomy

    def passed(self, sent_at: float, allowances: Sequence[Allowance] = ()) -> None:
        """Gives a turn back: its request got through."""
        self._pause.passed(sent_at)
        self._down_since = None
        self._note(Heard(PASSED, 1, sent_at, allowances=allowances, roomy=self._back()))

    def hold(
        self,
        sent_at: float,
        wait_s: float | None,
        allowances: Sequence[Allowance] = (),
        *,
        again: bool = False,
        partly: bool = False,
    ) -> bool:
        """Gives a turn back and lets everybody pause; returns whether this was a fresh refusal, as known here."""
        if partly:
            self._pause.passed(sent_at)
        fresh = self._pause.offends(self._clock.monotonic(), sent_at)
        self._give_up_turns()
        self._refused(Heard(HOLD, 1, sent_at, wait_s, again, partly, allowances))
        return fresh

    def failed(self, sent_at: float, *, again: bool = False) -> bool:
        """Gives a turn back: the server failed, or never answered; returns whether everybody pauses, as known here."""
        down = (self._pause.down or not again) and self._pause.offends(self._clock.monotonic(), sent_at, failed=True)
        if down:
            self._give_up_turns()
        self._refused(Heard(FAILED, 1, sent_at, None, again))
        return down

    def _refused(self, heard: Heard) -> None:
        self._note(heard)
        self._back()
        self._urgent()

    def cancelled(self, sent_at: float) -> None:
        """Gives a turn back of which nothing was heard."""
        self._note(Heard(CANCELLED, 1, sent_at))
        self._back()

    def acquit(self) -> None:
        """Takes back what refusals taught."""
        self._note(Heard(ACQUIT, 0, self._clock.monotonic()))


def _forgive(asking: asyncio.Future[None]) -> None:
    """Whoever waits for turns hears why there are none; where nobody does, the next one asks again."""
    if not asking.cancelled():
        asking.exception()
