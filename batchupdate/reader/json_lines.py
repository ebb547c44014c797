"""JSON Lines (https://jsonlines.org): one JSON object a line, streamed twice: for its columns, and for its rows."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from batchupdate.errors import InputError
from batchupdate.reader.encoding import BOM, find_encoding
from batchupdate.reader.records import MAX_COLUMNS
from batchupdate.targets.field_path import escaped
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from batchupdate.reader.records import CellProblem, ReadOptions


class _Number(str):
    """A JSON number, as typed: `1.10` has to stay `1.10`, and a long id all its digits."""

    __slots__ = ()


class _Broken(Exception):  # noqa: N818 - it never leaves this file
    """A line is no record; the argument says why."""


class JsonLinesRecords:
    """One open file; see `Records`. Its first record, number 0, are the columns; so line 1 is row 1."""

    def __init__(self, path: Path, options: ReadOptions, source: str) -> None:
        self._path = path
        self._source = source
        self.format = "jsonl"
        self.encoding: str | None = find_encoding(path, options.encoding or "utf-8", source).name
        self.delimiter: str | None = None
        self.sheet: str | None = None
        self.columns_before = 0
        self.first_number = 0
        self.typed = False
        self.hidden_columns: Collection[int] = ()
        self._columns, nulls = self._survey()
        self.notices: tuple[str, ...] = ()
        if nulls:
            notice = f"{nulls:,} values are null, which is read as a blank cell: the field stays as it is."
            self.notices = (f'{notice} To clear a field, write "<null>".',)

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The columns, then one record for each line."""
        yield [list(self._columns)]
        records = self._records()
        columns = self._columns
        while chunk := list(islice(records, size)):
            yield [[record.get(name, "") for name in columns] if record else [] for record, _ in chunk]

    def problems(self, first: int, last: int) -> Sequence[CellProblem]:  # noqa: ARG002 - the same for every format
        """None: all cells are text."""
        return ()

    def close(self) -> None:
        """The file is open during a pass only."""

    def _survey(self) -> tuple[tuple[str, ...], int]:
        """The columns in order of first sight, and how many values are null."""
        columns: dict[str, None] = {}
        nulls = 0
        for record, empty in self._records():
            nulls += empty
            columns.update(dict.fromkeys(record))
            if len(columns) > MAX_COLUMNS:
                raise InputError(
                    f"{self._source}: its records have more than {MAX_COLUMNS:,} different keys.",
                    "Check that this is the right file: each record should have the same few keys.",
                )
        return tuple(columns), nulls

    def _records(self) -> Iterator[tuple[dict[str, str], int]]:
        """Each line's texts by column, with the number of nulls; empty for a blank line."""
        # Only a line feed ends a line: a lone carriage return is white space in JSON.
        with self._path.open(encoding=self.encoding, newline="\n") as text:
            for number, typed in enumerate(text, 1):
                line = typed.removeprefix(BOM) if number == 1 else typed
                try:
                    yield _record(line) if not line.isspace() else ({}, 0)
                except (_Broken, ValueError, RecursionError) as error:
                    why = "it is nested too deeply" if isinstance(error, RecursionError) else _reason(error)
                    raise InputError(
                        f"{self._source}: line {number:,} is no record: {why}.",
                        'Each line has to be one JSON object, such as {"id": "7", "name": "A"}.',
                    ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (character {error.colno:,})"
    return str(error)


def _record(line: str) -> tuple[dict[str, str], int]:
    value = _DECODER.decode(line)
    if not isinstance(value, dict):
        raise _Broken("it is no JSON object")
    texts: dict[str, str] = {}
    nulls = _flatten(value, "", texts)
    if "\\u" in line:
        _refuse_odd("".join([*texts, *texts.values()]))
    return texts, nulls


def _flatten(value: dict[str, Any], before: str, into: dict[str, str]) -> int:
    """Puts an object's values under dotted names; a real dot or backslash in a key has a backslash before it."""
    nulls = 0
    for key, inner in value.items():
        name = before + (escaped(key) if "." in key or "\\" in key else key)
        if isinstance(inner, dict) and inner:
            nulls += _flatten(inner, f"{name}.", into)
            continue
        if name in into:
            raise _Broken(f"the key {quoted(name)} stands in it twice")
        if isinstance(inner, str):
            into[name] = str(inner)
        else:
            nulls += inner is None
            into[name] = "" if inner is None else _json_text(inner)
    return nulls


def _json_text(value: object) -> str:
    """A list, an object or a truth value as JSON, with its numbers as typed."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_json_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_json_text(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _refuse_odd(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Broken("it holds half of a surrogate pair, which is no character") from None
    if "\0" in text:
        raise _Broken("it holds a NUL character, which no text has")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
        raise _Broken(f"the key {quoted(twice)} stands in it twice")
    return found


def _no_number(name: str) -> str:
    raise _Broken(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_no_number, object_pairs_hook=_object
)
