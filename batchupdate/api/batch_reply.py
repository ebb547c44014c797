"""What the reply to a batch means: for all its rows at once, or for each by its own result."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from batchupdate.api.error_message import error_sentence
from batchupdate.api.success import doubt_about
from batchupdate.api.verdict import judge
from batchupdate.model import SUCCEEDED, Action, Fault, Outcome, Reply, Verdict
from batchupdate.targets.json_path import UnexpectedReplyError, is_true, search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from batchupdate.api.verdict import Policy
    from batchupdate.targets import Batch

_UNNAMED = "the reply to the batch says nothing of this record; it may or may not have been applied"
_UNCLEAR = "the reply to the batch is not JSON, or is incomplete; it may or may not have been applied"


@dataclass(slots=True)
class BatchJudge:
    """Says what replies to batches mean.

    Args:
        batch: the declaration.
        whole: what the reply means as far as it is about all rows.
        policy: what a result means that has a status of its own.
        now: is asked for replies that carry no `Date`.
    """

    batch: Batch
    whole: Policy
    policy: Policy
    now: Callable[[], datetime]
    _matched: bool = False

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
            return verdict if verdict.outcome is Outcome.UNKNOWN else _split(verdict, len(keys))
        if self.batch.results is None:
            return self._all_or_none(answer, verdict, len(keys))
        return self._each(answer, verdict, keys)

    def _all_or_none(self, answer: Reply, verdict: Verdict, rows: int) -> Verdict:
        if answer.status == HTTPStatus.MULTI_STATUS:
            message = "207 several answers in one; declare under batch.results where they are"
            return Verdict(Action.STOP, Outcome.UNKNOWN, message, ambiguous=True)
        doubt = doubt_about(answer, self.batch.success)
        if doubt is None:
            return verdict
        if doubt.refused:
            message = f"{answer.status} {doubt.sentence}"
            said = error_sentence(answer.body, self.policy.error_paths)
            return _split(Verdict(Action.DONE, Outcome.FAILED, f"{message}: {said}" if said else message), rows)
        return self._unclear(f"{answer.status} {doubt.sentence}")

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
        if any(one is not None for one in matched):
            self._matched = True
        elif not self._matched:
            what = f"finds {len(results):,} results, of other records" if results else "finds no results"
            said = error_sentence(answer.body, self.policy.error_paths)
            message = f"{answer.status} the reply to a batch names none of its records: 'batch.results' {what}"
            return Verdict(Action.STOP, Outcome.UNKNOWN, f"{message}. The API's words: {said}" if said else message)
        held = [part for _, part in parts if part.action is Action.HOLD]
        if held:
            waits = [part.wait_s for part in held if part.wait_s is not None]
            return replace(held[0], wait_s=max(waits) if waits else None, parts=parts)
        return replace(verdict, parts=parts)

    def _nameless_error(self, answer: Reply, verdict: Verdict, results: Sequence[object]) -> Mapping[str, Any] | None:
        """The only result of the only row, if it is an error that does not say whose it is."""
        match results:
            case [dict(alone)] if not _keys_in(alone, self.batch):
                return None if self._part(answer, verdict, alone)[1].outcome in SUCCEEDED else alone
        return None

    def _unclear(self, message: str) -> Verdict:
        """A success that can't be read: it may be sent again where that is safe."""
        action = Action.REPEAT if self.policy.repeatable else Action.DONE
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
            if not 200 <= status < 300 and batch.error:  # noqa: PLR2004 - 2xx
                paths = (batch.error, *self.policy.error_paths)
                return reply, judge(reply, replace(self.policy, error_paths=paths, success=None), self.now)
            own = judge(reply, replace(self.policy, success=None), self.now)
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
    for result, own in zip(results, keys, strict=True):
        if not isinstance(result, dict) or any(key != own and key in keys for key in _keys_in(result, batch)):
            return [None] * len(keys)
        whole.append(result)
    return whole


def _keys_in(result: Mapping[str, Any], batch: Batch) -> list[str]:
    found = search(batch.id, result, "batch.id")
    return [str(key) for key in (found if isinstance(found, list) else [found]) if _is_key(key)]


def _is_key(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _status(result: Mapping[str, Any], batch: Batch) -> int | None:
    found = search(batch.status, result, "batch.status") if batch.status else None
    if isinstance(found, str) and found.isdecimal():
        found = int(found)
    known = isinstance(found, int) and not isinstance(found, bool) and 100 <= found <= 999  # noqa: PLR2004 - three digits
    return found if known else None


def _headers(result: Mapping[str, Any], batch: Batch) -> Mapping[str, str]:
    found = search(batch.headers, result, "batch.headers") if batch.headers else None
    return CIMultiDict((str(name), str(value)) for name, value in found.items()) if isinstance(found, dict) else {}


def _finds(path: str, result: Mapping[str, Any], setting: str) -> bool:
    return is_true(search(path, result, f"batch.{setting}"))
