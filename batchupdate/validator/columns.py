"""Which column of the input stands for which id or field of the target."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from batchupdate import dotted
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
    Where `item` is not None, the column holds one item of a list, counted from 0, and `name` is such as `labels[0]`.
    """

    index: int
    heading: str
    name: str
    null_marker: str
    empty_marker: str
    blank: str = "leave"
    transforms: tuple[str, ...] = ()
    longest: int = 0
    item: int | None = None

    @property
    def field(self) -> str:
        """The id or field itself: of `labels[0]`, it is `labels`."""
        return self.name if self.item is None else self.name[: self.name.rindex("[")]


class Old(NamedTuple):
    """Where the old value of the slot at `slot`, or an id's copy, stands in a pulled sheet: in the column at `place`.

    `blank` is what a blank cell of the slot means where it is an edit.
    """

    slot: int
    place: int
    blank: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the table's columns are used. `width` counts all of them; `extra` are the places of `_extra_` columns.

    What `computed` makes stands behind a row's own cells, in the slots from `width` on. Rows that don't meet every
    condition in `when` are left alone. `hints` are sentences about headings that are nearly a field's. `decimal` is
    what stands before the decimals of a number.

    `old` is where old values stand, if `pull` wrote the sheet; only what differs from them is sent then. `old_ids` is
    where it says whose they are. `locked` is the place of the column that says why a record must not be edited.
    """

    width: int
    slots: tuple[Slot, ...]
    ignored: tuple[str, ...]
    extra: tuple[int, ...]
    computed: tuple[Template, ...] = ()
    when: tuple[When, ...] = ()
    hints: tuple[str, ...] = ()
    decimal: str = "."
    old: tuple[Old, ...] = ()
    locked: int | None = None
    old_ids: tuple[Old, ...] = ()

    def heading(self, name: str) -> str:
        """The heading of the column that sets a field, or its first item; the field's own name where no column does."""
        own = [slot for slot in self.slots if slot.field == name]
        return min(own, key=lambda slot: slot.item or 0).heading if own else name


def lay_out(columns: Sequence[str], target: Target, options: Input) -> Layout:
    """Matches columns with the target's ids and fields: by the user's map, by name, then by alias.

    Letter case, spaces, underscores and hyphens don't count. Of several aliases, the first that the target names wins.
    A list has one column, or one for each of its items: `labels[0]`, `labels[1]` and so on.

    Raises:
        ConfigError: the map names a column or a field that doesn't exist, or one of them twice; or a column's markers
            are the same.
        InputError: the id or a required field has no column, or no column sets anything; or a list has a column for
            the whole beside those for its items, or an item without one.
    """
    made = _made(columns, target, options)
    chosen = _from_map(columns, target, options)
    if twice := [name for name in chosen.values() if _field_of(name, target) in made]:
        raise ConfigError(f"A column and a computed or constant value both set {twice[0]!r}.", "Keep one of them.")
    _add_by_name(columns, target, chosen, made)
    _require_every_item(columns, target, chosen)
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
    slots, old, old_ids, locked = _with_old(columns, slots, target)
    if old:  # also those of fields whose own column was deleted
        fields = {normalise_heading(name) for name in (*target.id, *target.fields)}
        used |= {i for i in left if _is_old(columns[i]) and normalise_heading(columns[i].removeprefix(OLD)) in fields}
        used |= set() if locked is None else {locked}
    ignored = tuple(columns[i] or f"column {i + 1} (no heading)" for i in left if i not in extra and i not in used)
    hints = (*_hints(ignored, target, {*chosen.values(), *made}), *_lost(columns, slots, old, target))
    _refuse_contradictions(slots, target, options)
    first = Layout(len(columns), tuple(slots), ignored, extra, tuple(made.values()), when, hints, options.decimal)
    return replace(first, old=old, old_ids=old_ids, locked=locked)


def _field_of(name: str, target: Target) -> str:
    """The id or field that a column sets, of which it may hold one item only."""
    item = None if name in target.fields else dotted.item_of(name)
    return item[0] if item else name


