"""How the sandbox says "slow down": three kinds of rate limit, and the headers that report them. Needs only a clock.

A limit of `20/s` means at most 20 requests in each second, one of `600/min` at most 600 in each minute: unlike a pace,
it allows them all at once.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

from batchupdate.config.rate import Rate, parse_ceiling

if TYPE_CHECKING:
    from batchupdate.util.clock import Clock

LimitKind = Literal["fixed-window", "sliding-window", "token-bucket"]
HeaderStyle = Literal["none", "retry-after", "ietf", "legacy"]

_WINDOWS_S = {"s": 1, "m": 60, "h": 3600}  # by the unit's first letter: s, sec, second; m, min, minute; h, hour
_ROUNDING = 1e-9  # a token may lack this much: tokens are sums of fractions


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `amount` requests in `window_s` seconds."""

    amount: int
    window_s: int


def parse_quota(text: str | Rate) -> Quota | None:
    """Reads a limit such as `20/s` or `600/min`; None for `unlimited`.

    The window is the unit's: one second, minute or hour. A fraction widens it: `2.5/s` is 5 requests in 2 seconds.

    Raises:
        ValueError: it is no rate, with how to write one.
    """
    if not parse_ceiling(text).limited:
        return None
    amount, _, unit = str(text).lower().partition("/")
    share = Fraction(amount.strip())
    return Quota(share.numerator, share.denominator * _WINDOWS_S[unit.strip()[0]])


@dataclass(frozen=True, slots=True)
class Turn:
    """What a limit says to one request.

    `remaining` requests could follow at once; it grows again in `reset_s` seconds. For a refused request that is when
    a repeat can succeed, if nobody else comes first.
    """

    allowed: bool
    quota: Quota
    remaining: int
    reset_s: float


class RateLimit(Protocol):
    """One rate limit for all requests."""

    def take(self) -> Turn:
        """Takes a turn now, if there is one."""
        ...


class FixedWindow:
    """At most `quota.amount` requests in each window of the clock, so up to twice that around a window's edge."""

    def __init__(self, quota: Quota, clock: Clock) -> None:
        self._quota = quota
        self._clock = clock
        self._window = -1
        self._used = 0

    def take(self) -> Turn:
        """Takes a turn now, if there is one."""
        now = self._clock.monotonic()
        window = math.floor(now / self._quota.window_s)
        if window != self._window:
            self._window, self._used = window, 0
        allowed = self._used < self._quota.amount
        self._used += allowed
        return Turn(allowed, self._quota, self._quota.amount - self._used, (window + 1) * self._quota.window_s - now)


class SlidingWindow:
    """At most `quota.amount` requests in any stretch of `quota.window_s` seconds."""

    def __init__(self, quota: Quota, clock: Clock) -> None:
        self._quota = quota
        self._clock = clock
        self._times: deque[float] = deque()

    def take(self) -> Turn:
        """Takes a turn now, if there is one."""
        now = self._clock.monotonic()
        while self._times and self._times[0] + self._quota.window_s <= now:
            self._times.popleft()
        allowed = len(self._times) < self._quota.amount
        if allowed:
            self._times.append(now)
        return Turn(
            allowed,
            self._quota,
            self._quota.amount - len(self._times),
            self._times[0] + self._quota.window_s - now,
        )


class TokenBucket:
    """A bucket of `burst` tokens, full at first, refilled evenly by `quota.amount` in `quota.window_s` seconds.

    Its replies advertise `burst` as the quota, and the time to fill the bucket as the window.
    """

    def __init__(self, quota: Quota, burst: int, clock: Clock) -> None:
        self._per_s = quota.amount / quota.window_s
        self._advertised = Quota(burst, math.ceil(burst / self._per_s - _ROUNDING))
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock.monotonic()

    def take(self) -> Turn:
        """Takes a turn now, if there is one."""
        now = self._clock.monotonic()
        self._tokens = min(self._advertised.amount, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        allowed = self._tokens >= 1 - _ROUNDING
        if allowed:
            self._tokens -= 1
        whole = math.floor(self._tokens + _ROUNDING)
        return Turn(allowed, self._advertised, whole, (whole + 1 - self._tokens) / self._per_s)


def make_limit(kind: LimitKind, quota: Quota | None, burst: int | None, clock: Clock) -> RateLimit | None:
    """A fresh limit, or None for no limit. `burst` is for a token bucket; without it, it holds one window's amount."""
    if quota is None:
        return None
    if kind == "fixed-window":
        return FixedWindow(quota, clock)
    if kind == "sliding-window":
        return SlidingWindow(quota, clock)
    return TokenBucket(quota, burst or quota.amount, clock)


def limit_headers(style: HeaderStyle, turn: Turn, clock: Clock) -> dict[str, str]:
    """The headers in which a reply reports the limit.

    `retry-after` is on refusals only, in whole seconds (RFC 9110, section 10.2.3). `ietf` is RateLimit and
    RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers, delta seconds); `legacy` is X-RateLimit-* with the reset
    in epoch seconds, as GitHub has it. Times are rounded up, so that a client which obeys is never early.
    """
    if style == "ietf":
        return {
            "RateLimit": f'"default";r={turn.remaining};t={math.ceil(turn.reset_s)}',
            "RateLimit-Policy": f'"default";q={turn.quota.amount};w={turn.quota.window_s}',
        }
    if style == "legacy":
        return {
            "X-RateLimit-Limit": str(turn.quota.amount),
            "X-RateLimit-Remaining": str(turn.remaining),
            "X-RateLimit-Reset": str(math.ceil(clock.now().timestamp() + turn.reset_s)),
        }
    if style == "retry-after" and not turn.allowed:
        return {"Retry-After": str(math.ceil(turn.reset_s))}
    return {}
