"""Records that are found by other fields than their id: what is compared, and what is found."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from batchupdate.targets.current_record import MISSING
from batchupdate.util.json import ExactNumber, dumps
from batchupdate.util.text import quoted
from batchupdate.validator.types import RefusedError, parser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.targets import FieldRule, Target

Key = tuple[str, ...]
"""What two records, or a row and a record, are compared by: one text for each field, equal where the values are."""

CANDIDATES_AT_MOST = 5


class Candidate(NamedTuple):
    """A record that may be meant: the parts of its id, its key, and why it must not be edited ('' if it may be).

    The parts come in the order of `Target.id`.
    """

    ids: tuple[str, ...]
    key: Key
    locked: str


@dataclass(frozen=True, slots=True)
class Match:
    """What was found for a key: how many records have it, the first of them, and where none has, one that is near."""

    count: int
    candidates: Sequence[Candidate]
    nearest: Candidate | None = None


class IdFinder(Protocol):
    """Finds records by their keys."""

    def find(self, keys: Sequence[Key]) -> Sequence[Match]:
        """What has these keys, one match for each.

        Raises:
            SafetyStop: the API can't be asked, or does not answer as its target declares.
        """
        ...


class KeyField:
    """One of the fields by which records are found: makes texts of its values that are equal where these mean the same.

    Texts are equal without the blanks at their ends and in Unicode's normal form C; letter case counts. All other types
    are equal as `PulledCell.equal` has it.

    Args:
        name: of the field.
        rule: what it may hold.
        decimal: the decimal separator of cells.
    """

    def __init__(self, name: str, rule: FieldRule, decimal: str = ".") -> None:
        self.name = name
        self._of_cell, self._of_value = parser(name, rule, decimal), parser(name, rule)
        self._moment = rule.type == "datetime"

    def of_cell(self, cell: str) -> str:
        """The text for a cell; '' for a blank one.

        Raises:
            RefusedError: it can't be a value of the field.
        """
        text = cell.strip()
        return self._text(self._of_cell(text) if self._of_cell and text else text)

    def of_value(self, value: Any) -> str:  # noqa: ANN401 - any JSON value
        """The text for a record's value; '' for one that no cell can name, such as null."""
        if value is None or value is MISSING or isinstance(value, list | dict):
            return ""
        text = (value if isinstance(value, str) else dumps(value)).strip()
        try:
            return self._text(self._of_value(text) if self._of_value and text else text)
        except RefusedError:
            return ""

    def _text(self, value: Any) -> str:  # noqa: ANN401 - as above
        if isinstance(value, str):
            return _moment(value) if self._moment else unicodedata.normalize("NFC", value)
        return dumps(value) if isinstance(value, bool) else _number(value)


def _moment(text: str) -> str:
    """A time with its offset as that moment in UTC; one without is itself."""
    try:
        moment = datetime.fromisoformat(text)
        return text if moment.tzinfo is None else moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # the first and the last day of the calendar have no other offset
        return text


def _number(value: float | ExactNumber) -> str:
    """A number with all its digits and no more: `12.50` and `125e-1` are 12.5."""
    number = Decimal(value.text if isinstance(value, ExactNumber) else str(value))
    sign, digits, exponent = number.as_tuple()
    whole = "".join(map(str, digits)).lstrip("0")
    kept = whole.rstrip("0")
    if not kept:
        return "0"
    place = int(exponent) + len(whole) - len(kept)
    if abs(place) < _MOST_ZEROS:
        return f"{Decimal((sign, tuple(map(int, kept)), place)):f}"
    return f"{'-' if sign else ''}{kept}e{place}"


_MOST_ZEROS = 50


def key_of(fields: Sequence[KeyField], values: Mapping[str, Any]) -> Key | None:
    """The key of a record with these fields; None where one of them is blank, and no row can mean the record."""
    key = tuple(field.of_value(values.get(field.name)) for field in fields)
    return key if all(key) else None


def said(fields: Sequence[str], key: Key) -> str:
    """A key in a sentence: `the name 'Sales' and the region 'EMEA'`."""
    return " and ".join(f"the {name} {quoted(text, _LONGEST_SAID)}" for name, text in zip(fields, key, strict=True))


_LONGEST_SAID = 100


def near(key: Key) -> str:
    """A key as one that is nearly the same has it, too: in any letter case, and with any blanks within."""
    texts = (unicodedata.normalize("NFC", " ".join(text.casefold().split())) for text in key)
    return json.dumps(list(texts))


def id_of(ids: Sequence[str], target: Target) -> str:
    """An id as the path has it, in a sentence; `ids` come in the order of `Target.id`."""
    parts = dict(zip(target.id, ids, strict=True))
    return "/".join(parts[name] for name in target.path_variables)
