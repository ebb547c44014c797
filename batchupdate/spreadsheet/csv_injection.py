"""Keeps a cell of a report from being run as a formula, and takes that mark off again when the report is read.

The reporter adds the guard and the reader removes it, so both rules are here, side by side. The list of dangerous
first characters is OWASP's (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchupdate.spreadsheet.coercion import may_be_retyped

if TYPE_CHECKING:
    from collections.abc import Sequence

GUARD = "'"

# White space and apostrophes may precede the dangerous character: spreadsheet programs skip the first, and a
# text that looks guarded already must get one guard more, or it would come back changed.
_risky = re.compile(r"[\s']*[=+\-@\t\r\n＝＋－＠]").match  # noqa: RUF001 - the full-width forms are meant
_suspicious = re.compile(r"[\s'=+\-@＝＋－＠]").search  # noqa: RUF001 - as above


# Where a spreadsheet program separates cells by semicolons or tabs, as it does where a comma is in numbers, a quote
# protects nothing that does not stand at the beginning of such a cell. So one can begin within each of our cells.
_risky_inside = re.compile(r"(?<=[;\t\r\n])(?=(?:[^\S\t\r\n]|')*[=+\-@＝＋－＠])")  # noqa: RUF001 - as above
_guarded_inside = re.compile(r"(?<=[;\t\r\n])'(?=(?:[^\S\t\r\n]|')*[=+\-@＝＋－＠])")  # noqa: RUF001 - as above
_separated = re.compile(r"[;\t\r\n]").search


def guard(text: str) -> str:
    """The text as it is written to a report: with an apostrophe before all that a spreadsheet program might run.

    That is the beginning of the text, and what follows a semicolon, a tab or the end of a line in it.
    """
    if _separated(text):
        text = _risky_inside.sub(GUARD, text)
    return GUARD + text if _risky(text) else text


def guard_all(texts: Sequence[str]) -> Sequence[str]:
    """`guard` for a whole row; most rows are proven harmless by their first characters and separators alone."""
    if _suspicious("".join([text[:1] for text in texts])) or _separated(" ".join(texts)):
        return [guard(text) for text in texts]
    return texts


def unguard(text: str) -> str:
    """The text as it was before `guard`: `unguard(guard(text)) == text` for every text.

    An apostrophe that `guard` would not have written stays.
    """
    text = text[1:] if text[:1] == GUARD and _risky(text, 1) else text
    return _guarded_inside.sub("", text) if _separated(text) else text


def guard_id(text: str) -> str:
    """An id as it is written to the column `_id`: guarded also if a spreadsheet program would make another id of it.

    The input's own columns are in a report as typed, `007` too. By the copy that survives, the reader knows an id
    that did not.
    """
    return GUARD + text if _is_retyped(text) else guard(text)


def unguard_id(text: str) -> str:
    """The id before `guard_id`: `unguard_id(guard_id(text)) == text` for every text."""
    return text[1:] if text[:1] == GUARD and _is_retyped(text) else unguard(text)


def _is_retyped(text: str) -> bool:
    """Whether a spreadsheet program would make another text of an id, guarded or not, that it would not run."""
    return _separated(text) is None and _risky(text) is None and may_be_retyped(text.lstrip(GUARD))
