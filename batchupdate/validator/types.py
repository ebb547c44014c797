"""Cells are text until the target says otherwise: from the text of a cell to the JSON value that is sent.

Nothing is guessed. What does not read as the declared type in exactly one way is refused with the way out, so that no
`1,234` becomes 1.234, and no date moves by a day.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from batchupdate.targets.field_help import pattern_help
from batchupdate.targets.fields import FALSE_WORDS, TRUE_WORDS
from batchupdate.targets.formats import FORMATS
from batchupdate.util.json import MOST_DIGITS, exact
from batchupdate.util.nearest import nearest
from batchupdate.util.regex import compile_search
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchupdate.targets import FieldRule

    Parse = Callable[[str], Any]

LISTED_AT_MOST = 10
_PER_CENT = "; write 50 % as 0.5, or as 50 if that is what the API wants"
_SAY_COMMA = "; or, if the whole file is written with commas, set 'decimal: \",\"' under 'input' in the config"
_texts_in_brackets = re.compile(r'\[\s*".*|.*"\s*\]\s*', re.DOTALL).fullmatch
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")
_whole = re.compile(r"[+-]?[0-9]+").fullmatch
_decimal = re.compile(r"([+-]?)0*([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?").fullmatch
_with_comma = re.compile(
    r"[+-]?[0-9]{1,3}(?:[., '\u2019\xa0\u202f][0-9]{3})*(?:[.,][0-9]+)?|[+-]?[0-9]+,[0-9]+"
).fullmatch
_either_way = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}").fullmatch
_comma_decimal = re.compile(
    r"([+-]?(?:[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?=,)|[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}))"
    r"(?:,([0-9]+))?([eE][+-]?[0-9]{1,4})?"
).fullmatch
_iso_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_iso_time = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-2][0-9]:[0-5][0-9])(:[0-5][0-9](?:\.[0-9]{1,9})?)?(Z|[+-][0-2][0-9]:?[0-5][0-9])?)?"
).fullmatch


class RefusedError(ValueError):
    """A cell that is not what its field wants; `code` is the problem's, the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parser(name: str, rule: FieldRule, decimal: str = ".") -> Parse | None:
    """What turns a cell's text into the field's value, or None for plain text, which pydantic checks by the batch.

    Args:
        name: of the field, for a sentence.
        rule: what the field may hold.
        decimal: the decimal separator of numbers: a point or a comma.

    The parser raises `RefusedError`.
    """
    if rule.type == "string":
        return None
    if rule.type == "number" and decimal == ",":
        return lambda cell: _number(name, rule, cell, _with_point(cell))
    if rule.type == "list":
        return _list(name, rule, decimal)
    if rule.type in _MAKERS:
        return _MAKERS[rule.type](name, rule)
    return partial(_PLAIN[rule.type], name, rule)


def _integer(name: str, rule: FieldRule, cell: str) -> int:
    if not _whole(cell):
        message = f"{quoted(cell)} is not a whole number such as 12"
        if _decimal(cell):
            message += "; remove the decimals or the exponent"
        raise RefusedError("not_an_integer", message)
    if len(cell) > MOST_DIGITS:
        raise RefusedError("too_long", f"{name} has {len(cell):,} digits, but at most {MOST_DIGITS:,} can be sent")
    number = int(cell)
    if rule.enum is not None and str(number) not in rule.enum:
        raise RefusedError("not_in_list", none_of(cell, rule.enum))
    _within(name, rule, number, cell)
    return number


def _with_point(cell: str) -> str:
    """A number with a decimal comma as one with a point.

    Points may part thousands where they can't be taken for anything else: `1.234,5` and `1.234.567`, but not `1.234`.
    """
    match = _comma_decimal(cell)
    if match:
        whole, decimals, exponent = match.groups()
        return f"{whole.replace('.', '')}{f'.{decimals}' if decimals else ''}{exponent or ''}"
    message = f"{quoted(cell)} is not a number such as 12,5"
    if cell.endswith("%"):
        message += _PER_CENT.replace(".", ",")
    elif _decimal(cell):
        other = f"{cell.replace('.', '')} or " if _either_way(cell) else ""
        message += f"; with 'decimal: \",\"' the decimal separator is a comma: write {other}{cell.replace('.', ',')}"
    else:
        message += "; with 'decimal: \",\"' write a comma before the decimals, and points or nothing between thousands"
    raise RefusedError("not_a_number", message)


