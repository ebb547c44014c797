"""What the reply to a batch means: for all its rows at once, or for each by its own result."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from batchupdate.api.error_message import error_sentence
from batchupdate.api.success import doubt_about, is_success
from batchupdate.api.verdict import judge
from batchupdate.config.json_path import UnexpectedReplyError, is_true, search, text_of
from batchupdate.model import SUCCEEDED, Action, Fault, Outcome, Reply, Verdict
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from batchupdate.api.verdict import Policy
    from batchupdate.targets import Batch

_UNNAMED = "the reply to the batch says nothing of this record; it may or may not have been applied"
_UNCLEAR = "the reply to the batch is not JSON, or is incomplete; it may or may not have been applied"

REFUSED_ALONE = 50
"""So many rows in a row, each refused by itself, show that the endpoint is to blame, if it never took a batch."""

UNREAD = 5
"""So many replies that can't be read show the same."""


@dataclass(slots=True)
class BatchJudge:
    """Says what replies to batches mean.

    Args:
        batch: the declaration.
        whole: what the reply means as far as it is about all rows.
        policy: what a result means that has a status of its own.
        now: is asked for replies that carry no `Date`.

    As long as no reply has shown that the declaration is right, it stops the run where it is likely wrong. Else a wrong
    path would cost two requests for every row, for each batch is halved until its rows are alone.
    """

    batch: Batch
    whole: Policy
    policy: Policy
    now: Callable[[], datetime]
    _shown: bool = False  # that the declaration is right: a row had a result, or a batch was accepted
    _refused: list[int] = field(default_factory=list)  # the statuses that rows by themselves had, until one differed
    _unread: int = 0
    _result: Policy = field(init=False)

    def __post_init__(self) -> None:
        self._result = replace(self.policy, success=None)

    def __call__(self, answer: Reply | Fault, keys: Sequence[str]) -> Verdict:
        """What a reply or fault means for the rows of a batch, and what to do next.

        Args:
            answer: what came back.
            keys: by what results are told apart, one for each row; see `Target.batch_keys`.
        """
        verdict = judge(answer, self.whole, self.now)
        if isinstance(answer, Fault) or verdict.action is not Action.DONE:
            return verdict
        if answer.status != HTTPStatus.MULTI_STATUS and verdict.outcome not in SUCCEEDED:
            return verdict if verdict.outcome is Outcome.UNKNOWN else self._refusal(answer, verdict, len(keys))
        if self.batch.results is None:
            return self._all_or_none(answer, verdict, len(keys))
        return self._each(answer, verdict, keys)

    def _all_or_none(self, answer: Reply, verdict: Verdict, rows: int) -> Verdict:
        if answer.status == HTTPStatus.MULTI_STATUS:
            message = "207 several answers in one; declare under batch.results where they are"
            return Verdict(Action.STOP, Outcome.UNKNOWN, message, ambiguous=True)
        doubt = doubt_about(answer, self.batch.success)
        if doubt is None:
            self._shown = True
            return verdict
        if doubt.refused:
            message = f"{answer.status} {doubt.sentence}"
            said = error_sentence(answer.body, self.policy.error_paths)
            refusal = Verdict(Action.DONE, Outcome.FAILED, f"{message}: {said}" if said else message)
            return self._refusal(answer, refusal, rows)
        return self._unclear(f"{answer.status} {doubt.sentence}")

    def _refusal(self, answer: Reply, verdict: Verdict, rows: int) -> Verdict:
        """A batch that was refused as a whole, or a row that was by itself."""
        if rows > 1 or self._shown:
            return _split(verdict, rows)
        if {*self._refused} - {answer.status}:
            self._refused.clear()
        self._refused.append(answer.status)
        if len(self._refused) < REFUSED_ALONE:
            return verdict
        why = f"the API refused every batch, and {REFUSED_ALONE} rows in a row by themselves; check batch.path and"
        message = f"{verdict.message}; {why} batch.template, or send each row by itself with --batch-size 1"
        return replace(verdict, action=Action.STOP, message=message)

    def _each(self, answer: Reply, verdict: Verdict, keys: Sequence[str]) -> Verdict:
        batch = self.batch
        try:
            data = json.loads(answer.body.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            return self._unclear(f"{answer.status} {_UNCLEAR}")
        try:
            found = search(batch.results or "", data, "batch.results")
            results = found if isinstance(found, list) else []
            matched = _in_order(results, batch, keys) if batch.in_order else _by_key(results, batch, keys)
            if matched == [None]:
                matched = [self._nameless_error(answer, verdict, results)]
            parts = [
                self._unnamed(answer, len(keys)) if one is None else self._part(answer, verdict, one) for one in matched
            ]
        except UnexpectedReplyError as error:
            return Verdict(Action.STOP, Outcome.UNKNOWN, f"{answer.status} {error}", ambiguous=True)
        except RecursionError:  # nested so deeply that it can just be read
            return self._unclear(f"{answer.status} {_UNCLEAR}")
        if any(one is not None for one in matched):
            self._shown = True
        elif not self._shown:
            what = f"finds {len(results):,} results, of other records" if results else "finds no results"
            said = error_sentence(answer.body, self.policy.error_paths)
            message = f"{answer.status} the reply to a batch names none of its records: 'batch.results' {what}"
            return Verdict(Action.STOP, Outcome.UNKNOWN, f"{message}. The API's words: {said}" if said else message)
        held = [part for _, part in parts if part.action is Action.HOLD]
        if held:
            return replace(max(held, key=lambda part: (part.asked_s or 0.0, part.wait_s or 0.0)), parts=parts)
        return replace(verdict, parts=parts)

    def _nameless_error(self, answer: Reply, verdict: Verdict, results: Sequence[object]) -> Mapping[str, Any] | None:
        """The only result of the only row, if it is an error that does not say whose it is."""
        match results:
            case [dict(alone)] if not _keys_in(alone, self.batch):
                return None if self._part(answer, verdict, alone)[1].outcome in SUCCEEDED else alone
        return None

    def _unclear(self, message: str) -> Verdict:
        """A success that can't be read: it may be sent again where that is safe."""
        again = self.policy.repeatable
        self._unread += 1
        if not self._shown and (self._unread >= UNREAD or not again):
            why = "no reply to a batch could be read so far; see batch.results"
            return Verdict(Action.STOP, Outcome.UNKNOWN, f"{message}; {why}", ambiguous=True)
        action = Action.REPEAT if again else Action.DONE
        return Verdict(action, Outcome.UNKNOWN, message, ambiguous=True)

    def _unnamed(self, answer: Reply, rows: int) -> tuple[Reply, Verdict]:
        verdict = Verdict(Action.DONE, Outcome.UNKNOWN, f"{answer.status} {_UNNAMED}", ambiguous=True)
        return answer, _split(verdict, rows) if self.policy.repeatable else verdict

    def _part(self, answer: Reply, verdict: Verdict, result: Mapping[str, Any]) -> tuple[Reply, Verdict]:
        """One row's result as a reply, and what it means."""
        batch = self.batch
        body = json.dumps(result).encode()
        status = _status(result, batch)
        if status is not None:
            reply = Reply(status, _headers(result, batch), body, answer.duration_s)
            if not is_success(status) and batch.error:
                paths = (batch.error, *self.policy.error_paths)
                return reply, judge(reply, replace(self._result, error_paths=paths), self.now)
            own = judge(reply, self._result, self.now)
            if own.outcome not in SUCCEEDED or own.action is not Action.DONE:
                return reply, own
        else:
            reply = Reply(answer.status, answer.headers, body, answer.duration_s)
            own = Verdict(Action.DONE, Outcome.UPDATED) if answer.status == HTTPStatus.MULTI_STATUS else verdict
        sentence = error_sentence(body, (batch.error,)) if batch.error and _finds(batch.error, result, "error") else ""
        if not sentence and (batch.success is None or _finds(batch.success, result, "success")):
            return reply, own
        again = batch.repeat is not None and _finds(batch.repeat, result, "repeat")
        message = sentence or error_sentence(body, self.policy.error_paths) or "it gives no reason"
        action = Action.REPEAT if again else Action.DONE
        return reply, Verdict(action, Outcome.FAILED, f"the API refused this record of a batch: {message}")


def _split(verdict: Verdict, rows: int) -> Verdict:
    return replace(verdict, action=Action.SPLIT) if rows > 1 else verdict


def _by_key(results: Sequence[object], batch: Batch, keys: Sequence[str]) -> list[Mapping[str, Any] | None]:
    """The result of each row, by what it says whose it is; None where there is none, or more than one."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for result in results:
        if isinstance(result, dict):
            for key in _keys_in(result, batch):
                found[key].append(result)
    folded: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for key, some in found.items():
        folded[key.casefold()] += some
    unclear = len({key.casefold() for key in keys}) < len(keys)
    matched = []
    for key in keys:
        some = found.get(key) or ([] if unclear else folded.get(key.casefold(), []))
        matched.append(some[0] if len(some) == 1 else None)
    return matched


def _in_order(results: Sequence[object], batch: Batch, keys: Sequence[str]) -> list[Mapping[str, Any] | None]:
    """The results as they stand, if that can be right: one for each row, and none with the id of another row."""
    if len(results) != len(keys):
        return [None] * len(keys)
    whole: list[Mapping[str, Any] | None] = []
    known = {*keys}
    for result, own in zip(results, keys, strict=True):
        if not isinstance(result, dict) or any(key != own and key in known for key in _keys_in(result, batch)):
            return [None] * len(keys)
        whole.append(result)
    return whole


def _keys_in(result: Mapping[str, Any], batch: Batch) -> list[str]:
    found = search(batch.id, result, "batch.id")
    return [key for key in map(text_of, found if isinstance(found, list) else [found]) if key]


def _status(result: Mapping[str, Any], batch: Batch) -> int | None:
    """A result's own status; None where it has none.

    Raises:
        UnexpectedReplyError: what stands there is no status, so nobody knows what it says.
    """
    found = search(batch.status, result, "batch.status") if batch.status else None
    if found is None:
        return None
    if isinstance(found, str) and found.isdecimal() and len(found) == 3:  # noqa: PLR2004 - three digits
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 100 <= found <= 999:  # noqa: PLR2004 - as above
        shown = one_line(json.dumps(found), 60)
        raise UnexpectedReplyError(f"'batch.status' ({batch.status}) finds {shown}, which is no HTTP status")
    return found


def _headers(result: Mapping[str, Any], batch: Batch) -> Mapping[str, str]:
    found = search(batch.headers, result, "batch.headers") if batch.headers else None
    return CIMultiDict((str(name), str(value)) for name, value in found.items()) if isinstance(found, dict) else {}


def _finds(path: str, result: Mapping[str, Any], setting: str) -> bool:
    return is_true(search(path, result, f"batch.{setting}"))
