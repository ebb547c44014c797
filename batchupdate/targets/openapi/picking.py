"""Which of a body's fields are declared, and the rules about rows that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import UsageError
from batchupdate.targets import field_path
from batchupdate.targets.openapi.fields import Found
from batchupdate.util.nearest import nearest
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.targets.openapi.body import Shape
    from batchupdate.targets.openapi.document import Node
    from batchupdate.targets.openapi.fields import FieldReader

MOST_FIELDS = 50
"""Fields that are taken where nobody picks: a sheet with more columns helps nobody."""


def picked_of(reader: FieldReader, shape: Shape, wanted: Sequence[str]) -> tuple[list[Found], list[str]]:
    """The fields to declare, and the names of the others.

    Raises:
        UsageError: there is no field that is wanted.
    """
    if wanted:
        return _by_name(reader, shape, wanted)
    if len(shape.fields) <= MOST_FIELDS:
        return shape.fields, []
    order = sorted(
        range(len(shape.fields)),
        key=lambda at: (not shape.fields[at].rule.get("required"), len(shape.fields[at].path), at),
    )
    kept = set(order[:MOST_FIELDS]) | {at for at in order if shape.fields[at].rule.get("required")}
    taken = [one for at, one in enumerate(shape.fields) if at in kept]
    return _with_needed(reader, shape, taken)


def _by_name(reader: FieldReader, shape: Shape, wanted: Sequence[str]) -> tuple[list[Found], list[str]]:
    names = [one.name for one in shape.fields]
    taken: list[Found] = []
    for name in dict.fromkeys(wanted):
        matching = [one for one in shape.fields if one.name == name or one.name.startswith(f"{name}.")]
        if not matching and shape.open_schema is not None and name.isprintable():
            matching = [Found((name,), reader.rule(shape.open_schema, (name,)))]
        if not matching:
            close = nearest(name, names)
            hint = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(names[:60])}."
            raise UsageError(f"The body has no field {quoted(name)}.", hint)
        taken += [one for one in matching if one not in taken]
    taken += [one for one in shape.fields if one.rule.get("required") and one not in taken]
    return _with_needed(reader, shape, taken)


def _with_needed(reader: FieldReader, shape: Shape, taken: list[Found]) -> tuple[list[Found], list[str]]:
    """The fields, those without which they can't be sent, and the names of the others."""
    left = list(reader.needs)
    while found := next((need for need in left if any(_inside(one, need.when) for one in taken)), None):
        left.remove(found)
        inside = [one for one in shape.fields if _inside(one, found.what)]
        if inside and not any(one in taken for one in inside):
            taken.append(inside[0])
    names = {one.name for one in taken}
    return taken, [one.name for one in shape.fields if one.name not in names]


def _inside(one: Found, path: tuple[str, ...]) -> bool:
    return one.path[: len(path)] == path


def rules_of(reader: FieldReader, picked: Sequence[Found], names: Sequence[str]) -> list[Node]:
    """A rule for everything that a row has to set beyond the fields that are required of every row."""
    made: list[Node] = []
    for when, what in reader.needs:
        asking = [name for name, one in zip(names, picked, strict=True) if when and _inside(one, when)]
        wanted = [name for name, one in zip(names, picked, strict=True) if _inside(one, what)]
        about, condition = ".".join(what), f" in a row that sets {'.'.join(when)}" if when else ""
        if when and set(asking) <= set(wanted):
            continue
        if wanted:
            fill = wanted[0] if len(wanted) == 1 else "one of its members"
            message = f"the API requires {about}{condition}; fill in {fill}"
            made.append({"when": _shortest(when, asking)} if when else {})
            made[-1] |= {"any_of": wanted, "message": message}
        else:
            reader.notes.append(f"The document requires {about}{condition}, of which no field is declared.")
    return made


def _shortest(path: tuple[str, ...], names: list[str]) -> list[str]:
    """The object that has these fields, if their names say so; otherwise the fields."""
    whole = ".".join(map(field_path.escaped, path))
    return [whole] if all(name.startswith(f"{whole}.") for name in names) else names
