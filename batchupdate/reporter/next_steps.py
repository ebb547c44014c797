"""What to do about the rows of a run that did not succeed, each with the command to type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import SUCCEEDED, Outcome
from batchupdate.util.units import many

if TYPE_CHECKING:
    from batchupdate.reporter.summary import Summary

SENT_AGAIN = (Outcome.FAILED, Outcome.UNKNOWN, Outcome.CONFLICT)
"""The outcomes of a finished run that `retry` takes up."""


class Step(NamedTuple):
    """Something to do: why, and the command; a sentence of its own where there is no command."""

    text: str
    command: str = ""

    @property
    def sentence(self) -> str:
        """Both in one line."""
        return f"{self.text}: {self.command}" if self.command else self.text


def next_steps(summary: Summary) -> list[Step]:
    """What can be done next, the most urgent first."""
    counts, steps = summary.counts, []
    run = summary.command_name
    if summary.undo_of and counts[Outcome.CONFLICT]:
        undone = summary.other_in_command(summary.undo_of)
        steps.append(Step("To restore the kept rows all the same", f"batchupdate undo {undone} --force"))
    if summary.waits_after_canary:
        pass  # why it stopped says how to go on
    elif summary.left:
        steps.append(Step(f"{many(summary.left, 'row')} left; to resume", f"batchupdate resume {run}"))
    elif again := sum(
        counts[one] - sum(each.given.get(one, 0) for each in summary.retries)
        for one in SENT_AGAIN
        if one is not Outcome.CONFLICT or not (summary.undo_of or summary.plan_of)  # a retry would end in the same
    ):
        they_are = "it is" if again == 1 else "they are"
        steps.append(Step(f"To send {many(again, 'row')} again as {they_are}", f"batchupdate retry {run}"))
    if summary.plan_of and (conflicts := counts[Outcome.CONFLICT]):
        conflicts_are = "conflict" if conflicts == 1 else f"{conflicts:,} conflicts"
        command = f"batchupdate plan {shlex.quote(str(summary.folder / 'failed.csv'))}"
        text = f"To plan the {conflicts_are} again, from the records as they are now, with the same options as before"
        steps.append(Step(text, command))
    steps += [
        Step(
            "To see what is left of the rows that were sent again",
            f"batchupdate show {summary.other_in_command(retried.run_id)}",
        )
        for retried in summary.retries
        if any(count for outcome, count in (retried.ended or {}).items() if outcome not in SUCCEEDED)
    ]
    if (invalid := counts[Outcome.INVALID]) and not summary.undo_of:  # its failed.csv has what was undone
        failed = summary.folder / "failed.csv"
        text = f"To send {many(invalid, 'invalid row')}, correct them first: edit {failed} and run that file."
        steps.append(Step(text))
    return steps
