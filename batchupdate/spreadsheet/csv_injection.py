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


def guard(text: str) -> str:
    """The text as it is written to a report: with a leading apostrophe if a spreadsheet program might run it."""
    return GUARD + text if _risky(text) else text


def guard_all(texts: Sequence[str]) -> Sequence[str]:
    """`guard` for a whole row; most rows are proven harmless by their first characters alone."""
    return [guard(text) for text in texts] if _suspicious("".join([text[:1] for text in texts])) else texts


def unguard(text: str) -> str:
    """The text as it was before `guard`: `unguard(guard(text)) == text` for every text.

    An apostrophe that `guard` would not have written stays.
    """
    return text[1:] if text[:1] == GUARD and _risky(text, 1) else text


def guard_id(text: str) -> str:
    """An id as it is written to the column `_id`: guarded also if a spreadsheet program would make another id of it.

    The input's own columns are in a report as typed, `007` too. By the copy that survives, the reader knows an id
    that did not.
    """
    return GUARD + text if _is_fragile(text) else text


def unguard_id(text: str) -> str:
    """The id before `guard_id`: `unguard_id(guard_id(text)) == text` for every text."""
    return text[1:] if text[:1] == GUARD and _is_fragile(text) else text


def _is_fragile(text: str) -> bool:
    return _risky(text) is not None or may_be_retyped(text.lstrip(GUARD))
