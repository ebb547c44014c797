"""Cells that look valid but are wrong: what Excel, a wrong encoding or copy and paste have made of a text.

Such a cell is an error or a warning, depending on `input.strictness`; the table is in docs/mapping.md. Nearly every
column of a batch is proven harmless by a few searches over its joined text, so that only odd ones cost time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from batchupdate.model import Level
from batchupdate.util.regex import compile_search
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchupdate.targets import IdRule

Strictness = Literal["strict", "normal", "lenient"]
Kind = Literal["id", "ruled_id", "text", "other"]
"""What a column holds: an id that may be anything, one with a rule, text, or another type that is parsed anyway."""

LEVELS: dict[str, tuple[Level, Level, Level]] = {
    "id_as_number": (Level.ERROR, Level.ERROR, Level.WARNING),
    "mojibake": (Level.ERROR, Level.ERROR, Level.WARNING),
    "replacement_character": (Level.ERROR, Level.ERROR, Level.WARNING),
    "control_character": (Level.ERROR, Level.ERROR, Level.WARNING),
    "invisible_character": (Level.ERROR, Level.ERROR, Level.WARNING),
    "formula": (Level.ERROR, Level.ERROR, Level.WARNING),
    "number_rounded": (Level.ERROR, Level.WARNING, Level.WARNING),
    "number_format": (Level.ERROR, Level.WARNING, Level.WARNING),
    "trimmed": (Level.ERROR, Level.WARNING, Level.WARNING),
    "repeated_header": (Level.ERROR, Level.ERROR, Level.WARNING),
    "total_row": (Level.ERROR, Level.WARNING, Level.WARNING),
    "ruled_line": (Level.ERROR, Level.WARNING, Level.WARNING),
}
"""How much each weighs when strict, normal, lenient."""

# Invisible, and never intended at the ends of a cell: blanks other than the space bar's, and characters without
# any width (Unicode's general categories Zs and Cf).
_UNSEEN = "\u00a0\u00ad\u1680\u2000-\u200f\u2028\u2029\u202a-\u202f\u205f-\u2064\u2066-\u2069\u3000\ufeff"
_ends = re.compile(rf"\A *[{_UNSEEN}]|[{_UNSEEN}] *\Z").search
_leading = re.compile(rf"\A[ {_UNSEEN}]+")
_trailing = re.compile(rf"[ {_UNSEEN}]+\Z")
# No id begins or ends with white space of any kind, so there it counts as unseen, too; in a text it may be meant.
_id_ends = re.compile(rf"\A[\s{_UNSEEN}]|[\s{_UNSEEN}]\Z").search
_id_leading = re.compile(rf"\A[\s{_UNSEEN}]+")
_id_trailing = re.compile(rf"[\s{_UNSEEN}]+\Z")
_id_ends_within = re.compile(r"(?:\A|\|)\s|\s(?:\||\Z)").search
# Inside a text, blanks are typography, joiners (U+200C, U+200D) shape emoji and Persian, and marks of direction
# belong to Hebrew and Arabic.
_invisible = re.compile(
    r"[\u00ad\u200b\u2028\u2029\u2060-\u2064\ufeff]|(?<=[\x00-\x7f])[\u200c\u200d](?=[\x00-\x7f])"
).search
_direction = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]").search
_right_to_left = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]").search
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]").search
# What a spreadsheet program would take for a formula: `=` before a name, a number or a bracket, or a call after + - @
# (https://owasp.org/www-community/attacks/CSV_Injection). `=== x` and `- x` are what people write.
_FORMULA = r"[=\uff1d][ \t]*[-+@]?[\w(\"'$\[{]|[-+@\uff0b\uff0d\uff20][A-Za-z_][\w.]*\("
_formula = re.compile(rf"\s*(?:{_FORMULA})").match
_formula_within = re.compile(rf"(?:\A|\|)\s*(?:{_FORMULA})").search
_as_number = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+|[0-9]+\.0+").fullmatch
_as_number_within = re.compile(r"[0-9][eE][+-]?[0-9]|\.0").search
_rounded = re.compile(r"-?[1-9]\.[0-9]+E\+[0-9]{2,3}").fullmatch

# UTF-8 that was read as Windows-1252: a lead byte and its continuation bytes, as characters. Where the first alone
# could be meant (NESTLÉ®, « été… »), only several in a row count.
_C = "[" + bytes(range(0x80, 0xC0)).decode("cp1252", "ignore") + "\x80-\x9f]"
_mojibake = re.compile(
    f"(?:[\xc2-\xc5]{_C}|\xe2{_C}{{2}}|\xef\xbb\xbf|\xf0{_C}{{3}}"
    f"|(?:[\xc6-\xdf]{_C}){{2,}}|(?:[\xe0-\xef]{_C}{_C}){{2,}})+"
)
_CONTROL = bytes(code for code in range(0x80) if _control(chr(code)))
_odd = re.compile(rf"[{_UNSEEN}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]|[\xc2-\xf0]{_C}").search


class Suspicion(NamedTuple):
    """What is odd about one cell."""

    code: str
    message: str


def level_of(code: str, strictness: Strictness) -> Level:
    """How much it weighs."""
    return LEVELS[code][("strict", "normal", "lenient").index(strictness)]


def harmless(column: Sequence[str], kind: Kind) -> bool:
    """Whether nothing in a whole column is odd, at the cost of a few searches; False means: look closer."""
    text = "|".join(column)
    if text.isascii():
        data = text.encode()
        if len(data.translate(None, _CONTROL)) < len(data):  # a third of what `isprintable` or a pattern would cost
            return False
    elif _odd(text):
        return False
    if kind in {"id", "ruled_id"} and any(map(text.__contains__, " \t\n\r")) and _id_ends_within(text):
        return False
    if kind == "id":
        return not _as_number_within(text) and not _formula_within(text)
    if kind == "text":  # one character is found many times faster than two
        return not ("+" in text and "E+" in text) and not (_may_begin_formula(text) and _formula_within(text))
    return True


def _may_begin_formula(joined: str) -> bool:
    if not joined.isascii() or "(" in joined:
        return True
    if "=" not in joined:
        return False
    return "|=" in joined or "| " in joined or joined[0] in "= " or any(one in joined for one in "\n\t\r")


def suspicions(cell: str, kind: Kind) -> Iterator[Suspicion]:
    """What is odd about a cell whose ends are trimmed already."""
    if kind == "id" and _as_number(cell):
        yield as_number(cell)
    if kind in {"id", "text"}:
        yield from _damaged(cell)
    if kind == "text":
        yield from _unseen(cell)
        if _rounded(cell):
            message = f"{quoted(cell)} looks like a number that a spreadsheet program has rounded; enter all its digits"
            yield Suspicion("number_rounded", message)


def as_number(cell: str) -> Suspicion:
    """An id that was taken for a number; the original can't be recovered."""
    message = f"{quoted(cell)} looks like an id that a spreadsheet program took for a number"
    return Suspicion("id_as_number", f"{message}; format the column as text, and paste the ids again")


