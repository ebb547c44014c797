"""Tells a row that is refused by itself from an API that refuses everybody.

A limit of the API refuses whichever row comes at the wrong moment, a limit or a fault of one record its row at any
moment. So a refusal counts against its row only where no other row was refused between two that got through. Where
refusals come by chance, with any probability p, a row gets through with 1 - p, and is counted with p·(1 - p)² at the
most: the latter comes first in one of five cases at the most, and six times in a row in one of 15,000. At the end of
a file nothing else may get through, so what the API refused of others counts as well.
"""

from __future__ import annotations

from dataclasses import dataclass

ALONE_AT_LEAST = 6
"""A row is given up when it was refused by itself so often,"""

CHANCE = 0.001
"""and if a row of an API that refuses as large a share as this one did would have so much bad luck this rarely."""

PROVEN = 3
"""A row that was refused by itself so often proves that this API refuses single rows."""

REPEATED = 2
"""A first refusal says nothing of its row: that is how an API says that it is full."""


@dataclass(slots=True)
class _Trouble:
    """What became of a row so far; `passed` is how many had got through when it was last refused or failed."""

    refusals: int = 0
    alone: int = 0
    sent_at: float = 0.0
    passed: int = 0
    waits: bool = True


class Suspects:
    """The rows that were refused or failed and have not ended, and what that says of them."""

    __slots__ = ("_blamed", "_refusals", "_refused", "proven", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, _Trouble] = {}
        self.proven = False
        """Whether this API was seen to refuse single rows."""
        self._refusals = 0  # put down to the API
        self._refused: set[int] = set()  # put down to the API, as long as nothing that left later got through
        self._blamed: dict[int, int] = {}  # put down to their rows meanwhile, with how often that had been before

    def refusals(self, row: int) -> int:
        """How often a row was refused, whatever the reason."""
        return self.rows[row].refusals if row in self.rows else 0

    def overtaken(self, row: int, passed: int) -> bool:
        """Whether a row was refused or failed before, and others got through since."""
        return row in self.rows and passed > self.rows[row].passed

    def leaves(self, row: int) -> None:
        """Notes that a row is out again: what gets through meanwhile says nothing of it."""
        if row in self.rows:
            self.rows[row].waits = False

    def refused(self, row: int, sent_at: float, passed: int, *, others: bool, excused: bool = False) -> int:
        """Notes a refusal; returns how often the row was refused by itself by now, or 0 if the API refuses everybody.

        Args:
            row: which.
            sent_at: when its request left.
            passed: how many requests got through so far.
            others: whether there are rows left that were not tried yet. Without them, nothing may get through that
                shows what a row is to blame for; then it counts what this API was seen to do.
            excused: whether there is a reason beyond this run to put it down to the row.
        """
        trouble = self._noted(row, passed)
        trouble.refusals += 1
        trouble.sent_at = sent_at
        suspected = trouble.alone or (self.proven and all(self._blamed.values()))
        own = self._refused <= {row} and (excused or (passed and suspected))
        if own or (self.proven and not others):
            self._refused.discard(row)
            self._blamed.setdefault(row, trouble.alone)
            trouble.alone += 1
            return trouble.alone
        self._refused.add(row)
        self._refusals += 1
        self._clear(list(self._blamed))
        return 0

    def given_up(self, row: int, passed: int) -> bool:
        """Whether a row was refused by itself so often that it can't be chance."""
        alone, share = self.rows[row].alone, (self._refusals + 1) / (self._refusals + 1 + passed)
        return alone >= ALONE_AT_LEAST and share**alone <= CHANCE

    def _clear(self, rows: list[int]) -> None:
        """Takes back what was put down to rows: others were refused at the same time."""
        for row in rows:
            self.rows[row].alone = self._blamed.pop(row)
        self._refusals += len(rows)

    def failed(self, row: int, passed: int) -> bool:
        """Notes a failure (5xx, no answer); returns whether it is the row's own: others got through since its last."""
        own = self.overtaken(row, passed)
        trouble = self._noted(row, passed)
        trouble.alone = max(trouble.alone, int(own))
        return trouble.alone > 0

    def passed(self, sent_at: float) -> bool:
        """Notes that a request of another row, of `sent_at`, got through; returns whether that is a first proof."""
        refused = [row for row in self._refused if self.rows[row].waits and self.rows[row].sent_at < sent_at]
        if len(refused) == len(self._refused) == 1:
            trouble = self.rows[refused[0]]
            if trouble.refusals >= REPEATED:
                trouble.alone += 1
        self._refused.difference_update(refused)
        blamed = [row for row in self._blamed if self.rows[row].sent_at < sent_at]
        if len(self._blamed) > 1:
            self._clear(blamed)
        elif blamed:
            self._blamed.clear()
            if not self.proven and self.rows[blamed[0]].alone >= PROVEN:
                self.proven = True
                return True
        return False

    def ended(self, row: int) -> None:
        """Forgets a row that has its outcome."""
        if self.rows.pop(row, None) is not None:
            self._refused.discard(row)
            self._blamed.pop(row, None)

    def _noted(self, row: int, passed: int) -> _Trouble:
        trouble = self.rows.setdefault(row, _Trouble())
        trouble.passed, trouble.waits = passed, True
        return trouble
