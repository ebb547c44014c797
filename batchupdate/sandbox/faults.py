"""What can go wrong on purpose: broken connections, errors before and after a change was applied, silence, garbage."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(StrEnum):
    """One way in which an answer can go wrong."""

    RESET_BEFORE = "reset-before"
    """Not applied; the connection is reset."""
    RESET_AFTER = "reset-after"
    """Applied; then the connection is reset."""
    ERROR_500 = "500"
    """Not applied; 500."""
    ERROR_502 = "502"
    """Not applied; 502 with a web page as its body, as a proxy answers."""
    ERROR_503 = "503"
    """Not applied; 503."""
    ERROR_503_RETRY_AFTER = "503-retry-after"
    """Not applied; 503 with Retry-After."""
    ERROR_500_AFTER = "500-after"
    """Applied; then 500 all the same."""
    HANG = "hang"
    """Not applied; never answered."""
    HANG_AFTER = "hang-after"
    """Applied; never answered."""
    GARBAGE = "garbage"
    """Not applied; bytes that are no HTTP."""
    GARBAGE_BODY = "garbage-body"
    """Applied; the API's own status with a body that is no JSON."""
    SLOW = "slow"
    """Applied; answered after a delay."""

    @property
    def applies(self) -> bool:
        """Whether the API does what it was asked before things go wrong."""
        return self in _AFTER


_AFTER = frozenset({Kind.RESET_AFTER, Kind.ERROR_500_AFTER, Kind.HANG_AFTER, Kind.GARBAGE_BODY, Kind.SLOW})
_ROUNDING = 1e-9  # 0.7 + 0.2 + 0.1 is meant to be 1
_SECONDS = {Kind.SLOW: 0.25, Kind.ERROR_503_RETRY_AFTER: 1.0}
_HELP = (
    f"known are {', '.join(Kind)}; write them as reset-before=0.02,500=0.05 with their chances, "
    "and slow=0.1@2 or 503-retry-after=0.1@2 for 2 seconds"
)
_BAD_HELP = "write them as 429=1,500=2, and 429=1@30 for a Retry-After of 30 seconds; known are 429, 500 and 503"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to happen. `seconds` is the delay of `slow` and the wait that `503-retry-after` asks for."""

    kind: Kind
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults happen, and how often.

    `first` are the fates of the first requests in turn (None: nothing goes wrong). After them each request's fate is
    drawn: `chances` are faults with their probabilities, which add up to at most 1. `seed` makes the draws repeatable
    for requests that come in the same order.
    """

    chances: tuple[tuple[Fault, float], ...] = ()
    first: tuple[Fault | None, ...] = ()
    seed: int = 0

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Self:
        """Reads faults with their chances, such as `reset-before=0.02,500=0.05,slow=0.1@2`. Empty text: no faults.

        Raises:
            ValueError: it is wrong, with what is known.
        """
        chances: dict[Kind, tuple[Fault, float]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, rest = part.partition("=")
            chance, _, seconds = rest.partition("@")
            fault = _fault(name, seconds)
            if fault.kind in chances:
                raise ValueError(f"The fault {name.strip()!r} occurs twice in {text!r}; {_HELP}.")
            chances[fault.kind] = fault, _number(chance, part, most=1.0)
        total = math.fsum(chance for _, chance in chances.values())
        if total > 1 + _ROUNDING:
            raise ValueError(f"The chances in {text!r} add up to {total:g}, which is more than 1; {_HELP}.")
        return cls(chances=tuple(chances.values()), seed=seed)

    @classmethod
    def in_order(cls, *kinds: str) -> Self:
        """The fates of the first requests in turn, such as `("500", "ok", "reset-after")`; all later ones go well.

        A kind may carry seconds: `slow@2`.

        Raises:
            ValueError: a kind is unknown, with what is known.
        """
        fates = []
        for text in kinds:
            name, _, seconds = text.partition("@")
            fates.append(None if text == "ok" else _fault(name, seconds))
        return cls(first=tuple(fates))

    def chooser(self) -> Callable[[], Fault | None]:
        """A function that returns the next request's fate; each one starts from the seed anew."""
        draw = random.Random(self.seed).random  # noqa: S311 - faults to be repeated, no secrets
        left = list(reversed(self.first))

        def choose() -> Fault | None:
            if left:
                return left.pop()
            if not self.chances:
                return None
            point = draw()
            for fault, chance in self.chances:
                point -= chance
                if point < 0:
                    return fault
            return None

        return choose


@dataclass(frozen=True, slots=True)
class BadRecords:
    """So many records of each API whose requests always get this status, and `Retry-After` where seconds are given."""

    status: int
    count: int
    retry_after_s: float | None = None


def parse_bad_records(text: str) -> tuple[BadRecords, ...]:
    """Reads statuses with the numbers of records, such as `429=1,503=2@30`. Empty text: none.

    Raises:
        ValueError: it is wrong, with what is known.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        status, _, rest = part.partition("=")
        count, _, seconds = rest.partition("@")
        if status.strip() not in {"429", "500", "503"} or not count.strip().isdecimal():
            raise ValueError(f"{part!r} is not a status with a number of records; {_BAD_HELP}.")
        wait_s = _number(seconds, part, most=math.inf) if seconds else None
        found.append(BadRecords(int(status), int(count), wait_s))
    return tuple(found)


def _fault(name: str, seconds: str) -> Fault:
    try:
        kind = Kind(name.strip())
    except ValueError:
        raise ValueError(f"{name.strip()!r} is not a fault; {_HELP}.") from None
    if not seconds:
        return Fault(kind, _SECONDS.get(kind, 0.0))
    if kind not in _SECONDS:
        raise ValueError(f"The fault {kind.value!r} takes no seconds; {_HELP}.")
    return Fault(kind, _number(seconds, f"{name}@{seconds}", most=math.inf))


def _number(text: str, part: str, *, most: float) -> float:
    """A number from 0 up to `most`; never infinite, never NaN."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and 0 <= number <= most):
        what = "a chance from 0 to 1" if most == 1 else "seconds"
        raise ValueError(f"{text.strip()!r} in {part!r} is not {what}; {_HELP}.")
    return number
