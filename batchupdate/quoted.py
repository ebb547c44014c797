"""A text of the user's inside a sentence of ours."""

from __future__ import annotations


def quoted(text: str, length: int = 60) -> str:
    """The text in quotes, on one line, cut off where it is longer than so many characters."""
    return repr(text if len(text) <= length else f"{text[: length - 1]}…")