def _number(name: str, rule: FieldRule, typed: str, cell: str | None = None) -> Any:  # noqa: ANN401 - an int, or a number with its digits
    """A number; `cell` is how it reads with a decimal point, if it is not typed so."""
    cell = typed if cell is None else cell
    match = _decimal(cell)
    if match is None:
        message = f"{quoted(cell)} is not a number such as 12.5"
        if cell.endswith("%"):
            message += _PER_CENT
        elif _with_comma(cell):
            message += "; write it with a point for the decimals, and nothing between thousands"
            message += _SAY_COMMA if _comma_decimal(cell) else ""
        raise RefusedError("not_a_number", message)
    sign, whole, decimals, exponent = match.groups()
    if len(cell) > MOST_DIGITS:
        raise RefusedError("too_long", f"{name} has {len(cell):,} digits, but at most {MOST_DIGITS:,} can be sent")
    _within(name, rule, Decimal(cell), typed)
    if decimals is None and exponent is None:
        return int(cell)
    return exact(
        f"{'-' if sign == '-' else ''}{whole}{f'.{decimals}' if decimals else ''}{f'e{exponent}' if exponent else ''}"
    )


def _within(name: str, rule: FieldRule, number: int | Decimal, cell: str) -> None:
    # A float's shortest text is what the declaration says; its binary value is not.
    if rule.minimum is not None and number < Decimal(str(rule.minimum)):
        raise RefusedError("too_small", f"{name} is {quoted(cell)}, but must be at least {rule.minimum}")
    if rule.maximum is not None and number > Decimal(str(rule.maximum)):
        raise RefusedError("too_large", f"{name} is {quoted(cell)}, but must be at most {rule.maximum}")


def _boolean(name: str, rule: FieldRule) -> Parse:
    words = dict.fromkeys((*TRUE_WORDS, *map(str.casefold, rule.true_words)), True)
    words |= dict.fromkeys((*FALSE_WORDS, *map(str.casefold, rule.false_words)), False)
    true = ", ".join(("true", "yes", "1", *rule.true_words))
    false = ", ".join(("false", "no", "0", *rule.false_words))

    def parse(cell: str) -> bool:
        value = words.get(cell.casefold())
        if value is None:
            message = f"{quoted(cell)} does not say whether {name} is true ({true}) or false ({false})"
            raise RefusedError("not_a_boolean", message)
        return value

    return parse


def _date(name: str, rule: FieldRule, cell: str) -> str:
    """An ISO 8601 calendar date. A time beside it is refused: to cut it off could change the day somewhere."""
    if _iso_date(cell):
        try:
            return datetime.strptime(cell, "%Y-%m-%d").date().isoformat()  # noqa: DTZ007 - a date has no time zone
        except ValueError:
            raise RefusedError("not_a_date", f"{quoted(cell)} is not a day in the calendar") from None
    for form in rule.input_formats:
        try:
            return datetime.strptime(cell, form).date().isoformat()  # noqa: DTZ007 - as above
        except ValueError:
            continue
    message = f"{quoted(cell)} is not a date such as 2026-11-21"
    if _iso_time(cell):
        message = f"{quoted(cell)} has a time of day, but {name} is a date; remove the time"
    raise RefusedError("not_a_date", message + _also(rule))


def _also(rule: FieldRule) -> str:
    if not rule.input_formats:
        return ""
    examples = [datetime(2026, 11, 21, 18, 45, tzinfo=UTC).strftime(form) for form in rule.input_formats]
    return f", or {' or '.join(examples)}"


