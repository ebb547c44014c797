"""Finds out what separates the columns of a text file, from its first rows."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import TYPE_CHECKING

from batchupdate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE_CHARACTERS = 1 << 16

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_WORDS = {**DELIMITERS, r"\t": "\t"}
_NOTHING = "".join(DELIMITERS.values()) + " \r\n"
_COLUMNS_OF_TEXTS = 2
_BLANKS = (" ", "\t", "\u00a0")
_SEP_LINE = re.compile(r'\ufeff?"?sep=([^\w\s"]|\t)"?(?:\r\n|\r|\n|$)', re.IGNORECASE)


def count_records(lines: Iterator[str], delimiter: str) -> int:
    """How many records the text has, as far as it can be read."""
    rows = 0
    try:
        for _ in csv.reader(lines, delimiter=delimiter):
            rows += 1
    except csv.Error:
        rows += 1
    return rows


def given_delimiter(given: str) -> str:
    r"""What the user said as --delimiter: one character, or `comma`, `semicolon`, `tab`, `pipe` or `\t`.

    Raises:
        InputError: it is none of these.
    """
    delimiter = _WORDS.get(given.lower(), given)
    if len(delimiter) != 1 or delimiter in '"\r\n\0 ':
        raise InputError(
            f"{given!r} can't be a delimiter.", "Give one character, or one of: comma, semicolon, tab, pipe."
        )
    return delimiter


def find_delimiter(sample: str, header_row: int = 1) -> tuple[str, int]:
    """Finds out what separates the columns, from a file's first characters.

    Args:
        sample: the first characters.
        header_row: number of the row with the headings; what stands above it tells nothing.

    Returns:
        The delimiter, and how many lines to skip: 1 where the file begins with Excel's `sep=;` line, which Excel
        reads but does not show.
    """
    sep = _SEP_LINE.match(sample)
    if sep is not None:
        return sep[1], 1
    found = max(DELIMITERS.values(), key=lambda delimiter: _fit(sample, delimiter, header_row))
    if header_row == 1 and _fit(sample, found)[0] == 0:
        # The first row may be a title. A comma between two halves of a text does not make columns.
        wide = [delimiter for delimiter in DELIMITERS.values() if _usual_width(sample, delimiter) > _COLUMNS_OF_TEXTS]
        found = max(wide, key=lambda delimiter: _usual_width(sample, delimiter), default=found)
    return found, 0


def has_blanks_before_quotes(sample: str, delimiter: str) -> bool:
    """Whether cells are written `k1, "Ann"`: a blank between the delimiter and the quote of a cell.

    A blank inside the quotes looks the same once it is read, but stays there when blanks before a cell are skipped.
    """
    kept, skipped = (_blank_before_quote(sample, delimiter, skip=skip) for skip in (False, True))
    return skipped < kept


def _blank_before_quote(sample: str, delimiter: str, *, skip: bool) -> int:
    """How many cells begin with a blank and a quote."""
    found = 0
    try:
        for cells in csv.reader(
            io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=skip, strict=skip
        ):
            found += sum(map(begins_before_quote, cells))
    except csv.Error:
        pass  # the sample may end inside a quoted cell
    return found


def begins_before_quote(cell: str) -> bool:
    """Whether a cell begins with a blank and a quote, so that the quote counts as text."""
    return cell[:1] in _BLANKS and cell.lstrip().startswith('"')


def _widths(sample: str, delimiter: str, header_row: int = 1) -> list[int]:
    """How many columns each row has that is not blank, from the header on."""
    widths: list[int] = []
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True)
        for row in islice(reader, header_row - 1, None):
            widths += [len(row)] if "".join(row).strip(_NOTHING) else []
    except csv.Error:
        pass  # the sample may end inside a quoted cell
    else:
        if len(sample) >= SAMPLE_CHARACTERS and len(widths) > 1:
            widths.pop()
    return widths


def _usual_width(sample: str, delimiter: str) -> int:
    """How many columns nearly all rows have; 0 where they differ."""
    widths = _widths(sample, delimiter)
    usual = max(widths, key=widths.count, default=0)
    return usual if widths.count(usual) * 4 >= len(widths) * 3 or widths[-3:] == [usual] * 3 else 0


def _fit(sample: str, delimiter: str, header_row: int = 1) -> tuple[float, float]:
    """How well a delimiter explains the sample: columns in the header, times the share of rows that have as many.

    Where none occurs in the header, there is one column, and the delimiter that occurs in no cell is best.
    """
    widths = _widths(sample, delimiter, header_row)
    if not widths:
        return 0.0, 0.0
    share = widths.count(widths[0]) / len(widths)
    return (widths[0] - 1) * share, share
