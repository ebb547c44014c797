"""`--canary N`: the first rows of a run go out alone, and the others once these have shown that all is well.

The journal knows which rows they are and whether they have passed. So a run that was killed meanwhile goes on where it
was, and one whose canary has passed is not held up again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import CanaryEnded
from batchupdate.model import SUCCEEDED, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.journal import Journal

_FACT = "canary"


class Canary(NamedTuple):
    """The rows that go first: how many, and the keys of the first and the last of them."""

    rows: int
    first: int
    last: int

    def left(self, journal: Journal) -> int:
        """How many of them are still to be sent."""
        return journal.statistics.left_until(self.last)

    def counts(self, journal: Journal) -> dict[Outcome, int]:
        """What became of them."""
        return journal.statistics.outcomes_among(self.first, self.last)


def failures(counts: Mapping[Outcome, int]) -> int:
    """How many of some rows did not succeed."""
    return sum(count for outcome, count in counts.items() if outcome not in SUCCEEDED)


def canary_of(journal: Journal, asked: int | None) -> Canary | None:
    """The rows that go first, as they were chosen or would be now; None if there are none, or if they have passed.

    `asked` is how many are wanted. A run of no more rows than that needs none.
    """
    kept = journal.meta().get(_FACT)
    if kept is not None:
        return None if kept["passed"] else Canary(kept["rows"], kept["first"], kept["last"])
    if asked is None or journal.to_send() <= asked:
        return None
    first, last, rows = journal.statistics.first_to_send(asked)
    return Canary(rows, first, last)


def keep(journal: Journal, canary: Canary, *, passed: bool) -> None:
    """Keeps which rows go first, and whether the others may follow, for this process and any later one."""
    journal.set_meta({_FACT: {**canary._asdict(), "passed": passed}})


def why_ended(counts: Mapping[Outcome, int], others: int, allowed: int, command_name: str) -> CanaryEnded:
    """Why a run ends after its canary, and how to send the others all the same."""
    rows, failed = sum(counts.values()), failures(counts)
    resume = f"batchupdate resume {command_name}"
    of_rows = "1 row" if rows == 1 else f"{rows:,} rows"
    if not failed:
        how = ", which succeeded" if rows == 1 else ", all of which succeeded"
    else:
        how = f", of which {failed:,} did not succeed"
    if failed > allowed:
        how += f"; --canary-max-failures allows {allowed:,}"
        resume += f" --canary-max-failures {failed}"
    others_are = "the other row" if others == 1 else f"the other {others:,} rows"
    return CanaryEnded(f"Stopped after the canary of {of_rows}{how}. To send {others_are}: {resume}")
