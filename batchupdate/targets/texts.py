"""Texts that a declaration may hold, each checked when it is read."""

from __future__ import annotations

import re
from typing import Annotated

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


Pattern = Annotated[str, AfterValidator(_pattern)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
JsonPath = Annotated[str, AfterValidator(_json_path)]
