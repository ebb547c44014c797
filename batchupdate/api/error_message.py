"""Finds the sentence in an error body of any shape: a string, an object, a list of objects, or no JSON at all."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

from batchupdate.targets.json_path import UnexpectedReplyError, search
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHARACTERS = 300
MAX_DEPTH = 6
MAX_SENTENCES = 5
MAX_BODY_BYTES = 100_000
MAX_TEXT = 20_000

# The most informative first: RFC 9457 has detail and title, others have the rest.
_TELLING = (
    "message",
    "detail",
    "error_description",
    "error",
    "errors",
    "title",
    "description",
    "reason",
    "msg",
    "code",
)
_PLACE = ("path", "field", "loc", "param", "pointer")
# None of these looks at a character more than a few times, whatever a sick server sends.
_TAGS = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?:script|style)\b.*?(?:</(?:script|style)>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE
)
_TITLE = re.compile(r"<title\b[^<>]*>(.*?)(?:</title>|\Z)", re.DOTALL | re.IGNORECASE)


def error_sentence(body: bytes, paths: Sequence[str] = ()) -> str:
    """The API's own words, on one line of at most 300 characters; empty if there are none.

    Args:
        body: the reply's body.
        paths: JMESPath expressions tried first.
    """
    text = body[:MAX_BODY_BYTES].decode("utf-8-sig", "replace").strip()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return one_line(_plain(text[:MAX_TEXT]), MAX_CHARACTERS)
    if data in ({}, [], "", None):
        return ""
    for path in paths:
        if sentences := _unique(_sentences(_find(path, data), 0)):
            return one_line(sentences, MAX_CHARACTERS)
    return one_line(_unique(_sentences(data, 0)) or text[:MAX_TEXT], MAX_CHARACTERS)


def _find(path: str, data: object) -> object:
    try:
        return search(path, data, "errors.paths")
    except UnexpectedReplyError:  # a function of the expression got a type it can't take
        return None


def _plain(text: str) -> str:
    if "<" not in text:
        return text
    title = _TITLE.search(text)
    return html.unescape(_TAGS.sub(" ", title[1] if title and title[1].strip() else text))


def _sentences(data: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - JSON is anything
    if depth > MAX_DEPTH:
        return
    if isinstance(data, str):
        if data.strip():
            yield data
    elif isinstance(data, list):
        for item in data:
            yield from _sentences(item, depth + 1)
    elif isinstance(data, dict):
        yield from _object(data, depth)


def _object(data: dict[str, Any], depth: int) -> Iterator[str]:
    if depth > 0 and "errors" not in data and all(isinstance(value, list) for value in data.values()):
        yield from _by_field(data, depth)
        return
    for name in _TELLING:
        if found := list(_sentences(data.get(name), depth + 1)):
            place = next((_place(data[key]) for key in _PLACE if data.get(key)), "")
            yield from (f"{place}: {sentence}" if place and place not in sentence else sentence for sentence in found)
            return
    if depth > 0:
        yield from _by_field(data, depth)


def _by_field(data: dict[str, Any], depth: int) -> Iterator[str]:
    """The sentences of `{"name": ["is too long"]}`."""
    for key, value in data.items():
        if isinstance(value, str | list):
            yield from (f"{key}: {sentence}" for sentence in _sentences(value, depth + 1))


def _place(value: object) -> str:
    return ".".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _unique(sentences: Iterator[str]) -> str:
    found: dict[str, None] = {}
    for sentence in sentences:
        found.setdefault(sentence.strip())
        if len(found) >= MAX_SENTENCES:
            break
    return "; ".join(found)
