"""Text files with a delimiter: csv, tsv and their relatives, streamed through the csv module."""

from __future__ import annotations

import csv
import io
import sys
from itertools import islice
from typing import TYPE_CHECKING

from batchupdate.errors import InputError
from batchupdate.model import Level
from batchupdate.reader import csv_dialect
from batchupdate.reader.encoding import encoding_notice, find_encoding, open_text
from batchupdate.reader.records import CellProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from batchupdate.reader.records import ReadOptions


class CsvRecords:
    """One open text file; see `Records`."""

    def __init__(self, path: Path, options: ReadOptions, source: str) -> None:
        delimiter = csv_dialect.given_delimiter(options.delimiter) if options.delimiter is not None else None
        found = find_encoding(path, options.encoding, source)
        with open_text(path, found.name) as text:
            sample = text.read(csv_dialect.SAMPLE_CHARACTERS)
        guessed, self._skip = csv_dialect.find_delimiter(sample, max(options.header_row or 1, 1))
        self._path = path
        self._source = source
        self.format = "csv"
        self.encoding: str | None = found.name
        self._delimiter = delimiter or guessed
        self.delimiter: str | None = self._delimiter
        self.sheet: str | None = None
        self.columns_before = 0
        self.first_number = 1
        self.typed = False
        self.hidden_columns: Collection[int] = ()
        self.notices: tuple[str, ...] = ()
        if found.guessed:
            self.notices = (encoding_notice(path, found, self._delimiter, self._skip),)
        self._skip_blanks = csv_dialect.has_blanks_before_quotes(sample, self._delimiter)
        if self._skip_blanks:
            self.notices += ("Blanks before a cell are left out, because blanks stand before quotes in this file.",)
        self._late: list[CellProblem] = []
        self._proven = csv_dialect.count_records(io.StringIO(sample, newline=""), self._delimiter) - 1 - self._skip
        if self._skip_blanks or len(sample) < csv_dialect.SAMPLE_CHARACTERS:
            self._proven = sys.maxsize

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The records from the first on; a record is a row, however many lines it has."""
        with open_text(self._path, self.encoding or "utf-8") as text:
            for _ in range(self._skip):
                text.readline()
            reader = csv.reader(text, delimiter=self._delimiter, skipinitialspace=self._skip_blanks, strict=True)
            rows = 0
            while True:
                chunk: list[list[str]] = []
                try:
                    # On an error, extend keeps what came before it, which gives the number of the bad row.
                    chunk.extend(islice(reader, size))
                except csv.Error as error:
                    raise self._broken(error, rows + len(chunk) + 1, reader.line_num + self._skip) from error
                if not chunk:
                    return
                self._late = list(_late_quotes(chunk, rows + 1)) if rows + len(chunk) > self._proven else []
                rows += len(chunk)
                yield chunk

    def problems(self, first: int, last: int) -> Sequence[CellProblem]:
        """Cells with a blank before their quote, below the rows in which the dialect has been looked for."""
        return [one for one in self._late if first <= one.row <= last and one.row > self._proven]

    def close(self) -> None:
        """The file is open during a pass only."""

    def _broken(self, error: csv.Error, row: int, line: int) -> InputError:
        text = str(error)
        place = f"{self._source}: row {row:,}"
        if "unexpected end" in text:
            return InputError(
                f'{place}: a quoted cell begins here and never ends: its closing quote (") is missing.',
                "Close it; a quote that belongs to the text is written twice, and its cell in quotes.",
            )
        if "expected after" in text:
            return InputError(
                f'{place} (line {line:,} of the file): there is text after a closing quote (").',
                "A quote that belongs to the text is written twice, and its cell in quotes; if the columns are "
                "separated another way, say --delimiter.",
            )
        if "field limit" in text:
            return InputError(
                f"{place}: a cell is longer than {csv.field_size_limit():,} characters.",
                'Shorten it. If no cell is that long, a closing quote (") is missing in this row.',
            )
        return InputError(f"{place} (line {line:,} of the file) can't be read: {text}.", "Correct this row.")


def _late_quotes(rows: list[list[str]], first: int) -> Iterator[CellProblem]:
    if '"' not in "".join(map("".join, rows)):
        return
    for number, cells in enumerate(rows, first):
        for place, cell in enumerate(cells):
            if '"' in cell and csv_dialect.begins_before_quote(cell):
                message = "begins with a blank before its quote, which then counts as text; delete the blank"
                yield CellProblem(number, place, "blank_before_quote", cell, message, Level.ERROR)
