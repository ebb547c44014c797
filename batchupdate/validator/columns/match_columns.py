"""Which columns hold the present values by which records are found, where the input has no ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError, InputError, UsageError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import is_pulled
from batchupdate.targets.ways_to_find import ways_to_find
from batchupdate.util.nearest import nearest
from batchupdate.validator.columns.field_names import names_of, spellings

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from batchupdate.config import Input
    from batchupdate.targets import Target

_BEFORE = ("match.", "old ", "current ")
"""What stands before a field's name in the heading of a column with its present values."""


def match_fields(target: Target, options: Input) -> dict[str, str | None]:
    """The fields by which records are found, under the target's names, each with its column if one is named.

    Raises:
        ConfigError: there is no such field, or the API can't find records by it.
    """
    names, found = names_of(target), dict[str, str | None]()
    for wanted, column in options.match.items():
        said = normalise_heading(wanted)
        meant = [name for text, name in spellings(target) if normalise_heading(text) == said]
        name = names.get(said) or (meant[0] if meant else "")
        if name in target.id:
            message = f"--match {wanted} names the id, and a column with the ids needs no matching."
            raise ConfigError(message, f'Map it: --map "COLUMN={name}".')
        if name not in target.fields:
            close = nearest(wanted, target.fields)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known fields: {', '.join(target.fields)}."
            raise ConfigError(f"--match names a field {wanted!r} that {target.name} does not have.", hint)
        if (kind := target.fields[name].type) in {"list", "json"}:
            raise ConfigError(f"No record can be found by {name}, which is of type {kind}.", "Match by another field.")
        if name in found:
            raise ConfigError(f"--match names the field {name!r} twice.", "Keep one of them.")
        found[name] = column
    if found:
        ways_to_find(target, list(found))
    return found


def columns_that_say_so(
    columns: Sequence[str], target: Target, fields: Mapping[str, str | None], mapped: Container[int]
) -> dict[str, int]:
    """The columns that are named for a field, or whose heading says that they hold its present values, by field.

    Args:
        columns: the headings.
        target: what else the fields may be called.
        fields: see `match_fields`.
        mapped: the columns that the map gives another meaning.

    Raises:
        ConfigError: a named column is in the map, too.
        InputError: a named column is not there, or the headings of several columns say so.
    """
    said = {index: normalise_heading(one) for index, one in enumerate(columns) if one and not is_pulled(one)}
    found: dict[str, int] = {}
    for name, column in fields.items():
        called = [text for text, meant in spellings(target) if meant == name]
        wanted = {normalise_heading(column)} if column else {_said(text, at) for text in called for at in _BEFORE}
        places = [index for index, heading in said.items() if heading in wanted and (column or index not in mapped)]
        if column and not places:
            there = ", ".join(one or "(no heading)" for one in columns if not is_pulled(one))
            raise InputError(f"--match names a column {column!r} that the file does not have.", f"It has: {there}.")
        if len(places) > 1 and not column:
            which = " and ".join(repr(columns[index]) for index in places)
            message = f"The columns {which} could both hold the present {name} of the records."
            raise InputError(message, f'Say which one does: --match "{columns[places[0]]}={name}"')
        if places and (places[0] in mapped or places[0] in found.values()):
            raise ConfigError(
                f"The column {columns[places[0]]!r} can't be used twice.", "Remove --match, or its --map."
            )
        found |= {name: places[0]} if places else {}
    return found


def add_new_values(
    columns: Sequence[str], target: Target, found: Mapping[str, int], chosen: dict[int, str], made: Container[str]
) -> None:
    """Lets `new name` set the name where another column holds the present one and none is called `name`.

    Args:
        columns: the headings.
        target: what else the fields may be called.
        found: see `columns_that_say_so`.
        chosen: what columns set; is added to.
        made: the fields that are set without a column.
    """
    said = {normalise_heading(one): index for index, one in enumerate(columns) if one and not is_pulled(one)}
    taken = {*chosen, *found.values()}
    for name in found:
        wanted = [_said(text, "new ") for text, meant in spellings(target) if meant == name]
        places = {said[heading] for heading in wanted if heading in said} - taken
        if len(places) == 1 and name not in chosen.values() and name not in made:
            chosen[places.pop()] = name


def _said(text: str, before: str) -> str:
    return normalise_heading(before + text)


def take_key_columns(
    columns: Sequence[str],
    target: Target,
    fields: Mapping[str, str | None],
    found: dict[str, int],
    chosen: dict[int, str],
) -> list[tuple[int, str]]:
    """The columns by which records are found, each with its field; those that would set one of them no longer do.

    Args:
        columns: the headings.
        target: whose ids are looked for.
        fields: see `match_fields`.
        found: see `columns_that_say_so`.
        chosen: what all other columns set; is changed.

    Raises:
        InputError: a field has no column.
        UsageError: a column holds the ids already.
    """
    if ids := [columns[index] for index, name in sorted(chosen.items()) if name in target.id]:
        by = " and ".join(fields)
        raise UsageError(
            f"The column {ids[0]!r} holds the id already, and --match {next(iter(fields))} is to find it by {by}.",
            f"Leave --match out, or delete the column {ids[0]!r}, if it is not right.",
        )
    keys = dict(found)
    for name in fields:
        if name not in keys:
            place = next((index for index, meant in chosen.items() if meant == name), None)
            if place is None:
                there = ", ".join(one or "(no heading)" for one in columns if not is_pulled(one))
                message = f"No column holds the present {name} of the records, by which they are to be found."
                raise InputError(message, f'The file has: {there}. Name it with --match "COLUMN={name}".')
            keys[name] = place
            del chosen[place]
    return [(keys[name], name) for name in fields]
