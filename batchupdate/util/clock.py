"""Time as a parameter: nothing in this package asks the machine for the time or sleeps, but through a `Clock`."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import Protocol

_LAST_MINUTE = 253_402_300_740  # of the year 9999, the last that a date can have

SPIN_S = 0.002
"""The last stretch of a precise wait is spent yielding to the loop: its timers are as coarse as a millisecond."""


class Clock(Protocol):
    """What the stages need of time."""

    def monotonic(self) -> float:
        """Seconds that only go forward; their zero means nothing."""
        ...

    def now(self) -> datetime:
        """The date and time in UTC; may jump."""
        ...

    def unix(self) -> float:
        """The same in seconds since 1970."""
        ...

    async def sleep_until(self, due: float, *, precise: bool = False) -> None:
        """Returns once `monotonic()` has reached `due`, never earlier; with `precise`, hardly later."""
        ...


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def unix(self) -> float:
        """See `Clock`."""
        return time.time()

    async def sleep_until(self, due: float, *, precise: bool = False) -> None:
        """See `Clock`."""
        margin = SPIN_S if precise else 0.0
        while (left := due - time.monotonic()) > 0:  # noqa: ASYNC110 - it is time that we wait for, there is no event
            await asyncio.sleep(max(0.0, left - margin))


def minute(unix: float) -> str:
    """A time in seconds since 1970 as a sentence says it, to the minute and in UTC, never too early."""
    rounded = min(math.ceil(unix / 60) * 60, _LAST_MINUTE)
    return datetime.fromtimestamp(rounded, UTC).strftime("%Y-%m-%d %H:%M UTC")
