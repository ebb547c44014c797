"""Headings that say whether they hold a field's present value or the one to be set: `Old name`, `New name`.

A word that stands first or last says so, in English or German (`Name (old)`, `Bisheriger Name`), unless the field
itself is called so.
"""

from __future__ import annotations

import re

from batchupdate.spreadsheet.headers import normalise_heading

_HUMP = re.compile(r"(?<=[a-zß-ÿ])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_PRESENT = re.compile(
    r"old|current|currently|previous|prev|former|existing|present|prior|before|original"
    r"|alt(?:e[rsnm]?)?|bisher(?:ige[rsnm]?)?|vorher(?:ige[rsnm]?)?|vorige[rsnm]?|aktuell(?:e[rsnm]?)?"
    r"|derzeit(?:ige[rsnm]?)?|jetzige[rsnm]?|ursprünglich(?:e[rsnm]?)?"
)
_NEW = re.compile(
    r"new|updated|changed|corrected|after|future|desired"
    r"|neu(?:e[rsnm]?)?|nachher|künftig(?:e[rsnm]?)?|zukünftig(?:e[rsnm]?)?|geändert(?:e[rsnm]?)?"
)


def says_present(heading: str, spelling: str) -> bool:
    """Whether a heading that may mean a field says that it holds the present value.

    Args:
        heading: as it stands in the file.
        spelling: one of the field's names, normalised.
    """
    return _says(_PRESENT, heading, spelling)


def says_new(heading: str, spelling: str) -> bool:
    """Whether a heading that may mean a field says that it holds the value that is to be set; see `says_present`."""
    return _says(_NEW, heading, spelling)


def without_new(heading: str) -> set[str]:
    """What a heading says besides that its values are new, normalised: `name` of `New name`, and of `Name (new)`."""
    words = words_of(heading)
    found = {normalise_heading("".join(words[1:]))} if words and _NEW.fullmatch(words[0].casefold()) else set()
    if words and _NEW.fullmatch(words[-1].casefold()):
        found.add(normalise_heading("".join(words[:-1])))
    return found - {""}


def _says(what: re.Pattern[str], heading: str, spelling: str) -> bool:
    words = [word.casefold() for word in words_of(heading)]
    ends = {words[0], words[-1]} if len(words) > 1 else set()
    return any(what.fullmatch(word) and not _in_name(word, words, spelling) for word in ends)


def _in_name(word: str, words: list[str], spelling: str) -> bool:
    """Whether the field itself is called so: `current_stage`, or `alt`."""
    return spelling.startswith(word) if word == words[0] else spelling.endswith(word)


def words_of(heading: str) -> list[str]:
    """The words of a heading: `new` and `Name` of `newName`."""
    return _WORD.findall(_HUMP.sub(" ", heading))
