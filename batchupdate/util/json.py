"""JSON in which a number keeps the digits that the user typed.

A float has about 17 digits, and `1.10` would come out as `1.1`. RFC 8259, section 6 leaves a number's precision to
the reader, so what is written is exactly what was in the cell. The validator makes such values; the journal
writes and reads them.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

MOST_DIGITS = 4000
"""Of a whole number; Python itself refuses to turn more than 4,300 into an int (CVE-2020-10735)."""


class ExactNumber:
    """A number that a float or an int would write in another way than the user did; equal by its value.

    Args:
        text: a number as JSON has it.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ExactNumber):
            return Decimal(self.text) == Decimal(other.text)
        return isinstance(other, int | float) and Decimal(self.text) == Decimal(str(other))

    def __hash__(self) -> int:
        return hash(Decimal(self.text))

    def __repr__(self) -> str:
        return self.text


def exact(text: str) -> float | ExactNumber:
    """A decimal number, given as JSON writes it, as a float if that keeps every digit."""
    number = float(text)
    return number if repr(number) == text and "e" not in text else ExactNumber(text)


def dumps(value: object) -> str:
    """The value as JSON, without spaces. Values without an `ExactNumber` never leave pydantic's Rust.

    Half of a character (a lone surrogate), which somebody's JSON can hold, is written as the escape that it came as.
    """
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        return _write(value)


def _write(value: object) -> str:
    if isinstance(value, ExactNumber):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{_write(str(name))}:{_write(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_write, value)) + "]"
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        if not isinstance(value, str):
            raise
        return json.dumps(value)


_decode = json.JSONDecoder(parse_float=exact).decode  # json.loads would make a decoder for each text


def loads(text: str) -> Any:  # noqa: ANN401 - as json.loads
    """What `dumps` wrote, with every digit."""
    return _decode(text)
