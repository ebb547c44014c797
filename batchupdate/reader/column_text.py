"""A column of a pandas DataFrame as texts: what each value becomes, and which values have no text.

Nothing is guessed: a value of a type that is not listed here is a problem of its row. The table stands in
docs/pandas.md.
"""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd

from batchupdate.reader.value_to_text import text_of
from batchupdate.spreadsheet.typed_text import FloatText

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WHOLE_BELOW = 2.0**53
_DAY = 86_400
_SAY_VALUE = "store it as text, a number, a truth value, a date, or a list or dictionary of these"


class ValueWithoutText(NamedTuple):
    """A value that can't be taken as it is: its position in the column, from 0, and why; see `Problem`."""

    position: int
    code: str
    cell: str
    message: str


class _Refused(str):
    """What stands for a value without a text."""

    __slots__ = ("code", "message")

    code: str
    message: str


def _refused(cell: str, code: str, message: str) -> _Refused:
    text = _Refused(cell)
    text.code, text.message = code, message
    return text


def column_texts(values: pd.Series[Any]) -> tuple[Sequence[str], list[ValueWithoutText]]:
    """The texts of a column's values, and what is wrong with single ones.

    Text stays as it is. Whole numbers are their digits; so are floating-point numbers, marked as `FloatText`. NaN, NaT,
    None and pd.NA are blank. Categories count by their values. Everything else: see `text_of`.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.SparseDtype):
        values = pd.Series(values.to_numpy())
        dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _by_category(values)
    if isinstance(dtype, pd.StringDtype):
        return _sorted_out(values.fillna("").tolist())
    if dtype.kind in "iu":
        return ["" if value is pd.NA else str(value) for value in values.tolist()], []
    if isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M"):
        return _moments(values), []
    return _sorted_out(list(map(_float, _floats(values)) if dtype.kind == "f" else map(_text, values.tolist())))


def _moments(values: pd.Series[Any]) -> list[str]:
    """Dates and times as `_moment` writes them, in a twentieth of its time."""
    local = values.dt.tz_localize(None)
    texts = np.datetime_as_string(local.to_numpy()).tolist()
    if values.dt.tz is not None:
        offsets = (local - values.dt.tz_convert(None)).to_numpy().astype("timedelta64[s]").astype("int64").tolist()
        zones = {offset: _zone(timedelta(seconds=offset)) for offset in set(offsets) if abs(offset) < _DAY}
        return ["" if text == "NaT" else _trimmed(text) + zones[at] for text, at in zip(texts, offsets, strict=True)]
    return ["" if text == "NaT" else _trimmed(text).removesuffix("T00:00:00") for text in texts]


def _by_category(values: pd.Series[Any]) -> tuple[list[str], list[ValueWithoutText]]:
    """Each category has its text made once; code -1 is a missing value, and takes the blank at the end."""
    texts, refused = column_texts(values.cat.categories.to_series())
    every = [*texts, ""]
    reasons = {one.position: one for one in refused}
    codes = values.cat.codes.tolist()
    found = [reasons[code]._replace(position=at) for at, code in enumerate(codes) if code in reasons] if reasons else []
    return [every[code] for code in codes], found


def _sorted_out(texts: list[str]) -> tuple[list[str], list[ValueWithoutText]]:
    if not _is_plain(texts):
        texts = [_checked(text) for text in texts]
    refused = [(at, text) for at, text in enumerate(texts) if type(text) is _Refused]
    for at, text in refused:
        texts[at] = str(text)
    return texts, [ValueWithoutText(at, text.code, str(text), text.message) for at, text in refused]


def _is_plain(texts: Sequence[str]) -> bool:
    """Whether all of them can be written as UTF-8, and none holds a NUL; at the cost of one look at the whole."""
    joined = "".join(texts)
    if joined.isascii():
        return "\0" not in joined
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in joined


def _checked(text: str) -> str:
    if "\0" in text:
        return _refused(text.replace("\0", "\ufffd"), "unreadable_value", "holds a NUL character, which no text has")
    try:
        text.encode()
    except UnicodeEncodeError:
        plain = text.encode("utf-8", "replace").decode()
        return _refused(plain, "unreadable_value", "holds half of a surrogate pair, which is no character")
    return text


def _floats(values: pd.Series[Any]) -> list[float]:
    """A column's floating-point numbers, NaN where there is none; a short one by the shortest text that gives it."""
    dtype: Any = values.dtype
    array = values.to_numpy(dtype=getattr(dtype, "numpy_dtype", dtype), na_value=math.nan)
    if array.dtype.itemsize >= 8:  # noqa: PLR2004 - bytes of Python's own
        return list(map(float, array.tolist()))
    return [float(str(number)) for number in array]


