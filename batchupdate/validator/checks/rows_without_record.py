"""Rows that stand for no record: the headings again, a total, or a rule of dashes."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING

from batchupdate.model import Problem
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.util.text import quoted
from batchupdate.validator.checks.suspicious_text import level_of
from batchupdate.validator.columns.field_names import spellings

if TYPE_CHECKING:
    from batchupdate.model import Row
    from batchupdate.targets import Target
    from batchupdate.validator.batch import Batch
    from batchupdate.validator.checks.suspicious_text import Strictness
    from batchupdate.validator.columns.column_map import ColumnMap

_WORDS = (
    r"(?:(?:grand|sub|zwischen|gesamt|sous|общий|промежуточный)[ -]?)?"
    "(?:totals?|sum|summe|gesamt|insgesamt|totaal|totale|totaux|somme|suma|soma|итого|всего|合计|总计|合計)"
)
_SIGNS = r"[-=_*~.+|\u2010-\u2015\u2500-\u257f]{2,}"
# The word alone, or before what it counts: "Total:", "Grand total", "Total (3)", "Total 12.50".
_total = re.compile(rf"{_WORDS}(?:[:\s].*)?", re.IGNORECASE | re.DOTALL).fullmatch
_rule = re.compile(_SIGNS).fullmatch
_total_or_rule_within = re.compile(rf"^\s*(?:{_SIGNS}|{_WORDS})", re.IGNORECASE | re.MULTILINE).search


class RowsWithoutRecord:
    """Stops rows in which the headings stand again, and warns of totals and rules of dashes.

    Such rows come from joined exports, second rows of labels, and reports. In each of them, the id's own cell gives it
    away; a record that is called "Name" or "Total" passes.
    """

    def __init__(self, target: Target, columns: ColumnMap, strictness: Strictness) -> None:
        self._strictness = strictness
        own = [mapped for mapped in columns.mapped if mapped.index < columns.width]
        self._headings = {mapped.index: mapped.heading for mapped in own}
        said = [(normalise_heading(text), name) for text, name in spellings(target)]
        names = {
            mapped.index: frozenset(
                [normalise_heading(mapped.heading), *(text for text, name in said if name == mapped.field)]
            )
            for mapped in own
        }
        self._ids = [(mapped.index, names[mapped.index]) for mapped in own if mapped.field in target.id]
        self._fields = [(mapped.index, names[mapped.index]) for mapped in own if mapped.field not in target.id]

    def __call__(self, batch: Batch) -> None:
        """See `Check`."""
        if not self._ids:  # all of the id is computed
            return
        place, names = self._ids[0]
        column = list(map(itemgetter(place), batch.cells))
        joined = "\n".join(column)  # one search over it proves most batches free of such rows
        if _may_say(joined, names):
            self._find_headings(batch)
        if _total_or_rule_within(joined):
            for row, cell in zip(batch.rows, column, strict=True):
                self._find_others(batch, row, cell.strip(), self._headings[place])

    def _find_headings(self, batch: Batch) -> None:
        for row, cells in zip(batch.rows, batch.cells, strict=True):
            if not all(_says(cells[place], names) for place, names in self._ids):
                continue
            filled = [_says(cells[place], names) for place, names in self._fields if cells[place].strip()]
            if any(filled) and 2 * sum(filled) >= len(filled):
                place = self._ids[0][0]
                message = f"{quoted(cells[place])} is a heading, as are the row's other cells; delete the row"
                level = level_of("repeated_header", self._strictness)
                problem = Problem("repeated_header", row.number, self._headings[place], cells[place], message, level)
                batch.problems.add_and_close_row(problem)

    def _find_others(self, batch: Batch, row: Row, cell: str, heading: str) -> None:
        if _rule(cell):
            code, message = "ruled_line", f"{quoted(cell)} looks like a rule between rows, not like an id"
        elif _total(cell):
            code, message = "total_row", f"{quoted(cell)} looks like the label of a total, not like an id"
        else:
            return
        level = level_of(code, self._strictness)
        message = f"{message}; delete the row if it is no record"
        batch.problems.add(Problem(code, row.number, heading, cell, message, level))


def _may_say(joined: str, names: frozenset[str]) -> bool:
    """Whether one of a whole column's cells can say what its heading says."""
    text = joined.casefold()
    for sign in " _-":
        text = text.replace(sign, "")
    return any(name in text for name in names)


def _says(cell: str, names: frozenset[str]) -> bool:
    """Whether a cell says what a column's heading says, alone or as a word of a label: `Record ID` says `id`."""
    return normalise_heading(cell) in names or any(normalise_heading(word) in names for word in cell.split())
