"""What a reply's headers say about the API's limits: how many requests, how many are left, how long to wait.

Every API does this in its own way. The usual ways are known here, and a target declares others in the same form
(`LimitHeaders`). Whatever a header contains, nothing here raises: malformed values are ignored, as
draft-ietf-httpapi-ratelimit-headers-11 demands for its own, and absurd ones are ignored or capped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

import http_sf

from batchupdate.model import Allowance
from batchupdate.targets import LimitHeaders, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from batchupdate.targets import TimeUnit

MAX_WAIT_S = 300.0
MAX_AMOUNT = 1e9
"""More requests than this are no limit that anybody could reach."""
MAX_SPAN_S = 31 * 86_400.0
"""Seconds of the longest window, a month's quota. A reset or a window beyond it is a mistake, and ignored."""
MAX_PLANS = 256

_EPOCH_S, _EPOCH_MS = 1e9, 1e12  # from here on, a number of unknown unit counts since 1970
_MAX_TEXT = 2048  # characters of a header: several policies have room
_MAX_DATE = 64
_MAX_NAMES = 64
_NUMBER = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
_SHARE = re.compile(r"\s*(\d+)\s*/\s*(\d+)\s*", re.ASCII)
_DRAFT_07 = re.compile(r"\s*(?:limit|remaining|reset)\s*=")
_STATE, _POLICY = "ratelimit", "ratelimit-policy"
_CALL_LIMIT = "x-shopify-shop-api-call-limit"
_NEXT = ", "  # between what stood on several lines; a bare comma can also set off thousands
_PARTS = ("limit", "remaining", "reset", "window")
_REQUESTS = frozenset({"request", "requests"})  # the drafts had both; other units count bytes, or requests in flight

