"""Finds out which column of the input sets which id or field of the target."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError, InputError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import EXTRA, UNDO_OF, is_old, is_pulled, old_field
from batchupdate.targets import field_path
from batchupdate.util.nearest import nearest
from batchupdate.validator.columns.column_map import ColumnMap, MappedColumn
from batchupdate.validator.columns.conditions import parse_conditions
from batchupdate.validator.columns.expected_columns import find_expected_columns, refuse_misspelt_guards
from batchupdate.validator.columns.field_names import (
    closest,
    field_of,
    free_spellings,
    hints_about,
    names_of,
    spellings,
)
from batchupdate.validator.columns.match_columns import (
    add_new_values,
    columns_that_say_so,
    match_fields,
    take_key_columns,
)
from batchupdate.validator.columns.pulled_columns import find_pulled_columns, hints_about_missing
from batchupdate.validator.columns.templates import Template, parse_template
from batchupdate.validator.columns.undo_columns import is_undo, options_for

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from batchupdate.config import Column, Input
    from batchupdate.targets import Target


def map_columns(columns: Sequence[str], target: Target, options: Input) -> ColumnMap:
    """Matches columns with the target's ids and fields: by the user's map, by name, then by alias.

    Letter case, spaces, underscores and hyphens don't count. Of several aliases, the first that the target names wins.
    A list has one column, or one for each of its items: `labels[0]`, `labels[1]` and so on.

    Raises:
        ConfigError: the map names a field that doesn't exist, or one of them or a column twice; or a column's markers
            are the same.
        InputError: a column that the settings name is not there, the id or a required field has none, or none sets
            anything; or a list has a column for the whole beside those for its items, or an item without one.
    """
    options = options_for(columns, target, options)
    made = _made(columns, target, options)
    chosen = match_by_map(columns, target, options)
    if twice := [name for name in chosen.values() if field_of(name, target) in made]:
        raise ConfigError(f"A column and a computed or constant value both set {twice[0]!r}.", "Keep one of them.")
    match_by = match_fields(target, options)
    told = columns_that_say_so(columns, target, match_by, chosen)
    _add_by_name(columns, target, chosen, made, without={*told.values()})
    add_new_values(columns, target, told, chosen, made)
    keys = take_key_columns(columns, target, match_by, told, chosen) if match_by else []
    _require_every_item(columns, target, chosen)
    when = parse_conditions(options.when, columns)
    used = {place for template in made.values() for place in template.places} | {one.place for one in when}
    refuse_misspelt_guards(columns, {*chosen, *used, *(index for index, _ in keys)}, target, options)
    _require(columns, target, chosen, made, found_ids=bool(keys))
    settings = {normalise_heading(heading): column for heading, column in options.columns.items()}
    mapped = [
        _mapped_column(index, columns[index], name, settings, options, target) for index, name in sorted(chosen.items())
    ]
    match = tuple(_mapped_column(index, columns[index], name, settings, options, target) for index, name in keys)
    mapped += [
        _computed_column(len(columns) + number, name, template, target, options)
        for number, (name, template) in enumerate(made.items())
    ]
    left = [i for i in range(len(columns)) if i not in chosen and i not in [one.index for one in match]]
    extra = tuple(i for i in left if columns[i].startswith(EXTRA))
    pulled = find_pulled_columns(columns, mapped, target)
    used |= set() if pulled.version is None else {pulled.version}
    if pulled.old:  # also those of fields whose own column was deleted
        fields = {normalise_heading(name) for name in (*target.id, *target.fields)}
        used |= {i for i in left if is_old(columns[i]) and old_field(columns[i]) in fields}
        used |= set() if pulled.locked is None else {pulled.locked}
    used |= {i for i in left if columns[i] == UNDO_OF}
    expected = find_expected_columns(columns, chosen, target, options)
    used |= {one.index for one in expected}
    ignored = tuple(columns[i] or f"column {i + 1} (no heading)" for i in left if i not in extra and i not in used)
    hints = (
        *hints_about(ignored, target, {*chosen.values(), *made}),
        *hints_about_missing(columns, pulled.mapped, pulled.old, target),
    )
    nested = {*target.lists, *chain(*target.objects.values())}
    completed = nested if target.body.nesting == "replace" and (pulled.old or pulled.old_lists) else ()
    _refuse_contradictions(pulled.mapped, target, options, completed)
    ids = [
        MappedColumn(len(columns) + len(made) + n, match[0].heading, name, options.null_marker, options.empty_marker)
        for n, name in enumerate(target.id if match else ())
    ]
    return ColumnMap(
        width=len(columns),
        mapped=(*pulled.mapped, *ids),
        ignored=ignored,
        extra=extra,
        computed=(*made.values(), *(Template(("",), (), ()) for _ in ids)),
        when=when,
        hints=hints,
        decimal=options.decimal,
        old=pulled.old,
        locked=pulled.locked,
        old_ids=pulled.old_ids,
        old_lists=pulled.old_lists,
        version=pulled.version,
        expected=expected,
        match=match,
        undoes=is_undo(columns),
    )


def match_by_name(columns: Sequence[str], target: Target, chosen: Mapping[int, str]) -> dict[int, str]:
    """What every column sets, by its index, where the map says `chosen`: that, and what headings say by themselves.

    Raises:
        InputError: one column sets a whole list, and another an item of it.
    """
    found = dict(chosen)
    _add_by_name(columns, target, found, {})
    return found


def _add_by_name(
    columns: Sequence[str],
    target: Target,
    chosen: dict[int, str],
    made: Mapping[str, Template],
    without: Container[int] = (),
) -> None:
    """Adds the columns whose headings name what they set, except for what the map or a template sets.

    Columns in `without` have another meaning.
    """
    places = places_of_headings(columns).items()
    free = {heading: i for heading, i in places if i not in chosen and i not in without}
    items: dict[str, dict[int, int]] = {}
    for heading, index in free.items():
        if item := field_path.item_of(heading):
            items.setdefault(item[0], {})[item[1]] = index
    begun = {field_of(name, target) for name in chosen.values()} - {*chosen.values()}  # lists, by items in the map
    settled = {*chosen.values(), *made}
    for spelling, name in spellings(target):
        heading = normalise_heading(spelling)
        if name in settled:
            continue
        place = free.get(heading) if name not in begun else None
        own = items.get(heading, {}) if name in target.lists else {}
        if place is not None and own:
            message = f"The columns {columns[place]!r} and {columns[min(own.values())]!r} both set the list {name!r}"
            raise InputError(
                f"{message}, one the whole list and one an item of it.", "Keep one way, and delete the others."
            )
        if place is not None and place not in chosen:
            chosen[place] = name
            settled.add(name)
        elif own:
            taken = {*chosen.values()}
            chosen.update({at: one for number, at in own.items() if (one := f"{name}[{number}]") not in taken})
            settled.add(name)


def _require_every_item(columns: Sequence[str], target: Target, chosen: Mapping[int, str]) -> None:
    """A list of which an item has no column is more likely a slip than a list with a hole."""
    lists: dict[str, dict[int, str]] = {}
    for index, name in sorted(chosen.items()):
        if (field := field_of(name, target)) != name:
            lists.setdefault(field, {})[int(name[len(field) + 1 : -1])] = columns[index]
    for field, headings in lists.items():
        missing = next((number for number in range(len(headings)) if number not in headings), None)
        if missing is not None:
            there = ", ".join(headings[number] for number in sorted(headings))
            raise InputError(
                f"The items of the list {field!r} are counted from 0, but there is no column {field}[{missing}].",
                f"The file has: {there}. Rename the columns, or add the one that is missing.",
            )


def _refuse_contradictions(
    mapped: Sequence[MappedColumn], target: Target, options: Input, completed: Container[str]
) -> None:
    """What each column may do alone, and not together with a setting; `completed` are filled up with old values."""
    for one in mapped:
        rule = target.fields.get(one.name)
        if rule is None:
            continue
        numbers = rule.items is not None and rule.items.type == "number"
        if numbers and options.decimal == "," and "," in rule.separator:
            raise ConfigError(
                f"With 'decimal: \",\"', a comma in {one.heading!r} would separate both items and decimals.",
                f"Give the field another 'separator', or the file a column for each item: {one.name}[0].",
            )
        if one.field in completed and options.on_duplicate == "merge":
            raise ConfigError(
                f"With 'on_duplicate: merge', no column of a pulled sheet can set {one.field!r}: the API replaces all "
                "of it, and the old values of one row would undo what another row sets.",
                f"Remove the column {one.heading!r}, or use 'on_duplicate: last'.",
            )
        if one.name in target.parts and options.on_duplicate == "merge":
            raise ConfigError(
                f"With 'on_duplicate: merge', no column can set the whole of {one.name!r}, because another row may set "
                f"{target.parts[one.name][0]!r}.",
                f"Remove the column {one.heading!r}, or use 'on_duplicate: last'.",
            )


def places_of_headings(columns: Sequence[str]) -> dict[str, int]:
    """The index of each heading, except for those of columns that `pull` adds."""
    named = ((index, heading) for index, heading in enumerate(columns) if heading and not is_pulled(heading))
    return {normalise_heading(heading): index for index, heading in named}


def _made(columns: Sequence[str], target: Target, options: Input) -> dict[str, Template]:
    """The fields that are set without a column of their own."""
    names = names_of(target)
    made: dict[str, Template] = {}
    for wanted, text in [
        *options.constants.items(),
        *((wanted, one.template) for wanted, one in options.computed.items()),
    ]:
        name = names.get(normalise_heading(wanted))
        if name is None or name in target.id:
            raise ConfigError(f"There is no field {wanted!r} to set.", f"Known fields: {', '.join(target.fields)}.")
        if name in made:
            raise ConfigError(f"{name!r} is both computed and constant.", "Keep one of them.")
        constant = Template((text,), (), ())
        made[name] = constant if wanted in options.constants else parse_template(name, text, columns)
    return made


def _computed_column(index: int, name: str, template: Template, target: Target, options: Input) -> MappedColumn:
    heading = f"{name} ({'computed' if template.places else 'constant'})"
    names = names_of(target)
    own = next((one for wanted, one in options.computed.items() if names.get(normalise_heading(wanted)) == name), None)
    transforms = own.transforms if own else ()
    longest = _longest(heading, name, transforms, target)
    return MappedColumn(index, heading, name, options.null_marker, options.empty_marker, "leave", transforms, longest)


def _mapped_column(
    index: int, heading: str, name: str, settings: dict[str, Column], options: Input, target: Target
) -> MappedColumn:
    own = settings.get(normalise_heading(heading))
    null_marker = (own and own.null_marker) or options.null_marker
    empty_marker = (own and own.empty_marker) or options.empty_marker
    if null_marker == empty_marker:
        message = f"In the column {heading!r}, {null_marker!r} would mean both null and empty."
        raise ConfigError(message, "Give the column another null_marker or empty_marker.")
    item = field_path.item_of(name) if name not in target.fields else None
    number = item[1] if item else None
    if own is None:
        return MappedColumn(index, heading, name, null_marker, empty_marker, item=number)
    rule = target.fields.get(name)
    if item and own.blank != "leave":
        message = f"In the column {heading!r}, a blank cell can't mean {own.blank}: it ends the list {item[0]!r}."
        raise ConfigError(
            message, f"Use 'blank: leave', and write {null_marker} or {empty_marker} to clear the whole list."
        )
    if own.blank != "leave" and not (rule and (rule.nullable if own.blank == "null" else rule.clearable)):
        message = f"In the column {heading!r}, a blank cell can't mean {own.blank}: {name} can't be {own.blank}."
        raise ConfigError(message, "Use 'blank: leave'.")
    longest = _longest(heading, name, own.transforms, target)
    return MappedColumn(index, heading, name, null_marker, empty_marker, own.blank, own.transforms, longest, number)


def _longest(heading: str, name: str, transforms: Sequence[str], target: Target) -> int:
    """To how many characters the transform `truncate` cuts, 0 where it is not asked for."""
    rule = target.fields.get(field_of(name, target))
    if rule is not None and name not in target.fields:
        rule = rule.items or rule
    if rule is None and (wrong := [one for one in transforms if one in {"truncate", "title"}]):
        raise ConfigError(f"In the column {heading!r}, {wrong[0]!r} would change the id.", "Remove it.")
    if "truncate" not in transforms or rule is None:
        return 0
    if rule.max_length is None:
        message = f"In the column {heading!r}, 'truncate' has no length to cut to: {name} has no max_length."
        raise ConfigError(message, "Remove it.")
    return rule.max_length


def match_by_map(columns: Sequence[str], target: Target, options: Input) -> dict[int, str]:
    """What the map says that columns set, by the column's index.

    Raises:
        ConfigError: it names a field that is not there, or something twice.
        InputError: it names a column that is not there.
    """
    places = places_of_headings(columns)
    names = names_of(target)
    chosen: dict[int, str] = {}
    seen: set[int] = set()
    for heading, column in options.columns.items():
        index = places.get(normalise_heading(heading))
        if index is None:
            raise InputError(f"The map names a column {heading!r} that the file does not have.", _there_is(columns))
        if index in seen:
            raise ConfigError(f"The map names the column {columns[index]!r} twice.", "Keep one of them.")
        seen.add(index)
        if column.field is None:
            continue
        name = meant_by(column.field, names, target)
        if name in chosen.values():
            raise ConfigError(f"The map names two columns for {name!r}.", "Keep one of them.")
        chosen[index] = name
    for name in chosen.values():
        if (field := field_of(name, target)) != name and field in chosen.values():
            message = f"The map sets the list {field!r} both as a whole and item by item ({name!r})."
            raise ConfigError(message, "Keep one way.")
    return chosen


def meant_by(wanted: str, names: Mapping[str, str], target: Target) -> str:
    """The id, field or item of a list that the map means.

    Raises:
        ConfigError: there is none.
    """
    said = normalise_heading(wanted)
    if said in names:
        return names[said]
    item = field_path.item_of(said)
    name = names.get(item[0]) if item else None
    if item and name in target.lists:
        return f"{name}[{item[1]}]"
    if name is not None:
        raise ConfigError(f"The map names {wanted!r}, but {name!r} is not a list.", f"Map the column to {name!r}.")
    known = [*target.id, *target.fields]
    close = [meant for text, meant in spellings(target) if normalise_heading(text) == said] or nearest(wanted, known)
    hint = f"Did you mean {close[0]!r}?" if close else f"Known fields: {', '.join(known)}."
    raise ConfigError(f"The map names a field {wanted!r} that {target.name} does not have.", hint)


def _require(
    columns: Sequence[str],
    target: Target,
    chosen: dict[int, str],
    made: Mapping[str, Template],
    *,
    found_ids: bool,
) -> None:
    found = {*(field_of(name, target) for name in chosen.values()), *made}
    required = [*(() if found_ids else target.id), *(name for name, rule in target.fields.items() if rule.required)]
    free = [one for index, one in enumerate(columns) if one and index not in chosen and not is_pulled(one)]
    for name in required:
        if name not in found:
            what = "the id" if name in target.id else "the required field"
            own = {normalise_heading(text): name for text, meant in spellings(target) if meant == name}
            alike = ((heading, closest(heading, own, target)) for heading in free)
            if close := next((f"{heading}={name}" for heading, name in alike if name), ""):
                heading = close.rpartition("=")[0]
                hint = f'The column {heading!r} looks like it. To use that column, add: --map "{close}".'
            else:
                hint = f'{_there_is(columns)} Name it with --map "COLUMN={name}".'
            raise InputError(f"No column holds {what} {name!r}.", hint)
    if not found & set(target.fields):
        fields = ", ".join(target.fields)
        free_names = free_spellings(target, found)
        slips = [f'--map "{heading}={name}"' for heading in free if (name := closest(heading, free_names, target))]
        meant = f" Do you mean {' '.join(slips)}?" if slips else ""
        raise InputError(f"No column sets a field of {target.name} ({fields}).", _there_is(columns) + meant)


def _there_is(columns: Sequence[str]) -> str:
    shown = [heading or "(no heading)" for heading in columns if not is_pulled(heading)]
    return f"The file has: {', '.join(shown)}."
