"""Whether the body of a reply bears out what its status says: that the change was made."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.config.json_path import UnexpectedReplyError, is_true, search

if TYPE_CHECKING:
    from batchupdate.model import Reply

_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT})
_START = 4096


class Doubt(NamedTuple):
    """Why a reply with the status of a success is none; `refused` is whether the change was surely not made."""

    sentence: str
    refused: bool = False


def is_success(status: int) -> bool:
    """Whether a status is 2xx (RFC 9110, section 15.3)."""
    return 200 <= status < 300  # noqa: PLR2004 - asked for every reply, and members of HTTPStatus take much longer


def is_web_page(reply: Reply) -> bool:
    """Whether the body is HTML: a login page, or that of a proxy, in the place of the API's reply."""
    start = reply.body[:_START]
    if not start:
        return False
    declared = "html" in reply.headers.get("content-type", "").lower()
    return bool(_HTML.match(start)) or (declared and start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"))


def doubt_about(reply: Reply, success: str | None) -> Doubt | None:
    """What speaks against a reply whose status is 2xx; None if nothing does.

    Args:
        reply: the reply, with its body.
        success: the target's test (JMESPath), true for a success; None where the status is enough.
    """
    if is_web_page(reply):
        return Doubt("the reply is a web page, not JSON; check the base URL", refused=True)
    if success is None or _has_no_body(reply):
        return None
    try:
        passed = is_true(search(success, json.loads(reply.body.decode("utf-8-sig", "replace")), "success"))
    except UnexpectedReplyError as error:
        return Doubt(f"{error}; the change may or may not have been applied")
    except (ValueError, RecursionError):
        return Doubt("the reply is not JSON, or is incomplete; the change may or may not have been applied")
    return None if passed else Doubt("the API reports a failure", refused=True)


def _has_no_body(reply: Reply) -> bool:
    """Whether the reply has no body at all, which is no sign of a failure; one that broke off would have had one."""
    if reply.status in _BODILESS:
        return True
    return (
        not reply.body
        and not reply.headers.get("content-length", "").strip("0")
        and ("transfer-encoding" not in reply.headers)
    )
