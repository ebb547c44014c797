"""Texts without their escapes, with the way back: for finding a word that may be written in another spelling."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_LEVELS = 4
"""A text can be escaped several times over, such as JSON within JSON within a URL."""

_CODE = "([2-7][0-9A-Fa-f])"
_ESCAPE = re.compile(
    rf"%{_CODE}"  # RFC 3986, section 2.1
    rf"|\\u00{_CODE}|\\x{_CODE}|\\([\"\\/'])"  # RFC 8259, section 7, and what programs' own notations add
    r"|&(?:#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6}|[A-Za-z]{2,8});"
)


@dataclass(frozen=True, slots=True)
class Unescaped:
    """A text of which escapes were resolved. `places` and `origins` say where pieces of it begin in both texts."""

    text: str
    places: Sequence[int] = (0,)
    origins: Sequence[int] = (0,)

    def origin(self, place: int) -> int:
        """Where in the text with its escapes that place is."""
        piece = bisect_right(self.places, place) - 1
        return self.origins[piece] + place - self.places[piece]


def has_escapes(text: str) -> bool:
    """Whether there may be escapes in a text: at a fraction of the cost of looking for them."""
    return "%" in text or "\\" in text or "&" in text


def unescaped(text: str) -> Unescaped | None:
    """A text with every escape of a printable ASCII character resolved once; None if it has none.

    Percent-encoding, JSON's and HTML's escapes are known.
    """
    pieces: list[str] = []
    places, origins = [0], [0]
    done = length = 0
    for match in _ESCAPE.finditer(text):
        character = _character(match)
        if not character:
            continue
        pieces += (text[done : match.start()], character)
        length += match.start() - done
        done = match.end()
        places += (length, length + 1)
        origins += (match.start(), done)
        length += 1
    if not pieces:
        return None
    pieces.append(text[done:])
    return Unescaped("".join(pieces), places, origins)


def _character(match: re.Match[str]) -> str:
    percent, unicode, short, itself = match.groups()
    if itself:
        return str(itself)
    code = percent or unicode or short
    character = chr(int(code, 16)) if code else html.unescape(match[0])
    return character if len(character) == 1 and character.isascii() and character.isprintable() else ""


def levels(text: str) -> Iterator[Sequence[Unescaped]]:
    """The text as it is, then with one level of escapes resolved, and so on.

    Each comes with the levels above it, itself last, so that a place in it can be followed back.
    """
    found = [Unescaped(text)]
    yield found
    for _ in range(MOST_LEVELS):
        deeper = unescaped(found[-1].text)
        if deeper is None:
            return
        found.append(deeper)
        yield found
