"""The rows of an undo as its reports show them, with what is not restored of each."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from batchupdate.model import SUCCEEDED
from batchupdate.runs.old_values import reasons
from batchupdate.targets.precondition import Pulled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.journal import Journal
    from batchupdate.model import Line

PORTION = 1000
"""Rows that are looked up in one statement."""

NOT_RESTORED = "not restored: "


def lines_of(journal: Journal) -> Iterator[Line]:
    """The rows of a run in input order, as its reports show them; streamed."""
    return _undone_lines(journal) if "undo_of" in journal.meta() else journal.lines()


def _undone_lines(journal: Journal) -> Iterator[Line]:
    """The rows of an undo; one that is restored but for some fields names them."""
    lines = journal.lines()
    while part := list(islice(lines, PORTION)):
        keys = [line.number for line in part if line.outcome in SUCCEEDED]
        pulled = {copy[0]: copy[6] for copies in journal.copies(keys) for copy in copies}
        for line in part:
            lost = Pulled.from_json(pulled.get(line.number) or "").lost
            said = [line.error] if line.error else []
            yield line._replace(error="; ".join([*said, NOT_RESTORED + reasons(lost.items())])) if lost else line
