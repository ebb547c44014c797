"""What to do about rows that did not succeed: a sentence for each status, beside what `verdict` says that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

_CORRECT = "correct these cells in failed.csv, and run that file"
_LATER = "the API failed; send these rows again later"
_BY_OUTCOME: Mapping[str, str] = {
    Outcome.INVALID: "",  # says itself what to do
    Outcome.NOT_ATTEMPTED: "",  # why the run stopped says how to resume it
    Outcome.UNKNOWN: "look at these records, or send the rows again",
    Outcome.CONFLICT: "look at these records as they are now, and decide what they should be",
}
_BY_STATUS: Mapping[int, str] = {
    400: _CORRECT,
    401: "set a valid key, and resume the run",
    402: "see what the account allows, and send these rows again",
    403: "get the permission for these records, or leave their rows out",
    404: "check the ids; leave rows out whose records are gone",
    405: "check the target's method and path",
    407: "set a valid key for the proxy, and resume the run",
    409: "see which other record or change is in the way, then send these rows again",
    410: "leave these rows out: their records are gone",
    413: "shorten these values",
    415: "check the target's body format",
    422: _CORRECT,
    423: "unlock these records, then send the rows again",
    428: "declare the target's precondition",
    429: "send these rows again at a lower rate",
    501: "check the target's method and path",
    503: "send these rows again later",
    505: "check the base URL",
    507: "make room in the account, then send these rows again",
    511: "log in to the network, then send these rows again",
}
_REDIRECTED, _REFUSED, _FAILED = 300, 400, 500


def way_out(outcome: str, status: int | None) -> str:
    """What to do about rows that ended in this way, as the end of a sentence; empty where their message says it."""
    if outcome in _BY_OUTCOME:
        return _BY_OUTCOME[outcome]
    if status is None:
        return "send these rows again"
    if (known := _BY_STATUS.get(status)) is not None:
        return known
    if status >= _FAILED:
        return _LATER
    if status >= _REFUSED:
        return _CORRECT
    return "check the base URL" if status >= _REDIRECTED else "see what the API's answer says"
