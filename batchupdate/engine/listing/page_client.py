"""One page of a list, asked for until it is there: every try takes a turn, and is judged as that of a row is."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from batchupdate.api.client import Client
from batchupdate.api.verdict import KEY_REFUSED, Policy, judge
from batchupdate.engine.backoff import delay_s, retrying
from batchupdate.engine.pools import limiter_of
from batchupdate.engine.worker_pool import RENEWALS_AT_MOST
from batchupdate.errors import SafetyStop
from batchupdate.model import Action, Outcome, Reply, Verdict
from batchupdate.runs.metadata import rate_of
from batchupdate.targets import StatusRule
from batchupdate.util.clock import minute
from batchupdate.util.json import exact
from batchupdate.util.text import as_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Settings
    from batchupdate.limiter import Limiter
    from batchupdate.model import Fault
    from batchupdate.targets import Target
    from batchupdate.util.clock import Clock

MAX_PAGE = 64 << 20
"""Bytes of one page: a list that comes all at once can be large, and must not be endless."""

_SERVER_ERROR = 500
_OVERRIDES = {"repeat", "hold", "stop"}
_HINT = "Nothing was written."
_GZIP = b"\x1f\x8b"


class Wording(NamedTuple):
    """How sentences speak of what is read: what it is called, where it is declared, and what statuses mean."""

    name: str
    declared: str
    says: Mapping[int, str]


LIST = Wording(
    "Page {number:,} of the list",
    "list.path",
    {
        403: "the key has no permission to list the records",
        404: "there is no list at this address; check list.path and the base URL",
    },
)
RECORD = Wording(
    "The record",
    "read.path",
    {
        403: "the key has no permission to read this record",
        404: "there is no such record, or none at this address; check the id, read.path and the base URL",
    },
)
SEARCH = Wording(
    "Page {number:,} of a search's reply",
    "search.path",
    {
        403: "the key has no permission to search for records",
        404: "there is no search at this address; check search.path and the base URL",
    },
)


class PageClient:
    """Asks for pages, one after the other, at the target's rate; an async context manager.

    Args:
        base_url: below which the pages are.
        target: what its statuses mean, and its rate.
        settings: rate and patience.
        credentials: its key.
        clock: where time comes from.
        on_trouble: is called with a sentence when a page has to be asked for again.
        wording: how sentences speak of what is read.
        limiter: whose turn it is, where others ask this API as well.
    """

    def __init__(
        self,
        base_url: str,
        target: Target,
        settings: Settings,
        credentials: Credentials,
        *,
        clock: Clock,
        on_trouble: Callable[[str], None],
        wording: Wording = LIST,
        limiter: Limiter | None = None,
    ) -> None:
        self._limiter = limiter or limiter_of(target, settings, clock, concurrency=1)
        self._secrets = credentials.secrets
        self._client = Client(
            base_url,
            "GET",
            target.read_headers,
            settings,
            concurrency=1,
            clock=clock,
            secrets=self._secrets,
            credentials=credentials,
            decode=target.decode,
        )
        self._settings, self._clock, self._key_from = settings, clock, credentials.place
        self._wording = wording
        self._policy = _policy(target, settings, wording)
        self._listen, self._on_trouble = rate_of(target, settings).auto, on_trouble
        self.requests = 0
        """How many left so far."""

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def page(
        self, path: str, body: bytes | None, number: int, *, may_be_gone: bool
    ) -> tuple[Any, Mapping[str, str]] | None:
        """One page's JSON and headers; None where a 404 says that there are no more pages.

        Args:
            path: path and query.
            body: of a POST; None for a GET.
            number: which page it is, for a sentence.
            may_be_gone: whether a 404 can say so.

        Raises:
            SafetyStop: it can't be had.
        """
        attempt, renewed = 1, 0
        while True:
            answer, verdict, content = await self._try(path, body, number)
            if isinstance(answer, Reply):
                if verdict.action is Action.DONE and content is not None:
                    return content[0], answer.headers
                if may_be_gone and answer.status == HTTPStatus.NOT_FOUND:
                    return None
            self._give_up(verdict, number)
            if verdict.action is Action.RENEW and renewed < RENEWALS_AT_MOST:
                renewed += 1
                continue
            if verdict.action is Action.HOLD and isinstance(answer, Reply):
                continue
            if verdict.action in {Action.DONE, Action.STOP, Action.RENEW} or attempt >= self._settings.max_attempts:
                tries = f" (after {attempt} attempts)" if attempt > 1 else ""
                message = as_sentence(f"{self._name(number)} can't be read: {verdict.message}{tries}")
                if isinstance(answer, Reply) and answer.status in KEY_REFUSED and self._key_from:
                    before = f", and was accepted for {number - 1:,} pages before" if number > 1 else ""
                    message += f" The key comes from {self._key_from}{before}."
                raise SafetyStop(message, _HINT)
            patience_s = self._settings.give_up_after
            self._on_trouble(retrying(verdict.message, patience_s))
            own_s = min(delay_s(attempt), patience_s - self._limiter.down_for_s)  # not beyond the end of its patience
            wait_s = max(own_s, verdict.wait_s or 0.0)
            await self._clock.sleep_until(self._clock.monotonic() + wait_s)
            attempt += 1

    def _name(self, number: int) -> str:
        return self._wording.name.format(number=number)

    async def _try(
        self, path: str, body: bytes | None, number: int
    ) -> tuple[Reply | Fault, Verdict, tuple[Any] | None]:
        """Sends one request; returns its answer, what it means, and a plain success's JSON."""
        sent_at = await self._limiter.turn()
        try:
            self.requests += 1
            answer = await self._client.read(path, MAX_PAGE, body)
        except BaseException:
            self._limiter.cancelled(sent_at)
            raise
        verdict = judge(answer, self._policy, self._clock.now)
        if verdict.message:
            verdict = replace(verdict, message=self._secrets.redact(verdict.message))
        self._give_back(sent_at, answer, verdict)
        if not isinstance(answer, Reply) or verdict.outcome not in {Outcome.UPDATED, Outcome.ACCEPTED}:
            return answer, verdict, None
        if len(answer.body) >= MAX_PAGE:
            message = f"{self._name(number)} has more than {MAX_PAGE >> 20} MiB."
            smaller = "Declare a smaller page size under list.pagination. " if self._wording is LIST else ""
            raise SafetyStop(message, f"{smaller}{_HINT}")
        try:
            return answer, verdict, (json.loads(answer.body, parse_float=exact, parse_constant=_no_constant),)
        except (ValueError, RecursionError):  # also one that broke off in the middle
            return answer, Verdict(Action.REPEAT, Outcome.FAILED, _no_json(answer.body, self._wording)), None

    def _give_back(self, sent_at: float, answer: Reply | Fault, verdict: Verdict) -> None:
        limiter = self._limiter
        if not isinstance(answer, Reply):
            if verdict.action is Action.RENEW:
                limiter.cancelled(sent_at)
            else:
                limiter.failed(sent_at)
            return
        allowances = self._policy.signals.allowances(answer.headers, self._clock.now) if self._listen else ()
        if verdict.action is Action.HOLD:
            limiter.hold(sent_at, verdict.wait_s, allowances)
        elif answer.status < _SERVER_ERROR:
            limiter.passed(sent_at, allowances)
        else:
            limiter.failed(sent_at)

    def _give_up(self, verdict: Verdict, number: int) -> None:
        patience = self._settings.give_up_after
        if verdict.asked_s is not None and verdict.asked_s > patience:
            message = (
                f"the API asks to wait {verdict.asked_s:.0f} s, until {minute(self._clock.unix() + verdict.asked_s)}, "
                f"longer than --give-up-after allows ({patience:.0f} s)"
            )
        elif self._limiter.down_for_s >= patience:
            message = f"the API has accepted no request for {self._limiter.down_for_s:.0f} s"
        else:
            return
        raise SafetyStop(as_sentence(f"{self._name(number)} can't be read: {message}: {verdict.message}"), _HINT)


def _policy(target: Target, settings: Settings, wording: Wording) -> Policy:
    """The target's policy for reading: that can be repeated, and a status means something else than for a change."""
    policy = Policy.of(target, settings.max_wait)
    statuses = {
        status: StatusRule(
            means=wording.says.get(status, rule.means), action=rule.action if rule.action in _OVERRIDES else None
        )
        for status, rule in target.statuses.items()
        if status >= HTTPStatus.BAD_REQUEST
    }
    said = {status: StatusRule(means=means) for status, means in wording.says.items()}
    return replace(policy, repeatable=True, changes=False, statuses=said | statuses)


def _no_json(body: bytes, wording: Wording) -> str:
    """What came in JSON's place; the body of an answer that took too long is empty."""
    start = body[:100].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return "the reply is empty, or did not arrive in time (--timeout)"
    if start.startswith(b"<"):
        return f"the reply is a web page, not JSON; check {wording.declared} and the base URL"
    if start.startswith(_GZIP):
        return "the reply is compressed (gzip), although that was not requested"
    return "the reply is not JSON, or is incomplete"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