def _datetime(name: str, rule: FieldRule) -> Parse:
    zone = ZoneInfo(rule.timezone) if rule.timezone not in {None, "required"} else None

    def parse(cell: str) -> str:
        """RFC 3339's form, section 5.6. A date alone is its midnight, for that is how workbooks hand it over."""
        day, minute, second, offset = _parts(cell, rule)
        try:
            moment = datetime.fromisoformat(f"{day}T{minute}")
        except ValueError:
            raise RefusedError("not_a_datetime", f"{quoted(cell)} is not a valid date and time") from None
        if not offset and rule.timezone == "required":
            raise RefusedError("no_time_zone", f"{quoted(cell)} has no time zone; add Z or an offset such as +01:00")
        if not offset and zone:
            offset = _offset(name, moment, zone, cell)
        if offset and offset != "Z" and ":" not in offset:
            offset = f"{offset[:3]}:{offset[3:]}"
        return f"{day}T{minute}{second}{offset}"

    return parse


def _parts(cell: str, rule: FieldRule) -> tuple[str, str, str, str]:
    """Day, hours and minutes, seconds with their colon, and offset, the last maybe empty."""
    match = _iso_time(cell)
    if match:
        day, minute, second, offset = match.groups()
        return day, minute or "00:00", second or ":00", offset or ""
    for form in rule.input_formats:
        try:
            read = datetime.strptime(cell, form)  # noqa: DTZ007 - its zone is looked at below
        except ValueError:
            continue
        text = read.isoformat()
        return text[:10], text[11:16], re.sub(r"[+-]..:..$", "", text[16:]), read.strftime("%z")
    raise RefusedError("not_a_datetime", f"{quoted(cell)} is not a time such as 2026-11-21T18:45:00{_also(rule)}")


def _offset(name: str, moment: datetime, zone: ZoneInfo, cell: str) -> str:
    """The zone's offset at a local time, which must exist there, and once (PEP 495)."""
    early, late = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        gap = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment
        what = "does not exist" if gap else "occurs twice"
        message = f"{quoted(cell)} {what} in {zone.key}, where the clocks change; add the offset of {name} behind it"
        raise RefusedError("no_time_zone", message)
    return early.isoformat()[-6:]


def _enum(_name: str, rule: FieldRule) -> Parse:
    values = rule.enum or ()
    known = {(value.casefold() if rule.ignore_case else value): value for value in values}

    def parse(cell: str) -> str:
        value = known.get(cell.casefold() if rule.ignore_case else cell)
        if value is None:
            raise RefusedError("not_in_list", none_of(cell, values))
        return value

    return parse


def none_of(cell: str, values: Sequence[str]) -> str:
    """A sentence for a cell that is none of the values, with the one that was probably meant."""
    listed = ", ".join(values[:LISTED_AT_MOST]) + (" and others" if len(values) > LISTED_AT_MOST else "")
    close = nearest(cell[:100], values)
    return f"{quoted(cell)} is none of: {listed}" + (f"; did you mean {close[0]}?" if close else "")


def item_parser(name: str, rule: FieldRule, decimal: str = ".") -> Parse:
    """What turns the text of one item of a list into its value; see `parser`. `rule` is the list's."""
    if rule.items is None:
        return str
    return parser(name, rule.items, decimal) or _text_item(rule.items)


def require_count(name: str, rule: FieldRule, count: int) -> None:
    """Sees to it that a list has as many items as it may have.

    Raises:
        RefusedError: they are too few or too many.
    """
    if rule.min_items is not None and count < rule.min_items:
        raise RefusedError("too_few", f"{name} has {count} items, but at least {rule.min_items} are needed")
    if rule.max_items is not None and count > rule.max_items:
        raise RefusedError("too_many", f"{name} has {count} items, but at most {rule.max_items} are allowed")


def _list(name: str, rule: FieldRule, decimal: str) -> Parse:
    parse_item, parse_json_item = item_parser(name, rule, decimal), item_parser(name, rule)

    def parse(cell: str) -> list[Any]:
        parts = _json_items(cell) if cell.lstrip().startswith("[") else None
        parse_part = parse_item if parts is None else parse_json_item
        if parts is None:
            parts = [part.strip() for part in cell.split(rule.separator)]
            if "" in parts:
                message = f"item {parts.index('') + 1} of {quoted(cell)} is empty; remove one {rule.separator!r}"
                raise RefusedError("bad_item", message)
        require_count(name, rule, len(parts))
        values = []
        for number, part in enumerate(parts, 1):
            try:
                values.append(parse_part(part))
            except RefusedError as error:
                raise RefusedError("bad_item", f"item {number}: {error}") from None
        return values

    return parse