def _damaged(cell: str) -> Iterator[Suspicion]:
    if meant := read_right(cell):
        message = f"{quoted(cell)} looks like {quoted(meant)} read in the wrong encoding"
        yield Suspicion("mojibake", f"{message}; export the file as UTF-8 again, or correct the cell")
    if "\ufffd" in cell:
        message = f"{quoted(cell)} lost a character (shown as \ufffd) when it was saved; type it again"
        yield Suspicion("replacement_character", message)
    if _formula(cell):
        message = f"{quoted(cell)} is a formula, not its result; paste the value, or text that is no formula"
        yield Suspicion("formula", message)


def _unseen(cell: str) -> Iterator[Suspicion]:
    if match := _control(cell):
        message = (
            f"the cell contains a control character (U+{ord(match[0]):04X}) at position {match.start() + 1}; delete it"
        )
        yield Suspicion("control_character", message)
    match = _invisible(cell) or (None if _right_to_left(cell) else _direction(cell))
    if match:
        message = f"the cell contains an invisible character (U+{ord(match[0]):04X}) at position {match.start() + 1}"
        yield Suspicion("invisible_character", f"{message}; delete it, or type the text again")


def read_right(cell: str) -> str:
    """What a text was before its UTF-8 was read as Windows-1252; empty if it was not."""
    try:
        right = _mojibake.sub(lambda match: _bytes_of(match[0]).decode("utf-8"), cell)
    except UnicodeDecodeError:
        return ""
    return right if right != cell else ""


def _bytes_of(text: str) -> bytes:
    # The five bytes that Windows-1252 leaves open come over as the control characters of the same number.
    return b"".join(bytes([ord(one)]) if ord(one) < 0x100 else one.encode("cp1252") for one in text)  # noqa: PLR2004 - one byte


def trimmed(cell: str, kind: Kind = "text") -> str:
    """The cell without invisible characters at its ends, or an id without any white space there.

    A text that has no invisible characters at its ends keeps its ordinary spaces.
    """
    if kind in {"id", "ruled_id"}:
        return _id_trailing.sub("", _id_leading.sub("", cell)) if _id_ends(cell) else cell
    return _trailing.sub("", _leading.sub("", cell)) if _ends(cell) else cell


def trimmed_suspicion(cell: str, kept: str, *, stopped: bool) -> Suspicion:
    """A cell whose ends held something that can't be seen."""
    begin = cell.index(kept)
    ends = cell[:begin] + cell[begin + len(kept) :]
    codes = sorted({f"U+{ord(one):04X}" for one in ends if one != " "})
    unseen = f"invisible characters ({', '.join(codes)})" if codes else "blanks"
    return Suspicion(
        "trimmed", f"the cell starts or ends with {unseen}; {'remove them' if stopped else 'they are not sent'}"
    )


def lost_zeros(cell: str, rule: IdRule) -> str:
    """The id with the zeros that a spreadsheet program took off, if the id's rule wants them; empty if not."""
    if rule.pattern is None or not cell.isascii() or not cell.isdigit():
        return ""
    finder = compile_search(rule.pattern)
    padded = (cell.zfill(length) for length in range(len(cell) + 1, min(rule.max_length, 40) + 1))
    return next((text for text in padded if finder(text)), "")


def explained(cell: str, rule: IdRule) -> Suspicion | None:
    """Why an id that breaks its rule may look as it does."""
    if zeros := lost_zeros(cell, rule):
        message = f"{quoted(cell)} has lost its leading zeros and may have been {quoted(zeros)}"
        return Suspicion("lost_zeros", f"{message}; format the column as text, and paste the ids again")
    return as_number(cell) if _as_number(cell) else None