def _add_by_name(columns: Sequence[str], target: Target, chosen: dict[int, str], made: Mapping[str, Template]) -> None:
    """Adds the columns whose headings say what they set, but for what the map or a template sets."""
    free = {heading: i for heading, i in _places(columns).items() if i not in chosen}
    items: dict[str, dict[int, int]] = {}
    for heading, index in free.items():
        if item := dotted.item_of(heading):
            items.setdefault(item[0], {})[item[1]] = index
    begun = {_field_of(name, target) for name in chosen.values()} - {*chosen.values()}  # lists, by items in the map
    settled = {*chosen.values(), *made}
    for spelling, name in _spellings(target):
        heading = normalise_heading(spelling)
        if name in settled:
            continue
        place = free.get(heading) if name not in begun else None
        own = items.get(heading, {}) if name in target.lists else {}
        if place is not None and own:
            told = f"The columns {columns[place]!r} and {columns[min(own.values())]!r} both set the list {name!r}"
            raise InputError(f"{told}, one as a whole and one an item of it.", "Keep one way, and delete the others.")
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
        if (field := _field_of(name, target)) != name:
            lists.setdefault(field, {})[int(name[len(field) + 1 : -1])] = columns[index]
    for field, headings in lists.items():
        missing = next((number for number in range(len(headings)) if number not in headings), None)
        if missing is not None:
            there = ", ".join(headings[number] for number in sorted(headings))
            raise InputError(
                f"The items of the list {field!r} are counted from 0, and no column is {field}[{missing}].",
                f"There is: {there}. Rename the columns, or add the one that is missing.",
            )


