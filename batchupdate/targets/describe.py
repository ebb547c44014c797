"""A field's rule in plain words, for whoever fills in a sheet; the same in `targets show` and in a template's notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.targets.declaration import FORMATS

if TYPE_CHECKING:
    from batchupdate.targets.declaration import FieldRule


_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-11-21",
    "datetime": "a time such as 2026-11-21T18:45:00",
    "json": "JSON",
}


def markers(rule: FieldRule) -> list[str]:
    """What a cell may say to clear the field."""
    return [marker for marker, allowed in (("<empty>", rule.clearable), ("<null>", rule.nullable)) if allowed]


def in_words(rule: FieldRule) -> str:
    """What a field may hold."""
    parts = [*_kind(rule), *_limits(rule)] or ["text"]
    if cleared := markers(rule):
        parts.append("or " + " or ".join(cleared))
    return ", ".join(parts)


def _kind(rule: FieldRule) -> list[str]:
    """What it is, where it is not just any text."""
    if rule.type == "list":
        return _of_list(rule)
    if rule.json_type:
        return [f"a JSON {rule.json_type}"]
    return [_TYPES[rule.type]] if rule.type in _TYPES else []


def _limits(rule: FieldRule) -> list[str]:
    parts = [FORMATS[rule.format][1]] if rule.format else []
    if rule.pattern:
        parts.append(f"text that matches {rule.pattern}")
    if rule.enum:
        parts.append("one of: " + ", ".join(rule.enum))
    if rule.min_length and rule.min_length > 1:
        parts.append(f"at least {rule.min_length} characters")
    if rule.max_length:
        parts.append(f"at most {rule.max_length} characters")
    if rule.minimum is not None:
        parts.append(f"at least {rule.minimum}")
    if rule.maximum is not None:
        parts.append(f"at most {rule.maximum}")
    return parts


def _of_list(rule: FieldRule) -> list[str]:
    parts = [f"a list of {rule.items.type if rule.items else 'string'}s separated by {rule.separator!r}"]
    if rule.items and (each := _limits(rule.items)):
        parts.append(f"each {', '.join(each)}")
    counts = (("at least", rule.min_items), ("at most", rule.max_items))
    parts += [f"{word} {count} {'item' if count == 1 else 'items'}" for word, count in counts if count is not None]
    return parts