def _float(value: float) -> str:
    if value != value:  # noqa: PLR0124 - the quickest way to tell NaN
        return ""
    if math.isinf(value):
        message = "is infinite, which no JSON number is; leave the cell blank, or give a number"
        return _refused(text_of(value), "infinite_number", message)
    if value.is_integer() and -_WHOLE_BELOW < value < _WHOLE_BELOW:
        return FloatText(int(value))
    return FloatText(repr(value) if abs(value) < _WHOLE_BELOW else text_of(value))


def _decimal(value: Decimal) -> str:
    if value.is_nan():
        return ""
    return format(value, "f") if value.is_finite() else _float(float(value))


def _moment(value: datetime) -> str:
    """ISO 8601; without a time at midnight, as `text_of` has it, or with its zone's offset, Z for UTC."""
    zone = value.utcoffset()
    moment = _trimmed(value.replace(tzinfo=None).isoformat())
    return moment.removesuffix("T00:00:00") if zone is None else moment + _zone(zone)


def _trimmed(moment: str) -> str:
    """A time without the zeros at the end of its fraction of a second."""
    return moment.rstrip("0").removesuffix(".") if "." in moment else moment


def _zone(offset: timedelta) -> str:
    """A zone's offset as ISO 8601 has it: Z for UTC, or such as +01:00."""
    if not offset:
        return "Z"
    minutes, seconds = divmod(round(abs(offset.total_seconds())), 60)
    sign = "-" if offset < timedelta() else "+"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}{f':{seconds:02}' if seconds else ''}"


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_within_json)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"can't be written as JSON ({error}); {_SAY_VALUE}"
        return _refused(f"<{type(value).__name__}>", "unreadable_value", message)


def _within_json(value: object) -> object:
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return value.tolist()
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, Decimal | date | time | timedelta | UUID):
        return _decimal(value) if isinstance(value, Decimal) else text_of(value)
    if value is pd.NA:
        return None
    raise TypeError(f"it holds a value of the type {type(value).__name__}")


def _other(value: Any) -> str:  # noqa: ANN401 - anything can stand in a column of objects
    """A value whose very type is not in the table: one of numpy's or pandas's own, or a kind of a plain one."""
    if value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, np.floating):
        return _float(float(str(value)))
    if isinstance(value, np.datetime64):
        return _text(pd.Timestamp(value))
    if isinstance(value, np.generic | np.ndarray):
        return _text(value.tolist())
    for kind, text in _TEXT_OF.items():
        if isinstance(value, kind):
            return text(value)
    name = type(value).__name__
    return _refused(f"<{name}>", "unreadable_value", f"is a value of the type {name}, which has no text; {_SAY_VALUE}")


def _text(value: object) -> str:
    return _TEXT_OF.get(type(value), _other)(value)


_TEXT_OF: dict[type, Callable[[Any], str]] = {
    str: str,
    type(None): lambda _: "",
    bool: text_of,
    int: str,
    float: _float,
    Decimal: _decimal,
    datetime: _moment,
    date: text_of,
    time: text_of,
    timedelta: text_of,
    UUID: str,
    list: _json,
    tuple: _json,
    dict: _json,
}
"""What makes the text of a value of a type. The first type of which a value is an instance decides, so that `bool`
stands before `int`, and `datetime` before `date`."""
