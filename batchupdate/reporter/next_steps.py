"""What to do about the rows of a run that did not succeed, each with the command to type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.model import SUCCEEDED, Outcome
from batchupdate.util.units import many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.reporter.summary import Summary

SENT_AGAIN = (Outcome.FAILED, Outcome.UNKNOWN, Outcome.CONFLICT)
"""The outcomes of a finished run that `retry` takes up."""

IN_FAILED_CSV = (*SENT_AGAIN, Outcome.INVALID, Outcome.NOT_ATTEMPTED)


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
    counts, steps = summary.counts, list[Step]()
    if summary.undo_of and counts[Outcome.CONFLICT]:
        undone = summary.other_in_command(summary.undo_of)
        steps.append(Step("To restore the kept rows all the same", f"batchupdate undo {undone} --force"))
    if summary.waits_after_canary or summary.left:
        return [*steps, *_unfinished(summary), *_retried(summary)]
    steps += _again(summary)
    if summary.plan_of and (conflicts := counts[Outcome.CONFLICT]):
        conflicts_are = "conflict" if conflicts == 1 else f"{conflicts:,} conflicts"
        text = f"To plan the {conflicts_are} again, from the records as they are now"
        steps.append(_with_failed_csv(summary, text, "plan"))
    return [*steps, *_retried(summary), *_to_correct(summary)]


def _unfinished(summary: Summary) -> Iterator[Step]:
    """Of a run with rows left. They stand in failed.csv, too, and would go out twice if that was run by now."""
    if summary.retry_of and summary.sessions.started_at is None:
        before = summary.other_in_command(summary.retry_of)
        text = f"This retry ended before it began, so its rows are still those of {summary.retry_of}; to retry them"
        yield Step(text, f"batchupdate retry {before}")
        return
    if not summary.waits_after_canary:  # else why it stopped says how to go on
        yield Step(f"{many(summary.left, 'row')} left; to resume", f"batchupdate resume {summary.command_name}")
    if (invalid := summary.counts[Outcome.INVALID]) and not summary.undo_of:
        them = "it" if invalid == 1 else "them"
        yield Step(f"{many(invalid, 'row')} invalid: correct {them} once the others are sent.")


def _again(summary: Summary) -> Iterator[Step]:
    """The rows that may end otherwise if they are sent once more as they are."""
    left = {one: summary.counts[one] - sum(each.given.get(one, 0) for each in summary.retries) for one in SENT_AGAIN}
    same = left[Outcome.CONFLICT] if summary.undo_of or summary.plan_of else sum(summary.lasting.values())
    left[Outcome.CONFLICT] -= same
    unknown = 0 if summary.repeatable else left.pop(Outcome.UNKNOWN)
    names = [one.value for one, count in left.items() if count]
    command = f"batchupdate retry {summary.command_name}"
    if again := sum(left.values()):
        they_are = "it is" if again == 1 else "they are"
        only = f" --outcome {','.join(names)}" if same and not left[Outcome.CONFLICT] else ""
        yield Step(f"To send {many(again, 'row')} again as {they_are}", f"{command}{only}")
    if unknown:
        its = "its record does" if unknown == 1 else "their records do"
        text = f"To send {many(unknown, 'unknown row')} again, once you have seen that {its} not have the change"
        yield Step(text, f"{command} --outcome unknown")


def _retried(summary: Summary) -> Iterator[Step]:
    for retried in summary.retries:
        if any(count for outcome, count in (retried.ended or {}).items() if outcome not in SUCCEEDED):
            name = summary.other_in_command(retried.run_id)
            yield Step("To see what is left of the rows that were sent again", f"batchupdate show {name}")


def _to_correct(summary: Summary) -> Iterator[Step]:
    """The rows that would end in the same unless they are corrected; those of an undo are not the user's own."""
    if summary.undo_of:
        return
    lasting = dict(summary.lasting) if not summary.plan_of else {}
    compared = lasting.pop("diff", 0)
    if invalid := summary.counts[Outcome.INVALID]:
        them = "it" if invalid == 1 else "them"
        text = f"To send {many(invalid, 'invalid row')}, correct {them} in failed.csv and run that"
        yield _with_failed_csv(summary, f"{text}{_beside(summary, invalid)}", "run")
    if pulled := sum(lasting.values()):
        text = f"To send {many(pulled, 'conflict')}, which no retry would change, pull the records again, or correct "
        text += f"the old values in failed.csv and run that{_beside(summary, pulled)}"
        yield _with_failed_csv(summary, text, "run")
    if compared:
        text = f"To compare {many(compared, 'conflict')} with the records as they are now, run failed.csv"
        yield _with_failed_csv(summary, f"{text}{_beside(summary, compared)}", "run")


def _beside(summary: Summary, meant: int) -> str:
    """That failed.csv has other rows than those that are meant, which go out with them."""
    others = sum(summary.counts[one] for one in IN_FAILED_CSV) - meant
    return f", with its {many(others, 'other row')}" if others else ""


def _with_failed_csv(summary: Summary, text: str, command: str) -> Step:
    """A step that runs or plans the file of the rows that did not succeed, with the options that the run had."""
    if not summary.options:
        text += ", with the same options as before"
    return Step(text, shlex.join(["batchupdate", command, str(summary.folder / "failed.csv"), *summary.options]))
