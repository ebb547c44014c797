"""A field's value as the text of a cell of a pulled sheet, and whether such a text and another value mean the same."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from batchupdate.spreadsheet.coercion import is_retyped
from batchupdate.spreadsheet.reserved_columns import OLD_ABSENT, OLD_EMPTY, OLD_MARKERS, OLD_NULL
from batchupdate.targets.current_record import MISSING
from batchupdate.util.json import dumps
from batchupdate.validator.types import RefusedError, parser

if TYPE_CHECKING:
    from batchupdate.targets import FieldRule
    from batchupdate.validator.types import Parse


class PulledCell:
    """How one field's values are written into cells, and compared with what was written.

    Args:
        name: of the field.
        rule: what it may hold.
    """

    def __init__(self, name: str, rule: FieldRule) -> None:
        self._rule, self._parse = rule, parser(name, rule)

    def text(self, value: Any) -> str | None:  # noqa: ANN401 - any JSON value
        """The text of a cell, from which the same value is read again, or a marker; None where there is none.

        A value of another type than the field's is shown as it is: the declaration may be stricter than the API.
        """
        if value is MISSING:
            return OLD_ABSENT
        if value is None:
            return OLD_NULL
        if value == "" or (value == [] and self._rule.type == "list"):
            return OLD_EMPTY
        try:
            text = _text(value, self._rule, self._parse)
            (text or "").encode()
        except (ValueError, RecursionError):  # half of a character within, or nested too deep
            return None
        return None if text in OLD_MARKERS else text

    def same(self, old: str, value: Any) -> bool:  # noqa: ANN401 - as above
        """Whether an old cell still says what the field's value is.

        Null, an empty value and a member that is not there are the same here, for nothing of them can be lost. So are
        two spellings of a number or of a moment, and what a spreadsheet program has made of the old cell.
        """
        now = self.text(value)
        if old in OLD_MARKERS or now in OLD_MARKERS:
            return old in OLD_MARKERS and now in OLD_MARKERS
        return now is not None and (_plain(old) == _plain(now) or self._same_value(old, now) or is_retyped(old, now))

    def value(self, old: str) -> Any:  # noqa: ANN401 - as above
        """The value that an old cell was written from; `MISSING` for a member that was not there.

        Raises:
            RefusedError: it is none of the field's.
        """
        if old in OLD_MARKERS:
            return {OLD_ABSENT: MISSING, OLD_NULL: None}.get(old, self._rule.empty)
        return old if self._parse is None else self._parse(old)

    def equal(self, wanted: Any, value: Any) -> bool:  # noqa: ANN401 - as above
        """Whether the field has a value already; where it is to be cleared, only the same kind of nothing counts.

        Blanks at the ends of a text and the order of a list don't count where the field's rule says so.
        """
        if isinstance(wanted, str) and isinstance(value, str):  # nearly always, where there can be millions
            if wanted == value:
                return True
            if self._parse is None and not self._rule.trimmed:
                return False
        if MISSING not in (wanted, value) and self._json(wanted) == self._json(value):
            return True
        one, other = self.text(wanted), self.text(value)
        return one is not None and other is not None and (one == other or self._same_value(one, other))

    def _json(self, value: Any) -> Any:  # noqa: ANN401 - as above
        """A value such that those are equal which mean the same to the API."""
        if self._rule.trimmed and isinstance(value, str):
            value = value.strip()
        if self._rule.unordered and isinstance(value, list):
            return sorted(map(_json, value), key=repr)
        return _json(value)

    def _same_value(self, one: str, other: str) -> bool:
        if self._parse is None or OLD_MARKERS & {one, other}:
            return False
        try:
            first, second = self._parse(one), self._parse(other)
        except RefusedError:
            return False
        if self._rule.type == "datetime":
            return _moment(first) == _moment(second)
        # Within a list or an object, 1 and true are equal to Python.
        return bool(self._json(first) == self._json(second) if isinstance(first, list | dict) else first == second)


def _plain(text: str) -> str:
    """A text as it may come back from a spreadsheet program: with other ends of lines, and trimmed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _moment(text: str) -> datetime | str:
    """A time with its offset as a moment, which has many spellings; one without is its text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if moment.tzinfo is None else moment


def _json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value that is equal to another one if their JSON means the same, however numbers and members are written."""
    if isinstance(value, dict):
        return {name: _json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_json(one) for one in value]
    return (isinstance(value, bool), value)


def _text(value: Any, rule: FieldRule, parse: Parse | None) -> str | None:  # noqa: ANN401 - any JSON value
    if rule.type == "list" and isinstance(value, list):
        near = " " if rule.separator == rule.separator.strip() and rule.separator in {",", ";"} else ""
        text = f"{rule.separator}{near}".join(one if isinstance(one, str) else dumps(one) for one in value)
        return text if parse is not None and _gives(parse, text, value) else None
    if rule.type == "json":
        text = dumps(value)
        return text if parse is not None and _gives(parse, text, value) else None
    return value if isinstance(value, str) else dumps(value)


def _gives(parse: Parse, text: str, value: Any) -> bool:  # noqa: ANN401 - as above
    try:
        return bool(dumps(parse(text)) == dumps(value))
    except RefusedError:
        return False
