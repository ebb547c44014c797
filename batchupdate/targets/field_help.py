"""Help text about what a field accepts, for `targets show` and for the notes in a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.targets.formats import FORMATS

if TYPE_CHECKING:
    from batchupdate.targets.fields import FieldRule


_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-11-21",
    "datetime": "a time such as 2026-11-21T18:45:00",
    "json": "JSON",
}


def clear_markers(rule: FieldRule) -> list[str]:
    """The markers that a cell may contain to clear the field."""
    return [marker for marker, allowed in (("<empty>", rule.clearable), ("<null>", rule.nullable)) if allowed]


def field_help(rule: FieldRule) -> str:
    """What a field accepts, such as `a whole number, at least 1, or <null>`."""
    parts = [*_kind(rule), *_limits(rule)] or ["text"]
    if cleared := clear_markers(rule):
        parts.append("or " + " or ".join(cleared))
    return ", ".join(parts)


def pattern_help(rule: FieldRule) -> str:
    """What a pattern wants: the example, or else the pattern itself."""
    return f"text such as {rule.example}" if rule.example else f"text that matches {rule.pattern}"


def _kind(rule: FieldRule) -> list[str]:
    """The type, unless it is plain text."""
    if rule.type == "list":
        return _of_list(rule)
    if rule.json_type:
        return [f"a JSON {rule.json_type}" + (f" such as {rule.example}" if rule.example else "")]
    return [_TYPES[rule.type]] if rule.type in _TYPES else []


def _limits(rule: FieldRule) -> list[str]:
    parts = [FORMATS[rule.format][1]] if rule.format else []
    if rule.pattern:
        parts.append(pattern_help(rule))
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
