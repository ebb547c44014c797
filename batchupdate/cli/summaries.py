"""What is about to be done, what checking found, and what a run came to: on the screen and as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from batchupdate.cli.problem_output import line_of
from batchupdate.cli.units import many, span, times
from batchupdate.model import FailureNotice, Outcome
from batchupdate.util.text import cut

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from batchupdate.api.error_group import ErrorGroup
    from batchupdate.cli.console import Screen
    from batchupdate.journal.statistics import FieldCount
    from batchupdate.model import Problem, Traffic
    from batchupdate.reporter import Retried, Summary
    from batchupdate.run import Job
    from batchupdate.runs.canary import Canary
    from batchupdate.targets.seen import Seen
    from batchupdate.validator.checkup import Checkup

SHOWN_ERRORS = 5
SHOWN_FIELDS = 6
SHOWN_OF_VALUE = 60


def describe(job: Job, problems: list[Problem], screen: Screen, check: str = "") -> None:
    """Shows what is about to be done; `check` is the command that shows more problems, '' where there is none."""
    checkup, count = job.checkup, job.to_send
    screen.say(f"{checkup.source} → {job.target.name} at {job.base_url}", style="bold")
    for notice in checkup.notices:
        screen.say(f"  {notice}")
    for problem in problems:
        screen.say(f"  {line_of(problem)}", style="yellow")
    if (found := sum(checkup.codes.values())) > len(problems):
        more = f"  … and {many(found - len(problems), 'problem')} more"
        screen.say(f"{more}; to see them: {check}" if check else f"{more}.", style="yellow")
    if job.resumed:
        screen.say(f"  This resumes the unfinished run {job.folder.run_id}; --new starts a new one.")
        screen.say(f"  {count:,} of {checkup.rows:,} rows are left.")
        show_changes(job, screen)
        return
    invalid = f", {checkup.invalid:,} invalid" if checkup.invalid else ""
    doubles = f", {checkup.superseded:,} are superseded by a later row" if checkup.superseded else ""
    skipped = _left_out(checkup)
    pulled = f", {_untouched(checkup)}" if checkup.untouched else ""
    rows = f"{many(checkup.rows, 'row')}{_of_files(checkup)}"
    screen.say(f"  {rows}: {count:,} to send{invalid}{doubles}{skipped}{pulled}.")
    show_changes(job, screen)


def show_changes(job: Job, screen: Screen) -> None:
    """What the rows set and clear, the first of them, how long it will take, and what is unusual."""
    from batchupdate.util import json as exact_json

    count, counted = job.to_send, job.fields_to_send
    if counted:
        screen.say(f"  {_fields(counted)}")
    if cleared := [(one.name, one.cleared) for one in counted if one.cleared]:
        screen.say(f"  {_cleared(cleared)}", style="yellow")
    for place, record_id, fields, seen in job.examples():
        values = ", ".join(_change(name, value, seen) for name, value in exact_json.loads(fields).items())
        screen.say(f"  {place}: {record_id}: {values}")
    reads = job.to_read if count else 0
    if reads:
        whose = "Each record is" if reads == count else f"{reads:,} of these records {'is' if reads == 1 else 'are'}"
        screen.say(f"  {whose} read just before the change: 2 requests a row.")
    if count and job.rate.limited:
        requests = math.ceil((count - reads) / job.batch_size) + 2 * reads
        each = f" in {many(requests, 'request')} of up to {job.batch_size:,} rows" if job.batch_size > 1 else ""
        screen.say(f"  At {job.rate} this takes about {span(requests / job.rate.per_s)}{each}.")
    if (canary := job.canary) and (left := canary.left(job.journal)):
        screen.say(f"  The first {many(left, 'row')} {'goes' if left == 1 else 'go'} out alone, as a canary.")
    for sentence in job.unusual:
        screen.say(f"  {sentence}", style="bold yellow")


def _fields(counted: Sequence[FieldCount]) -> str:
    """Which fields are set in how many rows."""
    first, *others = counted
    named = [f"{first.name} in {many(first.rows, 'row')}", *(f"{one.name} in {one.rows:,}" for one in others)]
    if (more := len(named) - SHOWN_FIELDS) > 1:
        named[SHOWN_FIELDS:] = [f"{more:,} other fields"]
    *named, last = named
    return f"Sets {', '.join(named)} and {last}." if named else f"Sets {last}."


def _change(name: str, value: object, seen: Seen | None) -> str:
    """What a row sets, and what that was before if it is known."""
    new = _short(value)
    if seen is None or not seen.knows(name):
        return f"{name} = {new}"
    return f"{name}: {_short(seen.values[name]) if name in seen.values else 'nothing'} → {new}"


def _short(value: object) -> str:
    """A value that fits a line, with its end left out if it is long."""
    from batchupdate.util import json as exact_json

    return cut(exact_json.dumps(value), SHOWN_OF_VALUE)


def verdict(checkup: Checkup) -> str:
    """What checking found, in one line."""
    if not checkup.rows:
        have = "files have" if checkup.files else "file has"
        return f"There is nothing to do: the {have} no data rows."
    valid = checkup.rows - checkup.invalid - checkup.skipped - checkup.untouched
    text = f"{many(checkup.rows, 'row')}{_of_files(checkup)}: {valid:,} valid, {checkup.invalid:,} invalid"
    if checkup.warnings:
        text += f", {many(checkup.warnings, 'warning')}"
    if checkup.superseded:
        text += f", {checkup.superseded:,} are superseded by a later row"
    text += _left_out(checkup)
    if checkup.untouched:
        text += f", {_untouched(checkup)}"
    return text + "." + (f" {_cleared(checkup.cleared.items())}" if checkup.cleared else "")


def _left_out(checkup: Checkup) -> str:
    by_conditions = checkup.skipped - checkup.hidden
    text = f", {by_conditions:,} left out by the conditions (when)" if by_conditions else ""
    return text + (f", {checkup.hidden:,} hidden and left out" if checkup.hidden else "")


def show_outcomes(screen: Screen, summary: Summary) -> None:
    """The table of outcomes, the most frequent errors, where the files are, and what to do next."""
    from batchupdate.reporter.next_steps import next_steps

    failure = summary.exit_code != 0
    rows = [(outcome.value, f"{count:,}") for outcome, count in summary.counts.items() if count]
    screen.table(("outcome", "rows"), rows or [("nothing to do", "0")], failure=failure)
    for line in (*_undone(summary), *_errors(summary.errors), *map(_retried, summary.retries)):
        screen.result(line, failure=failure)
    screen.result(traffic_line(summary.sessions.traffic, summary.sessions.duration_s))
    if summary.advice:
        screen.result(summary.advice)
    screen.result(f"Results: {summary.folder}", failure=failure)
    for notice in summary.notices:
        screen.result(notice, style="yellow", failure=failure or isinstance(notice, FailureNotice))
    if summary.stopped:
        screen.result(summary.stopped.message, style="bold red", failure=failure)
    for step in next_steps(summary):
        screen.result(step.sentence, failure=failure)


def show_canary(screen: Screen, job: Job, canary: Canary, summary: Summary) -> None:
    """What became of the rows that went first; on standard error, for the results of the run are still to come."""
    from batchupdate.reporter import placed

    outcomes = ", ".join(f"{count:,} {outcome.value}" for outcome, count in canary.counts(job.journal).items())
    screen.say(f"The canary of {many(canary.rows, 'row')}: {outcomes}.", style="bold")
    groups = job.journal.statistics.errors_among(canary.first, canary.last)
    for line in _errors(placed(groups, job.labels)):
        screen.say(line)
    screen.say(traffic_line(summary.sessions.traffic, summary.sessions.duration_s))
    screen.say(f"Results so far: {summary.folder}")


def traffic_line(traffic: Traffic, seconds: float) -> str:
    """The requests that a run took, and how long that was (seconds), as a sentence."""
    line = f"{many(traffic.sent, 'request')} in {span(seconds)}"
    if traffic.retried:
        line += f", {traffic.retried:,} of them {'a repeat' if traffic.retried == 1 else 'repeats'}"
    if traffic.throttled:
        line += f", asked to slow down {times(traffic.throttled)}"
    if traffic.waited_s >= 1:
        line += f", {span(traffic.waited_s)} spent waiting"
    return f"{line}."


def _errors(errors: Sequence[ErrorGroup]) -> Iterator[str]:
    """The most frequent errors."""
    for group in errors[:SHOWN_ERRORS]:
        yield f"  {group.sentence}"
    if len(errors) > SHOWN_ERRORS:
        yield "  … and others: see failed.csv"


def _undone(summary: Summary) -> Iterator[str]:
    """What an undo came to, and which fields it could not restore."""
    if not summary.undo_of:
        return
    counts = summary.undone
    kept = " (changed since by somebody else)" if counts["kept"] else ""
    unknowable = " (old values not known)" if counts["unknowable"] else ""
    parts = [
        f"{counts.pop('restored'):,} restored",
        f"{counts.pop('kept'):,} kept{kept}",
        f"{counts.pop('unknowable'):,} unknowable{unknowable}",
        *(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count),
    ]
    yield f"Undo of {summary.undo_of}: {', '.join(parts)}."
    for one in summary.not_restored:
        yield f"  not restored: {one['field']} of {many(one['rows'], 'row')}: {one['reason']}"


def _retried(retried: Retried) -> str:
    """How rows ended that a later run has sent again."""
    were = "row was" if sum(retried.given.values()) == 1 else "rows were"
    sentence = f"{_counted(retried.given)} {were} sent again by the retry {retried.run_id}"
    if retried.ended is None:
        return f"{sentence}, which can't be read any more."
    return f"{sentence}: {_counted(retried.ended)}."


def _counted(counts: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{count:,} {outcome.value}" for outcome, count in counts.items() if count)


def _of_files(checkup: Checkup) -> str:
    return f" of {len(checkup.files):,} files" if checkup.files else ""


def _untouched(checkup: Checkup) -> str:
    return f"{checkup.untouched:,} {'is' if checkup.untouched == 1 else 'are'} unchanged since the pull"


def _cleared(counted: Collection[tuple[str, int]]) -> str:
    fields = ", ".join(f"{name} {count:,}" for name, count in counted)
    return f"{many(sum(count for _, count in counted), 'cell')} will clear a field: {fields}."


def checkup_json(checkup: Checkup, problems: list[Problem]) -> dict[str, Any]:
    """What checking found, for programs; `problems` are the first of them."""
    return {
        "source": checkup.source,
        "target": checkup.target,
        "rows": checkup.rows,
        **({"files": checkup.files} if checkup.files else {}),
        "invalid": checkup.invalid,
        "superseded": checkup.superseded,
        "skipped": checkup.skipped,
        "untouched": checkup.untouched,
        "cleared": dict(checkup.cleared),
        **({"sample": checkup.sampled._asdict()} if checkup.sampled else {}),
        "warnings": checkup.warnings,
        "codes": dict(checkup.codes),
        "notices": checkup.notices,
        "problems": [
            {
                "code": problem.code,
                "level": problem.level.value,
                **({"file": problem.file} if problem.file else {}),
                "row": problem.row,
                "column": problem.column,
                "address": problem.address,
                "cell": problem.cell,
                "message": problem.message,
            }
            for problem in problems
        ],
        "problems_left_out": sum(checkup.codes.values()) - len(problems),
        "exit_code": checkup.exit_code,
    }
