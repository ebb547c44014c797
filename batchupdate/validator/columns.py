"""Which column of the input stands for which id or field of the target."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import ConfigError, InputError
from batchupdate.headings import normalise_heading
from batchupdate.result_columns import EXTRA, LOCKED, OLD, is_pulled
from batchupdate.validator.mapping import Template, When, parse_template, parse_when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.config import Column, Input
    from batchupdate.targets import FieldRule, IdRule, Target


LOOKS_LIKE = 0.75
"""How alike a heading and a name must be to be taken for a slip (difflib's ratio, 0 to 1)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One column that is used: its place (from 0), its heading, the id or field it sets, and its markers.

    `blank` is what a blank cell means. `transforms` change its cells; `longest` is what `truncate` leaves of one.
    """

    index: int
    heading: str
    name: str
    null_marker: str
    empty_marker: str
    blank: str = "leave"
    transforms: tuple[str, ...] = ()
    longest: int = 0


class Old(NamedTuple):
    """Where a field's old value stands in a pulled sheet: beside the slot at `slot`, in the column at `place`.

    `blank` is what a blank cell of the slot means where it is an edit.
    """

    slot: int
    place: int
    blank: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the table's columns are used. `width` counts all of them; `extra` are the places of `_extra_` columns.

    What `computed` makes stands behind a row's own cells, in the slots from `width` on. Rows that don't meet every
    condition in `when` are left alone. `hints` are sentences about headings that are nearly a field's.

    `old` is where old values stand, if `pull` wrote the sheet; only what differs from them is sent then. `locked` is
    the place of the column that says why a record must not be edited.
    """

    width: int
    slots: tuple[Slot, ...]
    ignored: tuple[str, ...]
    extra: tuple[int, ...]
    computed: tuple[Template, ...] = ()
    when: tuple[When, ...] = ()
    hints: tuple[str, ...] = ()
    old: tuple[Old, ...] = ()
    locked: int | None = None

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
    made = _made(columns, target, options)
    chosen = _from_map(columns, target, options)
    if twice := [name for name in chosen.values() if name in made]:
        raise ConfigError(f"A column and a computed or constant value both set {twice[0]!r}.", "Keep one of them.")
    places = _places(columns)
    for spelling, name in _spellings(target):
        index = places.get(normalise_heading(spelling))
        if index is not None and index not in chosen and name not in {*chosen.values(), *made}:
            chosen[index] = name
    _require(columns, target, chosen, made)
    settings = {normalise_heading(heading): column for heading, column in options.columns.items()}
    slots = [_slot(index, columns[index], name, settings, options, target) for index, name in sorted(chosen.items())]
    slots += [
        _made_slot(len(columns) + number, name, template, target, options)
        for number, (name, template) in enumerate(made.items())
    ]
    left = [i for i in range(len(columns)) if i not in chosen]
    extra = tuple(i for i in left if columns[i].startswith(EXTRA))
    when = parse_when(options.when, columns)
    used = {place for template in made.values() for place in template.places} | {one.place for one in when}
    slots, old, locked = _with_old(columns, slots)
    if old:  # also those of fields whose own column was deleted
        fields = set(map(normalise_heading, target.fields))
        used |= {i for i in left if _is_old(columns[i]) and normalise_heading(columns[i].removeprefix(OLD)) in fields}
        used |= set() if locked is None else {locked}
    ignored = tuple(columns[i] or f"column {i + 1} (no heading)" for i in left if i not in extra and i not in used)
    hints = _hints(ignored, target, {*chosen.values(), *made})
    return Layout(len(columns), tuple(slots), ignored, extra, tuple(made.values()), when, hints, old, locked)


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Where each heading stands, but for those that belong to what `pull` writes beside the fields."""
    named = ((index, heading) for index, heading in enumerate(columns) if heading and not is_pulled(heading))
    return {normalise_heading(heading): index for index, heading in named}


def _with_old(columns: Sequence[str], slots: list[Slot]) -> tuple[list[Slot], tuple[Old, ...], int | None]:
    """Finds the old values of a pulled sheet; what a blank cell means is their affair in slots that have one."""
    places = {normalise_heading(heading.removeprefix(OLD)): i for i, heading in enumerate(columns) if _is_old(heading)}
    found = [
        Old(number, places[key], slot.blank)
        for number, slot in enumerate(slots)
        if (key := normalise_heading(slot.name)) in places
    ]
    made = {one.slot for one in found}
    kept = [replace(slot, blank="leave") if number in made else slot for number, slot in enumerate(slots)]
    locked = columns.index(LOCKED) if found and LOCKED in columns else None
    return kept, tuple(found), locked


def _is_old(heading: str) -> bool:
    return heading.startswith(OLD)


def _made(columns: Sequence[str], target: Target, options: Input) -> dict[str, Template]:
    """The fields that are set without a column of their own."""
    names = {normalise_heading(name): name for name in target.fields}
    made: dict[str, Template] = {}
    for told, text in [*options.constants.items(), *((told, one.template) for told, one in options.computed.items())]:
        name = names.get(normalise_heading(told))
        if name is None:
            raise ConfigError(f"There is no field {told!r} to be set.", f"There are: {', '.join(target.fields)}.")
        if name in made:
            raise ConfigError(f"{name!r} is both computed and constant.", "Keep one of them.")
        constant = Template((text,), (), ())
        made[name] = constant if told in options.constants else parse_template(name, text, columns)
    return made


def _made_slot(index: int, name: str, template: Template, target: Target, options: Input) -> Slot:
    heading = f"{name} ({'computed' if template.places else 'constant'})"
    told = next(
        (one for told, one in options.computed.items() if normalise_heading(told) == normalise_heading(name)), None
    )
    transforms = told.transforms if told else ()
    longest = _longest(heading, name, transforms, target)
    return Slot(index, heading, name, options.null_marker, options.empty_marker, "leave", transforms, longest)


def _slot(index: int, heading: str, name: str, settings: dict[str, Column], options: Input, target: Target) -> Slot:
    own = settings.get(normalise_heading(heading))
    null_marker = (own and own.null_marker) or options.null_marker
    empty_marker = (own and own.empty_marker) or options.empty_marker
    if null_marker == empty_marker:
        told = f"In the column {heading!r}, {null_marker!r} would mean both null and empty."
        raise ConfigError(told, "Give the column another null_marker or empty_marker.")
    if own is None:
        return Slot(index, heading, name, null_marker, empty_marker)
    rule = target.fields.get(name)
    if own.blank != "leave" and not (rule and (rule.nullable if own.blank == "null" else rule.clearable)):
        told = f"In the column {heading!r}, a blank cell can't mean {own.blank}: {name} can't be {own.blank}."
        raise ConfigError(told, "Say 'blank: leave'.")
    longest = _longest(heading, name, own.transforms, target)
    return Slot(index, heading, name, null_marker, empty_marker, own.blank, own.transforms, longest)


def _longest(heading: str, name: str, transforms: Sequence[str], target: Target) -> int:
    """To how many characters the transform `truncate` cuts, 0 where it is not asked for."""
    rule = target.fields.get(name)
    if rule is None and (wrong := [one for one in transforms if one in {"truncate", "title"}]):
        raise ConfigError(f"In the column {heading!r}, {wrong[0]!r} would make another id.", "Take it out.")
    if "truncate" not in transforms or rule is None:
        return 0
    if rule.max_length is None:
        told = f"In the column {heading!r}, 'truncate' has no length to cut to: {name} has no max_length."
        raise ConfigError(told, "Take it out.")
    return rule.max_length


def _hints(ignored: Sequence[str], target: Target, found: set[str]) -> tuple[str, ...]:
    """A sentence for every ignored heading that is nearly one of a field that no column sets."""
    free = {normalise_heading(text): name for text, name in _spellings(target) if name not in found}
    close = ((heading, _closest(heading, free)) for heading in ignored)
    return tuple(
        f'The column {heading!r} looks like {name!r}, and is ignored. If it is meant, say: --map "{heading}={name}".'
        for heading, name in close
        if name
    )


def _closest(heading: str, names: dict[str, str]) -> str:
    """The name whose spelling a heading comes close to; empty if there is none."""
    close = difflib.get_close_matches(normalise_heading(heading), list(names), n=1, cutoff=LOOKS_LIKE)
    return names[close[0]] if close else ""


def _from_map(columns: Sequence[str], target: Target, options: Input) -> dict[int, str]:
    places = _places(columns)
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


def _require(columns: Sequence[str], target: Target, chosen: dict[int, str], made: Mapping[str, Template]) -> None:
    found = {*chosen.values(), *made}
    required = [*target.id, *(name for name, rule in target.fields.items() if rule.required)]
    free = [one for index, one in enumerate(columns) if one and index not in chosen and not is_pulled(one)]
    for name in required:
        if name not in found:
            what = "the id" if name in target.id else "the required field"
            spellings = {normalise_heading(text): name for text, meant in _spellings(target) if meant == name}
            if close := next((heading for heading in free if _closest(heading, spellings)), ""):
                hint = f'The column {close!r} looks like it. If it is meant, say: --map "{close}={name}".'
            else:
                hint = f'{_there_is(columns)} Name it with --map "COLUMN={name}".'
            raise InputError(f"No column holds {what} {name!r}.", hint)
    if not found & set(target.fields):
        fields = ", ".join(target.fields)
        free_names = {normalise_heading(text): meant for text, meant in _spellings(target) if meant not in found}
        slips = [f'--map "{heading}={name}"' for heading in free if (name := _closest(heading, free_names))]
        meant = f" Do you mean {' '.join(slips)}?" if slips else ""
        raise InputError(f"No column sets a field of {target.name} ({fields}).", _there_is(columns) + meant)


def _there_is(columns: Sequence[str]) -> str:
    shown = [heading or "(no heading)" for heading in columns if not is_pulled(heading)]
    return f"The file has: {', '.join(shown)}."
