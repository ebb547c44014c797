"""Which column of the input stands for which id or field of the target."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError, InputError
from batchupdate.headings import normalise_heading
from batchupdate.result_columns import EXTRA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.config import Column, Input
    from batchupdate.targets import FieldRule, IdRule, Target


@dataclass(frozen=True, slots=True)
class Slot:
    """One column that is used: its place (from 0), its heading, the id or field it sets, and its markers."""

    index: int
    heading: str
    name: str
    null_marker: str
    empty_marker: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the table's columns are used. `width` counts all of them; `extra` are the places of `_extra_` columns."""

    width: int
    slots: tuple[Slot, ...]
    ignored: tuple[str, ...]
    extra: tuple[int, ...]

    def heading(self, name: str) -> str:
        """The heading of the column that sets a field, or the field's own name where no column does."""
        return next((slot.heading for slot in self.slots if slot.name == name), name)


def lay_out(columns: Sequence[str], target: Target, options: Input) -> Layout:
    """Matches columns with the target's ids and fields: by the user's map, by name, then by alias.

    Letter case, spaces, underscores and hyphens don't count. Of several aliases, the first that the target names wins.

    Raises:
        ConfigError: the map names a column or a field that doesn't exist, or one of them twice; or a column's markers
            are the same.
        InputError: the id or a required field has no column, or no column sets anything.
    """
    chosen = _from_map(columns, target, options)
    places = {normalise_heading(heading): index for index, heading in enumerate(columns) if heading}
    for spelling, name in _spellings(target):
        index = places.get(normalise_heading(spelling))
        if index is not None and index not in chosen and name not in chosen.values():
            chosen[index] = name
    _require(columns, target, chosen)
    settings = {normalise_heading(heading): column for heading, column in options.columns.items()}
    slots = tuple(_slot(index, columns[index], name, settings, options) for index, name in sorted(chosen.items()))
    left = [i for i in range(len(columns)) if i not in chosen]
    extra = tuple(i for i in left if columns[i].startswith(EXTRA))
    ignored = tuple(columns[i] or f"column {i + 1} (no heading)" for i in left if i not in extra)
    return Layout(len(columns), slots, ignored, extra)


def _slot(index: int, heading: str, name: str, settings: dict[str, Column], options: Input) -> Slot:
    own = settings.get(normalise_heading(heading))
    null_marker = (own and own.null_marker) or options.null_marker
    empty_marker = (own and own.empty_marker) or options.empty_marker
    if null_marker == empty_marker:
        told = f"In the column {heading!r}, {null_marker!r} would mean both null and empty."
        raise ConfigError(told, "Give the column another null_marker or empty_marker.")
    return Slot(index, heading, name, null_marker, empty_marker)


def _from_map(columns: Sequence[str], target: Target, options: Input) -> dict[int, str]:
    places = {normalise_heading(heading): index for index, heading in enumerate(columns) if heading}
    names = {normalise_heading(name): name for name in (*target.id, *target.fields)}
    chosen: dict[int, str] = {}
    seen: set[int] = set()
    for heading, column in options.columns.items():
        index = places.get(normalise_heading(heading))
        if index is None:
            raise ConfigError(f"The map names a column {heading!r} that the file does not have.", _there_is(columns))
        if index in seen:
            raise ConfigError(f"The map names the column {columns[index]!r} twice.", "Keep one of them.")
        seen.add(index)
        if column.field is None:
            continue
        name = names.get(normalise_heading(column.field))
        if name is None:
            close = difflib.get_close_matches(column.field, names.values(), n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names.values())}."
            raise ConfigError(f"The map names a field {column.field!r} that {target.name} does not have.", hint)
        if name in chosen.values():
            raise ConfigError(f"The map names two columns for {name!r}.", "Keep one of them.")
        chosen[index] = name
    return chosen


def _spellings(target: Target) -> list[tuple[str, str]]:
    """What a heading can say and the id or field that it means, the names before the aliases."""
    rules: list[tuple[str, IdRule | FieldRule]] = [*target.id.items(), *target.fields.items()]
    return [(name, name) for name, _ in rules] + [(alias, name) for name, rule in rules for alias in rule.aliases]


def _require(columns: Sequence[str], target: Target, chosen: dict[int, str]) -> None:
    found = set(chosen.values())
    required = [*target.id, *(name for name, rule in target.fields.items() if rule.required)]
    for name in required:
        if name not in found:
            what = "the id" if name in target.id else "the required field"
            map_it = f'Name it with --map "COLUMN={name}".'
            raise InputError(f"No column holds {what} {name!r}.", f"{_there_is(columns)} {map_it}")
    if not found & set(target.fields):
        fields = ", ".join(target.fields)
        raise InputError(f"No column sets a field of {target.name} ({fields}).", _there_is(columns))


def _there_is(columns: Sequence[str]) -> str:
    return f"The file has: {', '.join(heading or '(no heading)' for heading in columns)}."