def _refuse_contradictions(slots: Sequence[Slot], target: Target, options: Input) -> None:
    """What each column may do alone, and not together with a setting."""
    for slot in slots:
        rule = target.fields.get(slot.name)
        if rule is None:
            continue
        numbers = rule.items is not None and rule.items.type == "number"
        if numbers and options.decimal == "," and "," in rule.separator:
            raise ConfigError(
                f"With 'decimal: \",\"', a comma in {slot.heading!r} would both end an item and begin its decimals.",
                f"Give the field another 'separator', or the file a column for each item: {slot.name}[0].",
            )
        if slot.name in target.parts and options.on_duplicate == "merge":
            raise ConfigError(
                f"With 'on_duplicate: merge', no column can set the whole of {slot.name!r}, for another row may set "
                f"{target.parts[slot.name][0]!r}.",
                f"Take the column {slot.heading!r} out, or say 'on_duplicate: last'.",
            )


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Where each heading stands, but for those that belong to what `pull` writes beside the fields."""
    named = ((index, heading) for index, heading in enumerate(columns) if heading and not is_pulled(heading))
    return {normalise_heading(heading): index for index, heading in named}


def _with_old(
    columns: Sequence[str], slots: list[Slot], target: Target
) -> tuple[list[Slot], tuple[Old, ...], tuple[Old, ...], int | None]:
    """Finds the old values of a pulled sheet; what a blank cell means is their affair in slots that have one.

    An item of a list has none: a list is sent as a whole.
    """
    places = {normalise_heading(heading.removeprefix(OLD)): i for i, heading in enumerate(columns) if _is_old(heading)}
    found = [
        Old(number, places[key], slot.blank)
        for number, slot in enumerate(slots)
        if slot.item is None and (key := normalise_heading(slot.name)) in places
    ]
    made = {one.slot for one in found}
    kept = [replace(slot, blank="leave") if number in made else slot for number, slot in enumerate(slots)]
    old = tuple(one for one in found if slots[one.slot].name in target.fields)
    old_ids = tuple(one for one in found if slots[one.slot].name in target.id) if old else ()
    locked = columns.index(LOCKED) if old and LOCKED in columns else None
    return kept, old, old_ids, locked


def _lost(columns: Sequence[str], slots: Sequence[Slot], old: Sequence[Old], target: Target) -> tuple[str, ...]:
    """A sentence for each column whose old values were deleted from a pulled sheet, for then all of it is sent."""
    if target.list is None or not any(_is_old(heading) or heading == LOCKED for heading in columns):
        return ()
    known = {one.slot for one in old}
    listed = set(target.fields) - set(target.list.absent)
    return tuple(
        f"The column {slot.heading!r} has no old values beside it ({OLD}{slot.field}), so all that stands in it is "
        "sent, edited or not. If that is not meant, pull the records again."
        for number, slot in enumerate(slots)
        if number not in known and slot.field in listed and slot.index < len(columns) and not slot.item
    )


def _is_old(heading: str) -> bool:
    return heading.startswith(OLD)


def _made(columns: Sequence[str], target: Target, options: Input) -> dict[str, Template]:
    """The fields that are set without a column of their own."""
    names = _names(target)
    made: dict[str, Template] = {}
    for told, text in [*options.constants.items(), *((told, one.template) for told, one in options.computed.items())]:
        name = names.get(normalise_heading(told))
        if name is None or name in target.id:
            raise ConfigError(f"There is no field {told!r} to be set.", f"There are: {', '.join(target.fields)}.")
        if name in made:
            raise ConfigError(f"{name!r} is both computed and constant.", "Keep one of them.")
        constant = Template((text,), (), ())
        made[name] = constant if told in options.constants else parse_template(name, text, columns)
    return made


def _made_slot(index: int, name: str, template: Template, target: Target, options: Input) -> Slot:
    heading = f"{name} ({'computed' if template.places else 'constant'})"
    names = _names(target)
    told = next((one for told, one in options.computed.items() if names.get(normalise_heading(told)) == name), None)
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
    item = dotted.item_of(name) if name not in target.fields else None
    number = item[1] if item else None
    if own is None:
        return Slot(index, heading, name, null_marker, empty_marker, item=number)
    rule = target.fields.get(name)
    if item and own.blank != "leave":
        told = f"In the column {heading!r}, a blank cell can't mean {own.blank}: it ends the list {item[0]!r}."
        raise ConfigError(told, f"Say 'blank: leave', and {null_marker} or {empty_marker} where the list is meant.")
    if own.blank != "leave" and not (rule and (rule.nullable if own.blank == "null" else rule.clearable)):
        told = f"In the column {heading!r}, a blank cell can't mean {own.blank}: {name} can't be {own.blank}."
        raise ConfigError(told, "Say 'blank: leave'.")
    longest = _longest(heading, name, own.transforms, target)
    return Slot(index, heading, name, null_marker, empty_marker, own.blank, own.transforms, longest, number)


def _longest(heading: str, name: str, transforms: Sequence[str], target: Target) -> int:
    """To how many characters the transform `truncate` cuts, 0 where it is not asked for."""
    rule = target.fields.get(_field_of(name, target))
    if rule is not None and name not in target.fields:
        rule = rule.items or rule
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
    free = _free(target, found)
    told = ((heading, _unusable(heading, target), _closest(heading, free, target)) for heading in ignored)
    return tuple(
        why
        or f'The column {heading!r} looks like {name!r}, and is ignored. If it is meant, say: --map "{heading}={name}".'
        for heading, why, name in told
        if why or name
    )


def _unusable(heading: str, target: Target) -> str:
    """Why a heading that names a field in some way sets nothing all the same; empty if it names none."""
    said = normalise_heading(heading)
    names = _names(target)
    inner = [name for name in target.fields if normalise_heading(name).startswith(f"{said}.")]
    if inner and said not in names:
        return f"The column {heading!r} is ignored: what can be set is in it, with a column each: {', '.join(inner)}."
    for index in dotted.INDEX.finditer(said):
        name = names.get(said[: index.start()], "")
        if name in target.fields and name not in target.lists:
            kind = target.fields[name].type
            return f"The column {heading!r} is ignored: {name!r} is no list, but {kind}, and is set as a whole."
    return ""


def _free(target: Target, found: set[str]) -> dict[str, str]:
    """What a heading can say, normalised, and what it then means, of the ids and fields that no column sets."""
    taken = {_field_of(name, target) for name in found}
    return {normalise_heading(text): name for text, name in _spellings(target) if name not in taken}


def _closest(heading: str, names: Mapping[str, str], target: Target) -> str:
    """The name whose spelling a heading comes close to, or of which it is the last part; empty if there is none."""
    said = normalise_heading(heading)
    item = dotted.item_of(said)
    if item and (name := _closest(item[0], {one: name for one, name in names.items() if name in target.lists}, target)):
        return f"{name}[{item[1]}]"
    close = difflib.get_close_matches(said, list(names), n=len(names) or 1, cutoff=LOOKS_LIKE)
    if alike := next((one for one in close if _part_by_part(said, one)), ""):
        return names[alike]
    ends = [name for name, path in target.paths.items() if len(path) > 1 and normalise_heading(path[-1]) == said]
    return ends[0] if len(ends) == 1 and ends[0] in names.values() else ""


def _part_by_part(heading: str, name: str) -> bool:
    """Whether each part of a dotted heading is like that of the name: `billing.city` is no slip of `shipping.city`."""
    if heading.count(".") != name.count("."):  # the one may be a part of the other, and then is no slip
        return not f"{name}.".startswith(f"{heading}.") and not f"{heading}.".startswith(f"{name}.")
    pairs = list(zip(heading.split("."), name.split("."), strict=True))
    if len(pairs) == 1:
        return True
    return all(difflib.SequenceMatcher(None, *pair).ratio() >= LOOKS_LIKE for pair in pairs)


def _from_map(columns: Sequence[str], target: Target, options: Input) -> dict[int, str]:
    places = _places(columns)
    names = _names(target)
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
        name = _mapped(column.field, names, target)
        if name in chosen.values():
            raise ConfigError(f"The map names two columns for {name!r}.", "Keep one of them.")
        chosen[index] = name
    for name in chosen.values():
        if (field := _field_of(name, target)) != name and field in chosen.values():
            told = f"The map sets the list {field!r} both as a whole and item by item ({name!r})."
            raise ConfigError(told, "Keep one way.")
    return chosen


def _mapped(told: str, names: Mapping[str, str], target: Target) -> str:
    """The id, field or item of a list that the map means."""
    said = normalise_heading(told)
    if said in names:
        return names[said]
    item = dotted.item_of(said)
    name = names.get(item[0]) if item else None
    if item and name in target.lists:
        return f"{name}[{item[1]}]"
    if name is not None:
        raise ConfigError(f"The map names {told!r}, and {name!r} is no list.", f"Map the column to {name!r}.")
    known = {name: name for name in [*target.id, *target.fields]}
    close = difflib.get_close_matches(told, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known)}."
    raise ConfigError(f"The map names a field {told!r} that {target.name} does not have.", hint)


def _names(target: Target) -> dict[str, str]:
    """The ids and fields as the map may spell them; a real dot needs no escape where nothing else is meant."""
    names = {normalise_heading(dotted.plain(name)): name for name in target.fields}
    return names | {normalise_heading(name): name for name in (*target.id, *target.fields)}


def _spellings(target: Target) -> list[tuple[str, str]]:
    """What a heading can say and the id or field that it means: names, then aliases, then names without escapes."""
    rules: list[tuple[str, IdRule | FieldRule]] = [*target.id.items(), *target.fields.items()]
    said = [(name, name) for name, _ in rules] + [(alias, name) for name, rule in rules for alias in rule.aliases]
    taken = {normalise_heading(text) for text, _ in said}
    bare = [(dotted.plain(name), name) for name in target.fields if "\\" in name]
    return said + [(text, name) for text, name in bare if normalise_heading(text) not in taken]


def _require(columns: Sequence[str], target: Target, chosen: dict[int, str], made: Mapping[str, Template]) -> None:
    found = {*(_field_of(name, target) for name in chosen.values()), *made}
    required = [*target.id, *(name for name, rule in target.fields.items() if rule.required)]
    free = [one for index, one in enumerate(columns) if one and index not in chosen and not is_pulled(one)]
    for name in required:
        if name not in found:
            what = "the id" if name in target.id else "the required field"
            spellings = {normalise_heading(text): name for text, meant in _spellings(target) if meant == name}
            alike = ((heading, _closest(heading, spellings, target)) for heading in free)
            if close := next((f"{heading}={told}" for heading, told in alike if told), ""):
                heading = close.rpartition("=")[0]
                hint = f'The column {heading!r} looks like it. If it is meant, say: --map "{close}".'
            else:
                hint = f'{_there_is(columns)} Name it with --map "COLUMN={name}".'
            raise InputError(f"No column holds {what} {name!r}.", hint)
    if not found & set(target.fields):
        fields = ", ".join(target.fields)
        free_names = _free(target, found)
        slips = [f'--map "{heading}={name}"' for heading in free if (name := _closest(heading, free_names, target))]
        meant = f" Do you mean {' '.join(slips)}?" if slips else ""
        raise InputError(f"No column sets a field of {target.name} ({fields}).", _there_is(columns) + meant)


def _there_is(columns: Sequence[str]) -> str:
    shown = [heading or "(no heading)" for heading in columns if not is_pulled(heading)]
    return f"The file has: {', '.join(shown)}."