def _json_items(cell: str) -> list[str] | None:
    """The items of a JSON array as texts, as the reader has them for values outside arrays; None if it is none."""
    try:
        items = json.loads(cell, parse_float=str, parse_int=str, parse_constant=int)  # which NaN and Infinity are not
    except (ValueError, RecursionError) as error:
        if not _texts_in_brackets(cell):
            return None  # such as [draft], red
        why = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deeply"
        raise RefusedError("bad_item", f"{quoted(cell)} looks like a JSON array, but is not one ({why})") from None
    if _HALF_OF_A_PAIR.search("".join(item for item in items if isinstance(item, str))):
        raise RefusedError("bad_item", f"{quoted(cell)} contains half of a character, such as \\ud800")
    texts: list[str] = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, str | bool):
            kind = "null" if item is None else "an array" if isinstance(item, list) else "an object"
            raise RefusedError(
                "bad_item", f"item {number} is {kind}; a list can contain texts, numbers, true and false"
            )
        texts.append(item if isinstance(item, str) else str(item).lower())
    return texts


def _text_item(rule: FieldRule) -> Parse:
    """One text of a list; there are too few of them to be worth a batch."""
    wanted: list[tuple[str, str]] = [FORMATS[rule.format]] if rule.format else []
    if rule.pattern:
        wanted.append((rule.pattern, pattern_help(rule)))
    patterns = [(compile_search(pattern), example) for pattern, example in wanted]

    def parse(text: str) -> str:
        if rule.max_length is not None and len(text) > rule.max_length:
            raise RefusedError(
                "too_long", f"{quoted(text)} has {len(text)} characters, but at most {rule.max_length} are allowed"
            )
        if rule.min_length is not None and len(text) < rule.min_length:
            raise RefusedError(
                "too_short", f"{quoted(text)} has {len(text)} characters, but at least {rule.min_length} are needed"
            )
        if rule.enum is not None and text not in rule.enum:
            raise RefusedError("not_in_list", none_of(text, rule.enum))
        for finder, example in patterns:
            if not finder(text):
                raise RefusedError("bad_format", f"{quoted(text)} is not {example}")
        return text

    return parse


def _json(name: str, rule: FieldRule, cell: str) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON text (RFC 8259), without NaN and doubled names, of which readers make different things."""
    try:
        value = json.loads(cell, parse_float=exact, parse_constant=_no_constant, object_pairs_hook=_once)
    except RefusedError:
        raise
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RefusedError("not_json", f"{name} is not JSON ({error.msg}, {place}): {quoted(cell)}") from None
    except (RecursionError, ValueError, OverflowError):  # it is nested too deeply, or has a number of too many digits
        raise RefusedError("not_json", f"{name} is nested too deeply, or contains a number that is too long") from None
    if rule.json_type and not isinstance(value, dict if rule.json_type == "object" else list):
        wanted = 'an object such as {"a": 1}' if rule.json_type == "object" else "an array such as [1, 2]"
        raise RefusedError("wrong_json_type", f"{quoted(cell)} is not {wanted}")
    if value is None and not rule.nullable:
        raise RefusedError("null_not_allowed", f"{name} can't be null; leave the cell blank to keep it as it is")
    if _HALF_OF_A_PAIR.search(json.dumps(value, ensure_ascii=False, default=str)):
        raise RefusedError("not_json", f"{name} contains half of a character, such as \\ud800")
    return value


def _no_constant(word: str) -> Any:  # noqa: ANN401 - never returns
    raise RefusedError("not_json", f"{word} is not JSON; write null or a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RefusedError("not_json", f"{quoted(twice)} occurs twice in one object; keep one of them")
    return made


_PLAIN: dict[str, Callable[[str, FieldRule, str], Any]] = {
    "integer": _integer,
    "number": _number,
    "date": _date,
    "json": _json,
}
_MAKERS: dict[str, Callable[[str, FieldRule], Parse]] = {
    "boolean": _boolean,
    "datetime": _datetime,
    "enum": _enum,
}
