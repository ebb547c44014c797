"""How ids and fields may be spelled in a heading, and which headings are nearly so."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import EXPECTED, is_pulled
from batchupdate.targets import field_path
from batchupdate.validator.columns.old_and_new import says_present

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.targets import FieldRule, IdRule, Target

LOOKS_LIKE = 0.75
"""How alike a heading and a name must be to be taken for a slip (difflib's ratio, 0 to 1)."""


def field_of(name: str, target: Target) -> str:
    """The id or field that a column sets, of which it may hold one item only."""
    item = None if name in target.fields else field_path.item_of(name)
    return item[0] if item else name


def names_of(target: Target) -> dict[str, str]:
    """The ids and fields as the map may spell them; a real dot needs no escape where nothing else is meant."""
    names = {normalise_heading(field_path.plain(name)): name for name in target.fields}
    return names | {normalise_heading(name): name for name in (*target.id, *target.fields)}


def spellings(target: Target) -> list[tuple[str, str]]:
    """What a heading can say and the id or field that it means: names, then aliases, then names without escapes."""
    rules: list[tuple[str, IdRule | FieldRule]] = [*target.id.items(), *target.fields.items()]
    said = [(name, name) for name, _ in rules] + [(alias, name) for name, rule in rules for alias in rule.aliases]
    taken = {normalise_heading(text) for text, _ in said}
    bare = [(field_path.plain(name), name) for name in target.fields if "\\" in name]
    return said + [(text, name) for text, name in bare if normalise_heading(text) not in taken]


def hints_about(ignored: Sequence[str], target: Target, found: set[str]) -> tuple[str, ...]:
    """A sentence for every ignored heading that is nearly one of a field that no column sets."""
    free, every = free_spellings(target, found), {normalise_heading(text): name for text, name in spellings(target)}
    guards = [(one, closest(rest, every, target)) for one in ignored if (rest := _after_expected(one))]
    meant = {heading: name for heading, name in guards if name in target.fields}
    ignored = [one for one in ignored if one not in meant]
    expected = [
        f"The column {heading!r} is ignored. If it says what records must have, name it {EXPECTED + name!r}."
        for heading, name in meant.items()
    ]
    matches = ((heading, _unusable(heading, target), closest(heading, free, target)) for heading in ignored)
    return *expected, *(
        why or f'The column {heading!r} looks like {name!r}, but is ignored. To use it, add: --map "{heading}={name}".'
        for heading, why, name in matches
        if why or name
    )


def _after_expected(heading: str) -> str:
    said, begin = normalise_heading(heading), normalise_heading(EXPECTED.removesuffix("."))
    return said.removeprefix(begin) if said.startswith(begin) else ""


def _unusable(heading: str, target: Target) -> str:
    """Why a heading that names a field in some way sets nothing all the same; empty if it names none."""
    said = normalise_heading(heading)
    names = names_of(target)
    inner = [name for name in target.fields if normalise_heading(name).startswith(f"{said}.")]
    if inner and said not in names:
        members = ", ".join(inner)
        return f"The column {heading!r} is ignored: only its members can be set, each in its own column: {members}."
    for index in field_path.INDEX.finditer(said):
        name = names.get(said[: index.start()], "")
        if name in target.fields and name not in target.lists:
            kind = target.fields[name].type
            return f"The column {heading!r} is ignored: {name!r} is not a list but {kind}, which is set as a whole."
    return ""


def free_spellings(target: Target, found: set[str]) -> dict[str, str]:
    """What a heading can say, normalised, and what it then means, of the ids and fields that no column sets."""
    taken = {field_of(name, target) for name in found}
    return {normalise_heading(text): name for text, name in spellings(target) if name not in taken}


def closest(heading: str, names: Mapping[str, str], target: Target) -> str:
    """The name whose spelling a heading comes close to, or of which it is the last part; empty if there is none.

    A heading that says that it holds a field's present value (`old description`) does not mean to set it.
    """
    said = normalise_heading(heading)
    item = field_path.item_of(said)
    if item and (name := closest(item[0], {one: name for one, name in names.items() if name in target.lists}, target)):
        return f"{name}[{item[1]}]"
    close = difflib.get_close_matches(said, list(names), n=len(names) or 1, cutoff=LOOKS_LIKE)
    for one in close:
        if _part_by_part(said, one) and not (names[one] in target.fields and says_present(heading, one)):
            return names[one]
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


def index_of_column(name: str, columns: Sequence[str]) -> int | None:
    """Where the column of this name is; a column of the user's own goes before one that `pull` added.

    So `locked` is the field of that name, although `pull` wrote `_locked` beside it.
    """
    if is_pulled(name) and name in columns:
        return columns.index(name)
    alike = [index for index, one in enumerate(columns) if one and normalise_heading(one) == normalise_heading(name)]
    return min(alike, key=lambda index: is_pulled(columns[index]), default=None)
