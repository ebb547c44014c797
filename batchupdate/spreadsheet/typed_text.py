"""Texts of cells that are no texts in their source: numbers, dates and truth values, whose digits may be lost."""

from __future__ import annotations


class TypedText(str):
    """The text of a cell that is no text in its source, so that an id that once stood there may be lost.

    A reader marks cells so, by the classes below, and the validator decides: it depends on what the column sets.
    """

    __slots__ = ()


class FloatText(TypedText):
    """A binary floating-point number, which has lost its leading zeros, and all digits beyond the 15th or so.

    It may set a number; that it names a record, or is a text, has to be refused (`id_as_number`).
    """

    __slots__ = ()


class LongNumberText(TypedText):
    """A number of a workbook that needs more than the 15 digits that spreadsheet programs keep."""

    __slots__ = ()


class ShownText(TypedText):
    """What a workbook shows of a number, where its format makes an id or a text of it: `00501` of 501.

    `number` is the number's own text, for a column that sets a number.
    """

    __slots__ = ("number",)

    number: str

    @classmethod
    def of(cls, shown: str, number: str) -> ShownText:
        """The text that is shown of a number."""
        text = cls(shown)
        text.number = number
        return text


class FormattedText(TypedText):
    """A number that a workbook shows in some other way than by its digits: `1,50 €`, `50 %`."""

    __slots__ = ()


class DateText(TypedText):
    """A date, a time or a duration of a workbook."""

    __slots__ = ()


class FormattedDateText(DateText):
    """A date, a time or a duration that a workbook shows in some other way: `1-Mar`, `01.03.2026`, `12:30 PM`.

    `seen` is what it shows, or '' where that is not known; `code` is the format then, or ''.
    """

    __slots__ = ("code", "seen")

    seen: str
    code: str

    @classmethod
    def of(cls, text: str, seen: str, code: str) -> FormattedDateText:
        """The text of a date, and how it is shown."""
        made = cls(text)
        made.seen, made.code = seen, code
        return made


class TruthText(TypedText):
    """A truth value of a workbook."""

    __slots__ = ()
