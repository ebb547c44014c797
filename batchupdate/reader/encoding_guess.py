"""Whether a text file that is not UTF-8 reads as plausible Windows-1252, and what else it may be.

The second through charset-normalizer; this is the only file that knows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_BYTES = 1 << 16
"""About so much of what is beyond ASCII is looked at."""
CHUNK_BYTES = 1 << 18

MOST_ODD = 0.2
"""A text of which a larger share of the runs beyond ASCII is odd is not plausible; a few can always be meant."""

CANDIDATES = [
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "koi8_r",
    "gb18030",
    "big5",
    "cp932",
    "euc_jp",
    "cp949",
    "mac_roman",
    "mac_cyrillic",
    "cp850",
    "cp866",
]
"""What programs still write where they don't write UTF-8 or Windows-1252."""

_UPPER, _LOWER = "\u00c0-\u00d6\u00d8-\u00de\u0160\u017d\u0152\u0178", "\u00df-\u00f6\u00f8-\u00ff\u0161\u017e\u0153"
_LETTER = f"A-Za-z{_UPPER}{_LOWER}"
_SIGN = (
    "\u00a1-\u00a6\u00a8-\u00aa\u00ac\u00af\u00b1-\u00b4\u00b6\u00b8\u00b9\u00bc-\u00bf"
    "\u0192\u02c6\u02dc\u201a\u201e\u2020-\u2022\u2030\u2039\u203a\u20ac"
)
_separators = re.compile(rb"[,;\t\r\n]").split
"""These bytes are no part of any character in any of the encodings; a pipe can be."""
_runs = re.compile("[^\\x00-\\x7f]+").findall
# What Western text hardly ever has: three letters with accents in a row, a capital with an accent behind a small
# letter, a sign inside a word, an opening sign behind one, and signs in a row.
_odd = re.compile(
    f"[{_UPPER}{_LOWER}]{{3,}}"
    f"|(?<=[a-z{_LOWER}])[{_UPPER}]"
    f"|(?<=[{_LETTER}])[{_SIGN}\u00a7](?=[{_LETTER}])"
    f"|(?<=[{_LETTER}])[\u201a\u201e\u02c6\u00a1\u00bf\u00a8\u00af\u00b8\u02dc]"
    f"|[{_SIGN}]{{2,}}"
    f"|[{_SIGN}][{_UPPER}{_LOWER}]|[{_UPPER}{_LOWER}][{_SIGN}]"
).findall


def beyond_ascii(path: Path) -> bytes:
    """The first cells with bytes beyond ASCII, one a line.

    Ids and the like are left out, for they would outweigh the few words that say what the text is.
    """
    found: list[bytes] = []
    size = 0
    rest = b""
    with path.open("rb") as file:
        while size < SAMPLE_BYTES:
            chunk = file.read(CHUNK_BYTES)
            *cells, rest = _separators(rest + chunk)
            odd = [cell for cell in (cells if chunk else [*cells, rest]) if not cell.isascii()]
            found += odd
            size += sum(map(len, odd))
            if not chunk:
                break
    return b"\n".join(found)


def is_plausible(text: str) -> bool:
    """Whether what was read as Windows-1252 looks like the text of a Western language."""
    runs = _runs(text)
    return len(_odd(text)) <= MOST_ODD * len(runs)


def likely_encoding(data: bytes) -> str | None:
    """What else the text may be written in, as Python names it; None where nothing is likely."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only files that are no UTF-8 need it

    best = from_bytes(data, cp_isolation=CANDIDATES).best()
    return best.encoding if best is not None else None
