"""Rows for any target, with what the target itself says of its fields: what a user who knows no more fills in."""

from __future__ import annotations

import json
import re
import string
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import find, settings, strategies
from hypothesis.errors import HypothesisException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.targets import FieldRule, Target

TYPES = {"date": "2026-11-21", "datetime": "2026-11-21T18:45:00Z", "boolean": "true"}
FORMATS = {"url": "https://example.com/a", "uuid": str(UUID(int=1)), "hex-color": "#1a73e8"}
LETTERS = strategies.characters(min_codepoint=33, max_codepoint=126)
_QUICK = settings(database=None, derandomize=True, max_examples=300, deadline=None)


def variables_for(target: Target) -> dict[str, str]:
    """Values of the variables that have none of their own."""
    return {
        name: rule.example or (text_of(rule.pattern) if rule.pattern else "x1")
        for name, rule in target.variables.items()
        if rule.default is None
    }


def rows_for(target: Target) -> list[list[dict[str, str]]]:
    """One row with the fields that every row needs, and one more for each other field.

    Rows that can't have ids of their own, because the target knows only a few, come in several lists.
    """
    base = completed(target, [name for name, rule in target.fields.items() if rule.required])
    others = [name for name in target.fields if name not in base]
    wanted = [base] if base else []
    wanted += [completed(target, [*base, name]) for name in others]
    made: list[list[dict[str, str]]] = []
    ids = {name: ids_of(rule.regex, rule.example, rule.format, len(wanted)) for name, rule in target.id.items()}
    most = max(map(len, ids.values()))
    for at, names in enumerate(wanted):
        row = {name: known[at % len(known)] for name, known in ids.items()}
        row |= {name: cell(target.fields[name]) for name in names}
        if at % most == 0:
            made.append([])
        made[-1].append(row)
    return made


def completed(target: Target, names: Sequence[str]) -> list[str]:
    """The fields, and those without which the target's rules refuse a row."""
    made = list(names)
    left = list(target.rules)
    while found := next((one for one in left if not one.when or one.asked_by(target.fields) & set(made)), None):
        left.remove(found)
        if not set(found.any_of) & set(made):
            made.append(found.any_of[0])
    return made


def ids_of(pattern: str | None, example: str, named: str | None, count: int) -> list[str]:
    """Ids that a target accepts, as many different ones as there are, up to `count`."""
    if named == "uuid":
        return [str(UUID(int=number)) for number in range(1, count + 1)]
    if pattern is None:
        return [f"x{number}" for number in range(1, count + 1)]
    first = example or text_of(pattern)
    found = {first: None}
    for at in range(len(first) - 1, -1, -1):
        for letter in string.digits + string.ascii_lowercase:
            text = first[:at] + letter + first[at + 1 :]
            if len(found) < count and matches(pattern, text):
                found[text] = None
    return list(found)


def matches(pattern: str, text: str) -> bool:
    """Whether a text contains a pattern."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def cell(rule: FieldRule) -> str:
    """What stands in a cell of this field."""
    if rule.type == "list":
        return _list(rule)
    if rule.enum:
        return next((value for value in rule.enum if value), "<empty>")
    return rule.example or _value(rule)


def _list(rule: FieldRule) -> str:
    least = max(rule.min_items or 0, 1)
    item = cell(rule.items) if rule.items else "x"
    if rule.items and rule.items.enum:
        return json.dumps([rule.items.enum[number % len(rule.items.enum)] for number in range(least)])
    free = not (rule.items and (rule.items.pattern or rule.items.format))
    return json.dumps([f"{item}{number}" if free and number else item for number in range(least)])


def _value(rule: FieldRule) -> str:
    if rule.type == "json":
        return "[]" if rule.json_type == "array" else "{}"
    if rule.type in {"integer", "number"}:
        low, high = rule.minimum, rule.maximum
        return str(1 if (low is None or low <= 1) and (high is None or high >= 1) else high if low is None else low)
    if rule.type in TYPES:
        return TYPES[rule.type]
    text = FORMATS[rule.format] if rule.format else "x" * (rule.min_length or 1)
    return text_of(rule.pattern, rule.min_length or 1, rule.max_length or 200) if rule.pattern else text


@cache
def text_of(pattern: str, least: int = 1, most: int = 200) -> str:
    """The simplest text that matches a pattern."""
    try:
        found = strategies.from_regex(pattern, alphabet=LETTERS)
        return find(found, lambda text: least <= len(text) <= most and text.strip() == text, settings=_QUICK)
    except (HypothesisException, ValueError, re.error):  # a pattern in a dialect that Python does not have
        return "x" * least
