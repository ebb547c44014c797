"""When two headings mean the same column, and what to say of a row that does not fit the headings.

The reader and the validator must agree on both, and on the codes of whole rows.
"""

from __future__ import annotations

import re

_IGNORED = re.compile(r"[\s_-]+")


def normalise_heading(text: str) -> str:
    """A heading as it is compared: without spaces, underscores and hyphens, and whatever its case.

    `Integration ID`, `integration_id` and `integrationId` are one heading.
    """
    return _IGNORED.sub("", text).casefold()


RAGGED = "ragged_row"
"""The code of a row with more or fewer cells than there are headings."""
HIDDEN_ROW = "hidden_row"
"""The code of a row that its spreadsheet does not show: hidden, filtered out, or in a folded group."""


_short_row = re.compile(r"the row has (\d+) cells, but the header row has \d+; is a line broken in two\?").search


def ragged_message(cells: int | str, headings: int, *, many: bool) -> str:
    """What to say of such a row, and the way out.

    Args:
        cells: how many it has.
        headings: how many there are.
        many: whether it has too many.
    """
    way_out = "put quotes around a cell that contains the delimiter" if many else "is a line broken in two?"
    return f"the row has {cells} cells, but the header row has {headings}; {way_out}"


def find_short_row(text: str) -> tuple[int, str] | None:
    """How many cells a row had that was too short, and the words of `ragged_message`, if a text contains them."""
    found = _short_row(text)
    return (int(found[1]), found[0]) if found else None
