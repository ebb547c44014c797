"""What `capture` finds in a reply: texts by name, short, on one line, and without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchupdate.config.capture import HEADER
from batchupdate.config.json_path import UnexpectedReplyError, search
from batchupdate.model import ReadReply
from batchupdate.util import json as exact_json
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchupdate.model import Reply

MOST_CHARACTERS = 500
"""Of one value."""


class Capture:
    """Finds values in replies.

    Args:
        paths: by name where each value is; see `batchupdate.config.capture`.
        redact: takes secrets out of a text.
    """

    def __init__(self, paths: Mapping[str, str], redact: Callable[[str], str]) -> None:
        self._headers = {name: path[len(HEADER) :].lower() for name, path in paths.items() if path.startswith(HEADER)}
        self._paths = {name: path for name, path in paths.items() if name not in self._headers}
        self._redact = redact

    @property
    def needs_body(self) -> bool:
        """Whether a value stands in the body."""
        return bool(self._paths)

    def __call__(self, reply: Reply) -> str:
        """The values that there are, as a JSON object of texts by name; '' for none, and for the reply to a read."""
        if isinstance(reply, ReadReply):
            return ""
        found = {name: _text(reply.headers.get(header)) for name, header in self._headers.items()}
        if self._paths and (body := _json(reply.body)) is not None:
            found |= {name: _text(_search(path, body)) for name, path in self._paths.items()}
        found = {name: one_line(self._redact(text), MOST_CHARACTERS) for name, text in found.items() if text}
        return exact_json.dumps(found) if found else ""


def _json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return exact_json.loads(body.decode("utf-8-sig", "replace")) if body else None
    except (ValueError, RecursionError):
        return None


def _search(path: str, body: object) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return search(path, body, "capture")
    except UnexpectedReplyError:
        return None


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return exact_json.dumps(value)
