"""A record's values as texts of cells, such that the reader and the validator make the same values of them again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchupdate.roundtrip.sheet import Form, PulledRow
from batchupdate.spreadsheet.reserved_columns import OLD_ABSENT, OLD_EMPTY, OLD_MARKERS, OLD_NULL
from batchupdate.validator.pulled_cells import PulledCell

if TYPE_CHECKING:
    from batchupdate.config import Input
    from batchupdate.roundtrip.sheet import Columns
    from batchupdate.targets import Record

LONGEST = {Form.XLSX: 32_767, Form.CSV: 131_072, Form.JSONL: 1 << 20}
"""Characters of a cell: what a workbook can hold, and what our own reader takes."""

_no_text = re.compile("[\0\ud800-\udfff]").search
_no_xml = re.compile("[\0\ud800-\udfff\ufffe\uffff]").search


class CellWriter:
    """Writes records of one sheet as rows of cells.

    Args:
        columns: of the sheet.
        form: what it is written as.
        options: the user's markers for null and empty; a value that looks like one can't be written.
    """

    def __init__(self, columns: Columns, form: Form, options: Input) -> None:
        self._columns = columns
        self._markers = {options.null_marker, options.empty_marker, *OLD_MARKERS}
        self._longest, self._odd = LONGEST[form], _no_xml if form is Form.XLSX else _no_text
        self._cells = {name: PulledCell(name, rule) for name, rule in zip(columns.fields, columns.rules, strict=True)}
        self._known = set(columns.old)
        self.unwritable = 0
        """Values that no cell can hold; theirs are blank, which leaves them as they are."""
        self.first_unwritable = ""
        self.seen: set[str] = set()
        """Fields that some record had."""

    def row(self, found: Record) -> PulledRow:
        """One record."""
        self.seen.update(found.fields)
        cells, old = [], []
        for name in self._columns.fields:
            unset = ("", OLD_ABSENT if name in found.absent else "")
            shown, before = self._cell(name, found) if name in found.fields else unset
            cells.append(shown)
            if name in self._known:
                old.append(before)
        return PulledRow(found.ids, tuple(cells), tuple(old), found.locked, found.version)

    def id_trouble(self, ids: tuple[str, ...]) -> bool:
        """Whether no cell can hold an id."""
        return any(self._odd(text) or len(text) > self._longest for text in ids)

    def _cell(self, name: str, found: Record) -> tuple[str, str]:
        """A value as it is shown, and as an old one; both blank where no cell can hold it."""
        text = self._cells[name].text(found.fields[name])
        if text in {OLD_NULL, OLD_EMPTY}:
            return "", text
        if text is None or self._odd(text) or len(text) > self._longest or text in self._markers:
            self.unwritable += 1
            self.first_unwritable = self.first_unwritable or f"{name} of {'/'.join(found.ids)}"
            return "", ""
        return text, text
