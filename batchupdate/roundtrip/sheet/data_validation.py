"""Data validation of a column's cells in a workbook: notes, drop-downs, bounds and formats.

A spreadsheet program must never refuse `<null>` where it is allowed. So a marker is in the drop-down, or passes the
formula, or the program only warns.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from batchupdate.targets.field_help import clear_markers, field_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.targets import FieldRule, IdRule

TITLE_MOST, MESSAGE_MOST, LIST_MOST = 32, 255, 255
"""Excel's own limits, in characters, of a message's title, of a message, and of a list that is no range."""
FIRST_DAY = date(1900, 1, 1)
"""The first that Excel knows."""
UUID_LENGTH, ULID_LENGTH = 36, 26
TEXT, GENERAL, DAY, MOMENT = "@", "General", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"


def number_format(rule: FieldRule | None) -> str:
    """How a column is formatted; ids (None) and text as text, so that `007` keeps its zeros."""
    if rule is None:
        return TEXT
    if rule.type in {"integer", "number"}:
        return GENERAL
    if rule.type == "date":
        return DAY
    return MOMENT if rule.type == "datetime" and rule.timezone != "required" else TEXT


def width(name: str, rule: FieldRule | IdRule) -> int:
    """A column's width, in characters."""
    most: int | None = getattr(rule, "max_length", None)
    if rule.format:
        likely = {"uuid": UUID_LENGTH + 2, "ulid": ULID_LENGTH + 8, "url": 44, "hex-color": 12}[rule.format]
    elif getattr(rule, "type", "string") in {"integer", "number", "boolean", "date"}:
        likely = 14
    elif getattr(rule, "type", "string") == "datetime":
        likely = 22
    else:
        likely = 24 if most is None or most >= 512 else most + 2  # noqa: PLR2004 - an id's default, which says nothing
    return max(len(name) + 5, min(likely, 50))


def note_of_id(rule: IdRule) -> str:
    """The note at an id's heading."""
    return _joined([rule.description, f"Needed in every row: {rule.wanted}."])


def note_of_field(rule: FieldRule) -> str:
    """The note at a field's heading."""
    texts = [rule.description, f"Holds {field_help(rule)}."]
    texts.append("Needed in every row." if rule.required else "Blank leaves the field as it is.")
    if "<empty>" in clear_markers(rule):
        texts.append(f"<empty> sends {'an empty list' if rule.type == 'list' else 'an empty text'}.")
    if "<null>" in clear_markers(rule):
        texts.append("<null> sends null, which clears the field in most APIs.")
    return _joined(texts)


def _joined(parts: Sequence[str]) -> str:
    return "\n".join(part if part.endswith(".") else f"{part}." for part in parts if part)


def validation_of_id(name: str, rule: IdRule) -> dict[str, Any]:
    """The data validation of an id's column: its length, as a warning, where that is known."""
    texts = _texts(name, f"{rule.description}\n{rule.wanted}" if rule.description else rule.wanted)
    if rule.format == "uuid":
        return texts | _length(UUID_LENGTH, UUID_LENGTH) | {"error_type": "warning"}
    if rule.format == "ulid":
        least = ULID_LENGTH + (len(rule.prefix) if rule.prefix_required else 0)
        return texts | _length(least, ULID_LENGTH + len(rule.prefix)) | {"error_type": "warning"}
    return texts | {"validate": "any"}


def choices(rule: FieldRule) -> list[str]:
    """What a drop-down offers; nothing where there is none."""
    if rule.type == "boolean":
        return ["true", "false", *clear_markers(rule)]
    return [*filter(None, rule.enum), *clear_markers(rule)] if rule.enum else []


def fits_in_a_list(values: Sequence[str]) -> bool:
    """Whether a drop-down can hold them itself; if not, they need a range."""
    return len(",".join(values)) <= LIST_MOST and not any("," in value or value != value.strip() for value in values)


def validation_of_field(name: str, rule: FieldRule, cell: str, source: object) -> dict[str, Any]:
    """The data validation of a field's column.

    Args:
        name: the field's heading.
        rule: what the field may hold.
        cell: the address of the column's first cell, such as `B2`.
        source: what a drop-down offers: the values, or the range that holds them.
    """
    texts = _texts(name, "\n".join(filter(None, [rule.description, field_help(rule)])))
    if choices(rule):
        lenient = rule.ignore_case or rule.true_words or rule.false_words
        return texts | {"validate": "list", "source": source, "error_type": "warning" if lenient else "stop"}
    allowed = [f'{cell}="{marker}"' for marker in clear_markers(rule)]
    if rule.type in {"integer", "number"}:
        return texts | _number(rule, cell, allowed)
    if rule.type == "date" or (rule.type == "datetime" and number_format(rule) == MOMENT):
        exact = {"validate": "date", "criteria": ">=", "value": FIRST_DAY}
        made = {"validate": "custom", "value": f"=OR({','.join([f'ISNUMBER({cell})', *allowed])})"}
        # Text can be a date too: one with a zone, or in another form that the field reads.
        strict = rule.type == "date" and not rule.input_formats
        return texts | (made if allowed else exact) | {"error_type": "stop" if strict else "warning"}
    if rule.type == "string" and (rule.max_length or rule.min_length):
        lengths = [len(marker) for marker in clear_markers(rule)]
        odd = any(not (rule.min_length or 0) <= length <= (rule.max_length or length) for length in lengths)
        return texts | _length(rule.min_length or 0, rule.max_length) | {"error_type": "warning" if odd else "stop"}
    return texts | {"validate": "any"}


def _number(rule: FieldRule, cell: str, allowed: list[str]) -> dict[str, Any]:
    whole = rule.type == "integer"
    if not allowed and (rule.minimum is not None or rule.maximum is not None):
        bounds: dict[str, Any] = {"criteria": "between", "minimum": rule.minimum, "maximum": rule.maximum}
        if rule.maximum is None:
            bounds = {"criteria": ">=", "value": rule.minimum}
        elif rule.minimum is None:
            bounds = {"criteria": "<=", "value": rule.maximum}
        return {"validate": "integer" if whole else "decimal", **bounds}
    tests = [f"ISNUMBER({cell})"]
    tests += [f"{cell}=INT({cell})"] if whole else []
    tests += [f"{cell}>={rule.minimum}"] if rule.minimum is not None else []
    tests += [f"{cell}<={rule.maximum}"] if rule.maximum is not None else []
    # AND would also calculate INT of a marker, which is an error; IF stops before it.
    test = tests.pop()
    for before in reversed(tests):
        test = f"IF({before},{test},FALSE)"
    return {"validate": "custom", "value": f"=OR({','.join([*allowed, test])})" if allowed else f"={test}"}


def _length(least: int, most: int | None) -> dict[str, Any]:
    if most is None:
        return {"validate": "length", "criteria": ">=", "value": least}
    return {"validate": "length", "criteria": "between", "minimum": least, "maximum": most}


def _texts(name: str, message: str) -> dict[str, Any]:
    title, message = _cut(name, TITLE_MOST), _cut(message, MESSAGE_MOST)
    return {"input_title": title, "input_message": message, "error_title": title, "error_message": message}


def _cut(text: str, most: int) -> str:
    """At most so many characters, as Excel counts them: some as two."""
    if _units(text) <= most:
        return text
    while _units(text) >= most:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2
