r"""Dotted field names: `address.city` is the member `city` of the object `address`.

`\.` is a dot that belongs to a member's name, and `\\` a backslash, so every place has exactly one name. The reader
flattens nested records to such names, and a target declares its fields by them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

INDEX = re.compile(r"\[[0-9]*\]")
_ITEM = re.compile(r"(.+)\[\s*([0-9]{1,5})\s*\]\s*", re.DOTALL)


def split(name: str) -> tuple[str, ...]:
    """The members that a name leads through, the outermost first.

    Raises:
        ValueError: a member's name is empty, or a backslash is followed by something else.
    """
    parts = [""]
    letters = iter(name)
    for letter in letters:
        if letter == ".":
            parts.append("")
            continue
        meant = next(letters, "") if letter == "\\" else letter
        if letter == "\\" and meant not in {".", "\\"}:
            raise ValueError(
                r"a backslash must be followed by a dot or another backslash; write \\ for a plain backslash"
            )
        parts[-1] += meant
    if "" in parts:
        raise ValueError(r"there is no name before or after a dot; write \. for a dot that belongs to a name")
    return tuple(parts)


def escaped(member: str) -> str:
    """A member's name as a part of a dotted one."""
    return member.replace("\\", "\\\\").replace(".", r"\.")


def plain(name: str) -> str:
    """A dotted name without escapes, as people type it."""
    return ".".join(split(name))


def nest(values: Mapping[str, Any], paths: Mapping[str, Sequence[str]], record: dict[str, Any]) -> None:
    """Puts values by dotted name into a nested object, new members in the order of their first mention.

    Args:
        values: by name; none of them lies inside another.
        paths: the members that each name leads through.
        record: the object; what stands in the way of a member is replaced.
    """
    for name, value in values.items():
        *parents, last = paths[name]
        inner = record
        for parent in parents:
            if not isinstance(inner.get(parent), dict):
                inner[parent] = {}
            inner = inner[parent]
        inner[last] = value


def remove(record: dict[str, Any], path: Sequence[str]) -> None:
    """Takes a member out of a nested object, if it is there."""
    *parents, last = path
    inner: Any = record
    for parent in parents:
        inner = inner.get(parent) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(last, None)


def undeclared(record: Mapping[str, Any], paths: Collection[tuple[str, ...]]) -> Iterator[str]:
    """The members, by dotted name, that a record has in the objects of these paths, and to which no path leads."""
    objects = {path[:depth] for path in paths for depth in range(1, len(path))}
    left: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), record)]
    while left:
        above, members = left.pop()
        for name, value in members.items():
            path = (*above, name)
            if path in objects and isinstance(value, dict):
                left.append((path, value))
            elif above and path not in paths and path not in objects:
                yield ".".join(map(escaped, path))


def item_of(name: str) -> tuple[str, int] | None:
    """The list and the item's number (from 0) that a name such as `labels[0]` means; None for any other name."""
    found = _ITEM.fullmatch(name)
    return (found[1], int(found[2])) if found else None