_USUAL = (
    # Discord, "Rate limits": the reset in seconds to come, with decimals, beside one since 1970.
    LimitHeaders(
        limit="x-ratelimit-limit", remaining="x-ratelimit-remaining", reset="x-ratelimit-reset-after", reset_unit="s"
    ),
    LimitHeaders(limit="x-ratelimit-limit", remaining="x-ratelimit-remaining", reset="x-ratelimit-reset"),
    # draft-ietf-httpapi-ratelimit-headers-06 and before; GitLab sends them with a reset since 1970.
    LimitHeaders(limit="ratelimit-limit", remaining="ratelimit-remaining", reset="ratelimit-reset"),
    LimitHeaders(limit="x-rate-limit-limit", remaining="x-rate-limit-remaining", reset="x-rate-limit-reset"),  # Okta
    LimitHeaders(limit="x-rate-limit", remaining="x-rate-limit-remaining", reset="ratelimit-reset"),  # Zendesk
    LimitHeaders(
        limit="x-hubspot-ratelimit-max",
        remaining="x-hubspot-ratelimit-remaining",
        window="x-hubspot-ratelimit-interval-milliseconds",
        window_unit="ms",
    ),
    LimitHeaders(limit="x-hubspot-ratelimit-daily", remaining="x-hubspot-ratelimit-daily-remaining", window_s=86_400.0),
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which headers report limits, among headers of certain names, by the names as they are spelled there.

    `own` are the limits that the target declares. `count` is how many names there are.
    """

    own: tuple[LimitHeaders, ...]
    usual: tuple[LimitHeaders, ...]
    state: str | None
    policy: str | None
    call_limit: str | None
    count: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read."""
        return not (self.own or self.usual or self.state or self.policy or self.call_limit)


class Signals:
    """Reads what replies say about limits.

    It is asked about every reply, and most say nothing. So where to read is looked up by the headers' names, which
    hardly ever differ from one reply to the next.

    Args:
        limits: the ways of the target's own.
        max_wait_s: the longest wait that is taken from a reply, in seconds.
    """

    def __init__(self, limits: Limits | None = None, max_wait_s: float = MAX_WAIT_S) -> None:
        limits = limits or Limits()
        self.max_wait_s = max_wait_s
        self._own = limits.headers
        self._wait = limits.wait
        self._ignored = frozenset(name.lower() for name in limits.ignore)
        self._plans: dict[tuple[str, ...], _Plan | None] = {}

    def allowances(self, headers: Mapping[str, str], now: Callable[[], datetime]) -> tuple[Allowance, ...]:
        """The limits that a reply reports; mostly none.

        All numbers are finite and not negative. A `reset_s` can be longer than `max_wait_s`: it is what the API says,
        and how long to wait for it is decided elsewhere.

        Args:
            headers: the reply's; see `Reply` for how its names are spelled.
            now: our clock, asked where a reset is a point in time and the reply has no `Date`.
        """
        names = tuple(headers)
        try:
            plan = self._plans[names]
        except KeyError:
            plan = self._remember(names)
        return _read(plan, headers, now) if plan is not None else ()

    def asked_s(self, headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
        """Seconds that a reply explicitly asks to wait, however long; None where it doesn't.

        The target's own header comes first, if it has one, then `Retry-After`: whole seconds or an HTTP-date (RFC
        9110, section 10.2.3); decimals, other dates and seconds since 1970 are seen in the wild. What limits say of
        their resets comes after, as draft-ietf-httpapi-ratelimit-headers-11 demands; see `renewal_s`.
        """
        wait = None
        if self._wait is not None:
            wait = _time_to(headers.get(self._wait.name.lower(), ""), self._wait.unit, headers, now)
        if wait is None and "retry-after" not in self._ignored:
            wait = _time_to(headers.get("retry-after", ""), "auto", headers, now)
        return wait

    def wait_s(self, headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
        """The same, capped: how long a single reply can make a run wait."""
        wait = self.asked_s(headers, now)
        return None if wait is None else min(wait, self.max_wait_s)

    def renewal_s(self, headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
        """Seconds until all limits that are used up have renewed, capped; None where a reply reports no such time.

        For throttled replies: in these, a limit with a reset but without a remainder counts as used up.
        """
        resets = [
            allowance.reset_s
            for allowance in self.allowances(headers, now)
            if allowance.reset_s is not None and (allowance.remaining is None or allowance.remaining < 1)
        ]
        return min(max(resets), self.max_wait_s) if resets else None

    def _remember(self, names: tuple[str, ...]) -> _Plan | None:
        plan = self._plan(names)
        found = None if plan.empty else plan
        if len(names) <= _MAX_NAMES:
            if len(self._plans) >= MAX_PLANS:  # names that keep changing: start anew rather than grow
                self._plans.clear()
            self._plans[names] = found
        return found

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        spelled = {name.lower(): name for name in names}
        there = {lower: name for lower, name in spelled.items() if lower not in self._ignored}
        own = _fullest(self._own, there)
        explained = {(headers.reset or "").lower() for headers in own}  # the usual way might take it for something else
        rest = {lower: name for lower, name in there.items() if lower not in explained}
        return _Plan(
            own,
            _fullest(_USUAL, rest),
            rest.get(_STATE),
            rest.get(_POLICY),
            rest.get(_CALL_LIMIT),
            len(spelled),
        )


def _fullest(known: Iterable[LimitHeaders], there: Mapping[str, str]) -> tuple[LimitHeaders, ...]:
    """What is there of each known set of headers, without those sets of which another one holds every header."""
    kept: list[tuple[frozenset[str], LimitHeaders]] = []
    for headers in known:
        found = {key: there.get((getattr(headers, key) or "").lower()) for key in _PARTS}
        if found["limit"] or found["remaining"] or found["reset"]:
            present = headers.model_copy(update=found)
            names = frozenset(name for name in found.values() if name is not None)
            if not any(names <= others for others, _ in kept):
                kept = [(others, theirs) for others, theirs in kept if not others < names]
                kept.append((names, present))
    return tuple(headers for _, headers in kept)


def _read(plan: _Plan, headers: Mapping[str, str], now: Callable[[], datetime]) -> tuple[Allowance, ...]:
    repeated = len(headers) > plan.count

    def text(name: str | None) -> str:
        if name is None:
            return ""
        if repeated:  # one on several lines is one list (RFC 9110, section 5.3)
            return _NEXT.join(value for own, value in headers.items() if own.lower() == name.lower())[:_MAX_TEXT]
        return headers.get(name, "")[:_MAX_TEXT]

    def customary(sets: Iterable[LimitHeaders]) -> Iterable[Iterable[Allowance]]:
        for names in sets:
            reset_s = _span(_time_to(text(names.reset), names.reset_unit, headers, now))
            window = _number(text(names.window))
            window_s = None if window is None else _span(window / 1000 if names.window_unit == "ms" else window)
            yield from _customary(text(names.limit), text(names.remaining), reset_s, names.window_s or window_s or None)

    # Where two report the same limit, the first counts: the target's own, then the standard, then custom.
    sources = [*customary(plan.own)]
    if plan.state is not None or plan.policy is not None:
        quotas = _quotas(text(plan.policy))
        state = text(plan.state)
        sources.extend(_draft_07(state, quotas) if _DRAFT_07.match(state) else [_standard(state, quotas)])
    sources.extend(customary(plan.usual))
    if plan.call_limit is not None:
        sources.append(_bucket(text(plan.call_limit)))
    return _joined(sources)


def _joined(sources: Iterable[Iterable[Allowance]]) -> tuple[Allowance, ...]:
    """All limits, each once: what two sources report about one limit is put together, and the first one counts."""
    found: list[Allowance] = []
    for source in sources:
        known = len(found)  # one source reports each limit once
        for allowance in source:
            twin = next((index for index in range(known) if _one_limit(found[index], allowance)), None)
            if twin is not None:
                found[twin] = Allowance(
                    *(one if one is not None else other for one, other in zip(found[twin], allowance, strict=True))
                )
            elif allowance[:3] != (None, None, None):
                found.append(allowance)
    return tuple(found)


def _one_limit(one: Allowance, other: Allowance) -> bool:
    """Whether two have the same limit or the same remainder, and do not contradict each other elsewhere."""
    pairs = [(one.limit, other.limit), (one.remaining, other.remaining), (one.window_s, other.window_s)]
    agree = all(None in pair or pair[0] == pair[1] for pair in pairs)
    return agree and any(pair[0] is not None and pair[0] == pair[1] for pair in pairs[:2])


# ---- custom: one header for each number ----


def _customary(
    limit_text: str, remaining_text: str, reset_s: float | None, window_s: float | None
) -> Iterable[Iterable[Allowance]]:
    """One limit, and then the quotas that its header can carry beside it."""
    limit, quotas = _limit(limit_text)
    if limit == 0:
        return  # no API allows nothing: this is how some say that there is no limit
    yield (Allowance(limit, _bounded(_number(remaining_text.partition(_NEXT)[0])), reset_s, window_s),)
    yield quotas


@lru_cache(maxsize=64)  # it is the same in every reply
def _limit(text: str) -> tuple[float | None, tuple[Allowance, ...]]:
    """The number of `RateLimit-Limit: 100, 100;w=60, 1000;w=3600` (draft-06 and before), and its quotas."""
    number = _number(text)
    if number is not None:
        return _bounded(number), ()
    items = _items(text) if ";" in text or _NEXT in text else []
    quotas = tuple(
        Allowance(limit=amount, window_s=span)
        for name, parameters in items
        if (amount := _amount(name)) and (span := _span(_amount(parameters.get("w"))))
    )
    return _amount(items[0][0]) if items else None, quotas


def _bucket(text: str) -> Iterable[Allowance]:
    """Shopify, "REST Admin API rate limits": `32/40` are the calls in a bucket that leaks, and its size."""
    if match := _SHARE.fullmatch(text[:_MAX_DATE]):
        used, size = float(match[1]), float(match[2])
        if 0 < size <= MAX_AMOUNT:
            yield Allowance(limit=size, remaining=max(size - used, 0.0))


# ---- the standard: RateLimit and RateLimit-Policy ----


class _Quota(NamedTuple):
    """One item of `RateLimit-Policy`; `counts_requests` is false where it limits something else."""

    name: str
    partition: object
    allows: Allowance
    counts_requests: bool

    def is_of(self, name: str, partition: object) -> bool:
        """Whether an item of this name and partition key is about this quota; either may leave the key out."""
        same = self.partition is None or partition is None or self.partition == partition
        return self.name == name and same


@lru_cache(maxsize=64)  # a policy is the same in every reply
def _quotas(text: str) -> tuple[_Quota, ...]:
    """The quotas of `RateLimit-Policy`: `"burst";q=100;w=60`, or, until draft-07, `100;w=60`."""
    quotas = []
    for name, parameters in _items(text):
        bare = _amount(name)
        if limit := _amount(parameters.get("q")) if bare is None else bare:
            allows = Allowance(limit=limit, window_s=_span(_amount(parameters.get("w"))) or None)
            quotas.append(
                _Quota(str(name), parameters.get("pk"), allows, str(parameters.get("qu", "request")) in _REQUESTS)
            )
    return tuple(quotas)


def _standard(text: str, quotas: tuple[_Quota, ...]) -> Iterable[Allowance]:
    """The limits of `RateLimit: "burst";r=50;t=30`, each joined with the quota of its name."""
    used = set()
    for name, parameters in _items(text):
        remaining = _amount(parameters.get("r"))
        quota = next((its for its in quotas if its.is_of(str(name), parameters.get("pk"))), None)
        if remaining is not None and (quota is None or quota.counts_requests):
            used.add(quota)
            allows = Allowance() if quota is None else quota.allows
            yield allows._replace(remaining=remaining, reset_s=_span(_amount(parameters.get("t"))))
    yield from (quota.allows for quota in quotas if quota.counts_requests and quota not in used)


def _draft_07(text: str, quotas: tuple[_Quota, ...]) -> Iterable[Iterable[Allowance]]:
    """The limit of `RateLimit: limit=100, remaining=50, reset=30`, and then the quotas."""
    try:
        parsed = http_sf.parse(text.encode("utf-8", "replace"), tltype="dictionary")
    except http_sf.StructuredFieldError:
        parsed = {}
    members = cast("Mapping[str, tuple[object, object]]", parsed)
    limit, remaining, reset = (_amount(members.get(key, (None,))[0]) for key in ("limit", "remaining", "reset"))
    if limit != 0:
        yield (Allowance(limit, remaining, _span(reset)),)
    yield [quota.allows for quota in quotas if quota.counts_requests]


def _items(text: str) -> list[tuple[object, Mapping[str, object]]]:
    """The items of a structured list with their parameters (RFC 9651, section 3.1); none if it is malformed."""
    try:
        parsed = http_sf.parse(text.encode("utf-8", "replace"), tltype="list")
    except http_sf.StructuredFieldError:
        return []
    items = cast("list[tuple[object, Mapping[str, object]]]", parsed)
    return [item for item in items if not isinstance(item[0], list)]


# ---- numbers and times ----


def _amount(value: object) -> float | None:
    """A structured field's number, if it can count something."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return _bounded(float(value))


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _bounded(amount: float | None) -> float | None:
    return amount if amount is not None and 0 <= amount <= MAX_AMOUNT else None


def _span(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_SPAN_S else None


def _time_to(text: str, unit: TimeUnit, headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """Seconds from now until the time that a text names; zero if it is over, None if it is none. Not capped.

    A point in time is compared with the reply's own `Date`, because our clock may be wrong.
    """
    text = text.strip()
    if not text:
        return None
    value = _number(text)
    if value is None:
        value = _number(text.partition(_NEXT)[0])  # several lines, of which the first is the nearest hop's
    if value is None:
        date = _date(text) if unit == "auto" else None
        return None if date is None else _until(date.timestamp(), headers, now)
    if unit == "auto":
        unit = "epoch_ms" if value >= _EPOCH_MS else "epoch_s" if value >= _EPOCH_S else "s"
    if unit in {"ms", "epoch_ms"}:
        value /= 1000
    return _until(value, headers, now) if unit in {"epoch_s", "epoch_ms"} else value


def _until(epoch_s: float, headers: Mapping[str, str], now: Callable[[], datetime]) -> float:
    sent_at = _date(headers.get("date", "")) or now()
    return max(epoch_s - sent_at.timestamp(), 0.0)


@lru_cache(maxsize=32)  # a reply's Date changes once a second
def _date(text: str) -> datetime | None:
    """An HTTP-date in any of its forms (RFC 9110, section 5.6.7), or one of ISO 8601; UTC where it names no zone."""
    if not text or len(text) > _MAX_DATE:
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = read(text.strip())
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None
