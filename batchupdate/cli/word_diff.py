"""Two texts as one, with the words that go and the words that come: in colour, or marked as `git --word-diff` does."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

GONE, NEW = "red strike", "green underline"
MOST_WORDS = 400
"""With more words from the first to the last that differ, both texts stand side by side; it would be slow."""
LEAST_COMMON = 0.5
"""Of the shorter text's letters, as many must stay for its changed words to be marked inside it."""
CONTEXT = 24
"""Characters that are shown before and after a change."""

# An escape stays whole. Han, kana and Hangul have no blanks between words, so each of their characters is one.
_IDEOGRAPHS = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORDS = re.compile(rf"\\(?:x..|u.{{4}}|U.{{8}}|.)|[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+|\s+|.", re.DOTALL)
_MARKS = ("[-", "-]", "{+", "+}")


class _Piece(NamedTuple):
    gone: str = ""
    new: str = ""
    same: str = ""


def difference(old: str, new: str, *, colour: bool, most: int) -> Text | None:
    """The new text with what has changed in it, cut around the changes.

    Args:
        old: the text before.
        new: the text after; both are free of control characters.
        colour: whether changes are shown by style; otherwise as `[-gone-]` and `{+new+}`.
        most: characters that it may have.

    Returns:
        None where too little stays, or it would be too long or ambiguous, for this to be easier to read than both.
    """
    from rich.text import Text

    if not colour and any(mark in text for text in (old, new) for mark in _MARKS):
        return None
    if (pieces := _pieces(old, new)) is None:
        return None
    said = Text()
    for at, piece in enumerate(pieces):
        said.append(_shortened(piece.same, first=at == 0, last=at == len(pieces) - 1))
        for text, style, (before, after) in ((piece.gone, GONE, ("[-", "-]")), (piece.new, NEW, ("{+", "+}"))):
            if text:
                said.append(text if colour else f"{before}{text}{after}", style if colour else "")
    return said if len(said) <= most else None


def around(old: str, new: str, most: int) -> tuple[str, str]:
    """Both texts, cut to so many characters each, from a little before the first that differs."""
    start = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), None)
    start = min(len(old), len(new)) if start is None else start
    return _window(old, start, most), _window(new, start, most)


def _window(text: str, start: int, most: int) -> str:
    if len(text) <= most:
        return text
    first = max(0, min(start - CONTEXT, len(text) - most + 1))
    head = "…" if first else ""
    tail = "…" if first + most - len(head) < len(text) else ""
    return f"{head}{text[first : first + most - len(head) - len(tail)]}{tail}"


def _pieces(old: str, new: str) -> Sequence[_Piece] | None:
    """What stays, goes and comes, in order."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    head = _alike(before, after)
    before, after = before[len(head) :], after[len(head) :]
    tail = _alike(before[::-1], after[::-1])[::-1]
    before, after = before[: len(before) - len(tail)], after[: len(after) - len(tail)]
    if max(len(before), len(after)) > MOST_WORDS:
        return None
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    ends = [[_Piece(same="".join(words))] if words else [] for words in (head, tail)]
    pieces = [*ends[0], *_joined(matcher, before, after), *ends[1]]
    common = sum(map(_letters, (piece.same for piece in pieces)))
    return pieces if common and common >= LEAST_COMMON * min(_letters(old), _letters(new)) else None


def _alike(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The words with which both begin."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    return [word for word, _ in pairs]


def _joined(matcher: SequenceMatcher[str], before: Sequence[str], after: Sequence[str]) -> Iterator[_Piece]:
    """The pieces; blanks that stay between two changes belong to them, so that a phrase is marked as one."""
    gone, new = "", ""
    codes = matcher.get_opcodes()
    for at, (what, first, last, left, right) in enumerate(codes):
        text = "".join(before[first:last])
        if what != "equal":
            gone, new = gone + text, new + "".join(after[left:right])
        elif text.isspace() and 0 < at < len(codes) - 1:
            gone, new = gone + text, new + text
        else:
            if gone or new:
                yield _Piece(gone, new)
                gone, new = "", ""
            yield _Piece(same=text)
    if gone or new:
        yield _Piece(gone, new)


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def _shortened(text: str, *, first: bool, last: bool) -> str:
    """A piece that stays, of which only what is near a change is shown."""
    before, after = (0 if first else CONTEXT), (0 if last else CONTEXT)
    if len(text) <= before + after + CONTEXT:
        return text
    return f"{text[:before]}…{text[len(text) - after :]}"
