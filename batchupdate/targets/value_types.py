"""Types of single values in a declaration: patterns, header names, time formats. Each is checked when it is read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator

from batchupdate.config.yaml_file import MisplacedError
from batchupdate.util.regex import compile_search
from batchupdate.util.text import quoted

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, section 5.6.2


def _pattern(text: str) -> str:
    compile_search(text)
    return text


def _header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a header name")
    return text


def _header_value(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("a header's value must be printable ASCII on one line")
    return text


def _time_format(text: str) -> str:
    now = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        read = datetime.strptime(now.strftime(text), text)  # noqa: DTZ007 - only whether it can be read back
    except ValueError as error:
        raise ValueError(f"{text!r} can't be used to read a date: {error}") from error
    if (read.year, read.month, read.day) != (now.year, now.month, now.day):
        raise ValueError(f"{text!r} must contain the year, the month and the day, as %d.%m.%Y does")
    return text


def _zone(text: str) -> str:
    if text == "required":
        return text
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is neither 'required' nor a time zone such as Europe/Berlin or UTC") from error
    return text


def check_example(example: str, pattern: str | None, formatted: str | None) -> None:
    """Refuses an example that its rule would not accept, or that has nothing to explain.

    Raises:
        MisplacedError: it is such an example.
    """
    if not example:
        return
    if pattern is None:
        instead = f"format {formatted} has one of its own" if formatted else "there is no pattern"
        raise MisplacedError(f"an example is shown in place of a pattern, and {instead}; remove it", "example")
    if not compile_search(pattern)(example):
        raise MisplacedError(f"{example!r} does not match the pattern {pattern}; correct one of them", "example")


def check_json(example: str, json_type: str | None) -> None:
    """Refuses an example of a JSON field that is not JSON, or of another type.

    Raises:
        MisplacedError: it is such an example.
    """
    try:
        value = json.loads(example or "null")
    except (ValueError, RecursionError) as error:
        raise MisplacedError(f"{quoted(example)} is not JSON", "example") from error
    if example and json_type and not isinstance(value, dict if json_type == "object" else list):
        raise MisplacedError(f"{quoted(example)} is not a JSON {json_type}", "example")


def several(value: object) -> object:
    """A single status is a list of one."""
    if value in ([], ()):
        raise ValueError("name at least one status")
    return (value,) if isinstance(value, int) else value


Pattern = Annotated[str, AfterValidator(_pattern)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]
Zone = Annotated[str, AfterValidator(_zone)]
