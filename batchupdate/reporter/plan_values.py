"""How a plan's values are shown to people: what is no text has a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.util import json as exact_json
from batchupdate.util.text import encodable

if TYPE_CHECKING:
    from batchupdate.model import FieldChange

BLANK, EMPTY, NOT_KNOWN = "blank", "empty", "?"
"""A field that a record does not have, an empty text, and what nothing reads."""


def value_of(value: object) -> str:
    """A value: a text as it is, the empty one as a word, anything else as JSON."""
    if isinstance(value, str):
        return encodable(value) or EMPTY
    return exact_json.dumps(value)


def in_words(change: FieldChange) -> str:
    """The old value of a change likewise; `?` where it is not known."""
    if not change.known:
        return NOT_KNOWN
    return BLANK if change.absent else value_of(change.old)
