"""What was probably meant by a word that is none of the known ones."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ALIKE = 0.75
"""How alike two words must be for the one to be a slip of the other (difflib's ratio, 0 to 1).

Less alike are `force` and `rate` (0.44), `file` and `title` (0.67); more so `limt` and `limit`, `colour` and `color`.
"""

FEWEST = 3
"""Characters of which a name may be meant by its beginning."""


def nearest(word: str, names: Iterable[str], most: int = 1) -> list[str]:
    """The names that a word may have been meant to be, the likeliest first: they are alike, or begin with it.

    Letter case does not count. Dashes before an option make no two of them alike.
    """
    said = word.casefold().lstrip("-")
    folded = {name.casefold().lstrip("-"): name for name in names}
    alike = difflib.get_close_matches(said, folded, n=most, cutoff=ALIKE)
    begun = [text for text in folded if len(said) >= FEWEST and text.startswith(said)]
    return [folded[text] for text in dict.fromkeys([*alike, *begun])][:most]
