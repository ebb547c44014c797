r"""Dotted names: `address.city` is the member `city` of the object `address`.

`\.` is a real dot in a member's name, and `\\` a backslash; so every place has one name. The reader flattens nested
records to such names, and a target's fields are declared by them; this stands below both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INDEX = re.compile(r"\[[0-9]*\]")
_ITEM = re.compile(r"(.+)\[\s*([0-9]{1,5})\s*\]\s*", re.DOTALL)


def split(name: str) -> tuple[str, ...]:
    """The members that lead to a place, from the outermost on.

    Raises:
        ValueError: a member's name is empty, or a backslash stands before something else.
    """
    parts = [""]
    letters = iter(name)
    for letter in letters:
        if letter == ".":
            parts.append("")
            continue
        meant = next(letters, "") if letter == "\\" else letter
        if letter == "\\" and meant not in {".", "\\"}:
            raise ValueError(r"a backslash stands before a dot or another backslash; write \\ for one that is meant")
        parts[-1] += meant
    if "" in parts:
        raise ValueError(r"a name is missing beside a dot; write \. for a dot that belongs to a name")
    return tuple(parts)


def escaped(member: str) -> str:
    """A member's name as a part of a dotted one."""
    return member.replace("\\", "\\\\").replace(".", r"\.")


def plain(name: str) -> str:
    """A dotted name as one would type it who does not think of escapes: real dots and backslashes stand alone."""
    return ".".join(split(name))


def nest(values: Mapping[str, Any], paths: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Values by dotted name as one nested object; its members stand in the order in which they are first named.

    Args:
        values: by name; none of them lies inside another.
        paths: the members that lead to each name.
    """
    made: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = paths[name]
        inner = made
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return made


def item_of(name: str) -> tuple[str, int] | None:
    """The list, and the item's number from 0, that a name such as `labels[0]` means; None for any other name."""
    found = _ITEM.fullmatch(name)
    return (found[1], int(found[2])) if found else None
