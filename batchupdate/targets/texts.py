"""Texts that a declaration may hold, each checked when it is read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from pydantic import AfterValidator
from pydantic_core import SchemaError, SchemaValidator, core_schema

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, section 5.6.2


def search(pattern: str) -> SchemaValidator:
    """A search for the pattern anywhere in a text, in pydantic's Rust engine, which never backtracks.

    Raises:
        SchemaError: it is no such pattern.
    """
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


def _pattern(text: str) -> str:
    try:
        search(text)
    except SchemaError as error:
        reason = str(error).strip().rpartition("\n")[2].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise ValueError(f"{text!r} can't be used as a pattern: {reason.rstrip('.')}") from error
    return text


def _header_name(text: str) -> str:
    if not HEADER_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a header name")
    return text


def _header_value(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("a header's value must be printable ASCII on one line")
    return text


def _json_path(text: str) -> str:
    try:
        jmespath.compile(text)
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        raise ValueError(f"{text!r} is not a JMESPath expression") from error
    return text


def _time_format(text: str) -> str:
    now = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        read = datetime.strptime(now.strftime(text), text)  # noqa: DTZ007 - only whether it can be read back
    except ValueError as error:
        raise ValueError(f"{text!r} can't be used to read a date: {error}") from error
    if (read.year, read.month, read.day) != (now.year, now.month, now.day):
        raise ValueError(f"{text!r} does not name the year, the month and the day, as %d.%m.%Y does")
    return text


def _zone(text: str) -> str:
    if text == "required":
        return text
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is neither 'required' nor a time zone such as Europe/Berlin or UTC") from error
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
JsonPath = Annotated[str, AfterValidator(_json_path)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]
Zone = Annotated[str, AfterValidator(_zone)]
