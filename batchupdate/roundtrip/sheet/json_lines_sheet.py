"""Pulled records as JSON Lines."""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any

from batchupdate.spreadsheet.reserved_columns import LOCKED, OLD, VERSION

if TYPE_CHECKING:
    from batchupdate.roundtrip.sheet.columns import Columns, PulledRow

_BARE = frozenset({"integer", "number", "boolean"})
_bare = re.compile(r"true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_dot = re.compile(r"(?<!\\)\.").split


class _Bare(str):
    """Text that is written to JSON as it is: a number with all its digits, true or false."""

    __slots__ = ()


class JsonLinesSheet:
    """One JSON object a line; old values are together under `_old`, and dotted fields in objects."""

    def __init__(self, file: IO[str], columns: Columns) -> None:
        self._file = file
        self._columns = columns
        self._bare = {name for name in columns.fields if columns.target.fields[name].type in _BARE}

    def add(self, row: PulledRow) -> None:
        """Writes one record."""
        columns = self._columns
        tree: dict[str, Any] = {}
        for name, text in zip(columns.ids, row.ids, strict=True):
            _put(tree, name, text)
        for name, text in zip(columns.fields, row.cells, strict=True):
            _put(tree, name, self._value(name, text))
        if columns.locked:
            tree[LOCKED] = row.locked
        for name, text in zip(columns.old_ids, row.ids, strict=False):
            _put(tree, OLD + name, text)
        for name, text in zip(columns.old, row.old, strict=True):
            _put(tree, OLD + name, self._value(name, text))
        if columns.version:
            tree[VERSION] = row.version
        self._file.write(_written(tree) + "\n")

    def _value(self, name: str, text: str) -> str:
        return _Bare(text) if name in self._bare and _bare(text) else text


def _put(tree: dict[str, Any], name: str, text: str) -> None:
    """Puts a text where the reader of JSON Lines finds it under this name; a dot that is meant is escaped there."""
    *above, last = [part.replace(r"\.", ".") for part in _dot(name)]
    for part in above:
        tree = tree.setdefault(part, {})
    tree[last] = text


def _written(value: Any) -> str:  # noqa: ANN401 - a text or a tree of them
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(name)}: {_written(each)}" for name, each in value.items()) + "}"
    return str(value) if isinstance(value, _Bare) else _quoted(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
