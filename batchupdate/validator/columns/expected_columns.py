"""Which columns say what a record must have before its change: `expected.` and a field's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import EXPECTED, OLD
from batchupdate.targets import field_path
from batchupdate.util.nearest import nearest
from batchupdate.validator.columns.field_names import spellings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from batchupdate.config import Input
    from batchupdate.targets import Target


@dataclass(frozen=True, slots=True)
class ExpectedColumn:
    """A column with what a record must have in a field; its markers are those that mean null and empty there."""

    index: int
    heading: str
    name: str
    null_marker: str
    empty_marker: str


def find_expected_columns(
    columns: Sequence[str], chosen: Collection[int], target: Target, options: Input
) -> tuple[ExpectedColumn, ...]:
    """Finds them among the columns that set nothing; one that the map leaves out is none.

    Raises:
        InputError: one names no field, or a field that can't be read before a change.
    """
    own = {normalise_heading(heading): column for heading, column in options.columns.items()}
    found = []
    for index, heading in enumerate(columns):
        said = normalise_heading(heading)
        if index in chosen or said in own or not said.startswith(EXPECTED):
            continue
        name = _field(heading, said.removeprefix(EXPECTED), target)
        if why := _why_unreadable(name, target):
            raise InputError(
                f"What the column {heading!r} expects can't be kept: {why}",
                f'Remove the column, or leave it out with input.columns in the config: "{heading}": {{}}.',
            )
        found.append(ExpectedColumn(index, heading, name, options.null_marker, options.empty_marker))
    return tuple(found)


def refuse_misspelt_guards(columns: Sequence[str], used: Collection[int], target: Target, options: Input) -> None:
    """Refuses a column that says `expected name` or `_old name` for `expected.name` and `_old.name`.

    Ignored, it would guard nothing. A heading that goes on with no field's name is a column of the user's own.

    Raises:
        InputError: there is one that is used for nothing else, and that the map does not leave out.
    """
    own = {normalise_heading(heading) for heading in options.columns}
    known = {normalise_heading(text): name for text, name in reversed(spellings(target)) if name in target.fields}
    for index, heading in enumerate(columns):
        said = normalise_heading(heading)
        if index in used or said in own:
            continue
        for guard in (EXPECTED, OLD):
            begin = normalise_heading(guard.removesuffix("."))
            rest = said.removeprefix(begin)
            item = field_path.item_of(rest)
            name = known.get(item[0] if item else rest)
            if said == rest or name is None or (guard == OLD and not heading.startswith("_")):
                continue
            what = "expects something of its record" if guard == EXPECTED else "holds an old value"
            raise InputError(
                f"The column {heading!r} is not used, although it looks as if it {what}.",
                f"Name it {guard + name!r} if it does; or leave it out with input.columns in the config: "
                f'"{heading}": {{}}.',
            )


def _field(heading: str, said: str, target: Target) -> str:
    known = {normalise_heading(text): name for text, name in reversed(spellings(target))}
    name = known.get(said, "")
    if name in target.fields:
        return name
    item = field_path.item_of(said)
    if item and known.get(item[0]) in target.lists:
        whole = known[item[0]]
        hint = f"Expect the whole list, in one column: {EXPECTED}{whole}."
    elif name in target.id:
        hint = "The id says which record it is; only fields can be expected."
    else:
        close = nearest(said, known)
        meant = known[close[0]] if close else ""
        hint = f"Did you mean {EXPECTED + meant!r}?" if meant in target.fields else ""
        hint = hint or f"Known fields: {', '.join(target.fields)}."
    raise InputError(f"The column {heading!r} expects something of what is no field of {target.name}.", hint)


def _why_unreadable(name: str, target: Target) -> str:
    if target.read is None:
        return f"{target.name} does not declare how a single record is read before its change ('read')."
    if not target.can_read(name):
        return f"{target.name} never returns {name} (read.absent)."
    return ""
