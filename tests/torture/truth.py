"""Whether a story is true: the sandbox's ledger against the journals and the reports, row by row."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from batchupdate.errors import BatchUpdateError
from batchupdate.journal import Journal
from batchupdate.model import SUCCEEDED, RowRef
from batchupdate.runs.folder import all_runs
from torture.story import CONCURRENCY, Stage, changes, is_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.sandbox import Seen
    from torture.story import Story

THROTTLED = 429
OUT = "SELECT key FROM started WHERE claimed AND key NOT IN (SELECT key FROM result)"
OUT_AT_MOST = CONCURRENCY
"""Rows of which a kill leaves nobody knowing whether they were applied: those whose requests were out.

So many are sent once more at the most where repeating is safe, and so many stay `unknown` where it is not.
"""

DIED = "a worker process died before"
"""So the sentence begins of a row that was out when a worker process was killed."""


@dataclass(slots=True)
class Verdict:
    """What is wrong with a story, and its figures.

    `lost`, `false` and `again` count rows: lost ones have no outcome, or one that says that they were not sent though
    they were applied; false ones say `updated` and were not, or `failed` and were; `again` ones went out twice though
    repeating is not safe. For each kill, `twice` is how many rows went out once more because of it, `out` how many it
    left unanswered, and `unsure` how many of those are `unknown` at the end. `worker_kills` counts those of worker
    processes, `died` the rows that are `unknown` for one of them, and `within` those that one life sent twice though
    the API did nothing wrong. `broken` has a sentence for every rule that does not hold.
    """

    kills: Counter[Stage] = field(default_factory=Counter)
    rows: int = 0
    lost: int = 0
    false: int = 0
    again: int = 0
    twice: list[int] = field(default_factory=list)
    out: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)
    worker_kills: int = 0
    died: int = 0
    within: int = 0
    broken: list[str] = field(default_factory=list)


def judge(story: Story) -> Verdict:
    """Holds a story against every rule."""
    verdict = Verdict(Counter(life.killed for life in story.lives if life.killed), story.world.rows)
    sent, left_out = _by_row(story), list[set[int]]()
    for number, snapshot in enumerate(story.snapshots, 1):
        known = {row for row, requests in sent.items() if requests[0].seq <= snapshot.seen}
        out: set[int] = set()
        verdict.broken += (f"after kill {number}: {wrong}" for wrong in _journals(snapshot.folder, story, known, out))
        left_out.append(out - _waited_at_a_worker(story, number - 1, sent))
    verdict.broken += (f"at the end: {wrong}" for wrong in _journals(story.runs_dir, story, set(sent), set()))
    lines = _results(story, verdict)
    for number, record, name in changes(story.world):
        _judge_row(verdict, story, lines.get(number), (number, record, name), sent[number])
    _judge_summary(verdict, story, list(lines.values()))
    _judge_repeats(verdict, story, sent)
    unsure = {number for number, line in lines.items() if line["_error"].startswith("the run ended before")}
    verdict.out = [len(out) for out in left_out]
    verdict.unsure = [len(out & unsure) for out in left_out]
    if unsure - set().union(*left_out):
        verdict.broken.append(f"rows are unknown that no kill left unanswered: {unsure}")
    most = _out_at_most(story)
    if any(out > allowed for out, allowed in zip(verdict.out, most, strict=True)):
        verdict.broken.append(f"kills left {verdict.out} rows unanswered; at most {most} may be")
    _judge_workers(verdict, story, lines.values())
    return verdict


def _out_at_most(story: Story) -> list[int]:
    """Rows that each kill of the command may leave unanswered: also those of workers that had died before it."""
    share = CONCURRENCY // (story.world.workers or 1)
    return [OUT_AT_MOST + life.workers_killed * share for life in story.lives[: len(story.snapshots)]]


def _waited_at_a_worker(story: Story, number: int, sent: Mapping[int, Sequence[Seen]]) -> set[int]:
    """The rows that a worker process killed in this life may have had waiting for their next try.

    The API had broken off their last one. A plain run that is killed keeps them as `unknown`, not as out: they would be
    looked up, or sent again, without a kill.
    """
    if not story.lives[number].workers_killed:
        return set()
    seen = story.snapshots[number].seen
    last = {row: [one for one in requests if one.seq <= seen][-1:] for row, requests in sent.items()}
    return {row for row, requests in last.items() if requests and requests[0].fault}


def _judge_workers(verdict: Verdict, story: Story, lines: Iterable[Mapping[str, str]]) -> None:
    """A killed worker process costs no more than it had out, and none outlives its run."""
    verdict.worker_kills = sum(life.workers_killed for life in story.lives)
    verdict.died = sum(line["_error"].startswith(DIED) for line in lines)
    most = verdict.worker_kills * (CONCURRENCY // (story.world.workers or 1))
    if verdict.died > (0 if story.world.repeatable else most):
        verdict.broken.append(f"{verdict.died} rows are unknown after {verdict.worker_kills} deaths of workers")
    if orphans := sum(life.orphans for life in story.lives):
        verdict.broken.append(f"{orphans} worker processes outlived their run")


def _by_row(story: Story) -> defaultdict[int, list[Seen]]:
    """The changes sent for every row, in order. What only looks a record up changes nothing."""
    numbers = {record: number for number, record, _ in changes(story.world)}
    sent: defaultdict[int, list[Seen]] = defaultdict(list)
    for request in story.requests:
        if request.method == "PATCH":
            sent[numbers[request.id]].append(request)
    return sent


# The journals, after each kill.


def _journals(runs_dir: Path, story: Story, sent: set[int], out: set[int]) -> Iterator[str]:
    """What is wrong with the journals that a kill left behind; the rows that were out go into `out`."""
    began = []
    for run in all_runs(runs_dir):
        try:
            with Journal.take_over(run.journal) as journal:
                if journal.sessions().started_at is None:
                    continue  # it died while it read its file, and can't have sent anything
                began.append(run.run_id)
                yield from _journal(journal, story.world.rows, sent)
            with closing(sqlite3.connect(run.journal)) as connection:
                out |= {key for (key,) in connection.execute(OUT)}
        except BatchUpdateError as error:
            yield f"the journal of {run.run_id} does not open: {error}"
    if len(began) > 1:
        yield f"several runs send the same file: {', '.join(began)}"
    if sent and not began:
        yield f"{len(sent)} rows were sent, and no journal knows of any"


def _journal(journal: Journal, rows: int, sent: set[int]) -> Iterator[str]:
    counts = journal.counts()
    if not journal.rows() == sum(counts.values()) == rows:
        yield f"{rows} rows were read, the journal has {journal.rows()}, and {sum(counts.values())} with an outcome"
    unheard = sent - {line.number for line in journal.lines() if line.outcome != "not_attempted" or line.attempts}
    if unheard:
        yield f"requests of rows that the journal does not know as started: {sorted(unheard)}"


# The reports, at the end.


def _results(story: Story, verdict: Verdict) -> dict[int, Mapping[str, str]]:
    last = story.lives[-1]
    if last.killed is None and last.exit_code not in {0, 1}:
        verdict.broken.append(f"the last process ended with {last.exit_code}: {last.said}")
    with (story.runs_dir / "latest" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    files = story.world.files
    numbers = [RowRef(files.index(line.get("_file", files[0])), int(line["_row"])).key for line in lines]
    if numbers != [number for number, *_ in changes(story.world)]:
        verdict.broken.append(f"results.csv has {len(numbers)} lines, not one for each row in the order of the input")
    return dict(zip(numbers, lines, strict=True))


def _judge_row(
    verdict: Verdict,
    story: Story,
    line: Mapping[str, str] | None,
    change: tuple[int, str, str],
    requests: Sequence[Seen],
) -> None:
    """Holds what the report says of one row against what the sandbox did for it."""
    number, record, name = change
    applied = any(request.applied and json.loads(request.body) == {"name": name} for request in requests)
    outcome = line["_outcome"] if line else "missing"
    if line and line["_id"] != record:
        verdict.broken.append(f"row {number} names the record {record}, and the report {line['_id']}")
    match outcome:
        case "invalid" if not is_valid(name) and not requests:
            return
        case "updated" if applied and is_valid(name):
            return
        case "failed" if story.world.faults and line and (not applied or _admits(line, requests)):
            return
        case "unknown" if story.world.faults or not story.world.repeatable:
            return
        case "updated" | "failed" | "unknown":
            verdict.false += 1
        case _:
            verdict.lost += 1
    verdict.broken.append(f"row {number} is {outcome}, and was {'' if applied else 'not '}applied")


def _admits(line: Mapping[str, str], requests: Iterable[Seen]) -> bool:
    """Whether a row that is `failed` and was applied owes that to an API which called the change itself a failure."""
    lied = all(request.status == 500 for request in requests if request.applied)
    return lied and line["_http_status"].startswith("5")


def _judge_summary(verdict: Verdict, story: Story, lines: Sequence[Mapping[str, str]]) -> None:
    summary: dict[str, Any] = json.loads((story.runs_dir / "latest" / "summary.json").read_text("utf-8"))
    counts, sent = summary["counts"], summary["requests"]["sent"]
    found = Counter(line["_outcome"] for line in lines)
    if {outcome: count for outcome, count in counts.items() if count} != found:
        verdict.broken.append(f"summary.json counts {counts}, and results.csv has {dict(found)}")
    if not sum(counts.values()) == summary["input"]["rows"] == story.world.rows:
        verdict.broken.append(f"the counts of summary.json do not add up to {story.world.rows} rows: {counts}")
    code = int(not found.keys() <= SUCCEEDED)
    last = story.lives[-1]
    if code != summary["exit_code"] or not (last.killed or last.exit_code == code):
        verdict.broken.append(f"the exit code was {last.exit_code}, and these outcomes mean {code}: {found}")
    if not story.world.faults and sent > len(story.requests):
        verdict.broken.append(f"summary.json tells of {sent} requests, and the API saw {len(story.requests)}")


# What went out more than once.


def _judge_repeats(verdict: Verdict, story: Story, sent: Mapping[int, Sequence[Seen]]) -> None:
    verdict.twice = _twice(story, sent)
    if not story.world.repeatable:
        again = [row for row, requests in sent.items() if sum(map(_was_taken, requests)) > 1]
        verdict.again = len(again)
        if again:
            verdict.broken.append(f"repeating is not safe, and rows went out again: {again}")
    elif any(twice > allowed for twice, allowed in zip(verdict.twice, _out_at_most(story), strict=True)):
        verdict.broken.append(f"rows were sent twice for kills: {verdict.twice}; at most {_out_at_most(story)} may be")
    if not story.world.faults:
        within = [row for row, requests in sent.items() if len({_life(story, one) for one in requests}) < len(requests)]
        verdict.within = len(within)
        deaths = sum(life.workers_killed for life in story.lives)
        if len(within) > deaths * (CONCURRENCY // (story.world.workers or 1)):
            verdict.broken.append(f"rows were sent twice in one life, with {deaths} deaths of workers: {within}")


def _was_taken(request: Seen) -> bool:
    """Whether the API took a request, rather than turn it away unread (429, or 503 with a Retry-After)."""
    return request.status != THROTTLED and request.fault != "503-retry-after"


def _life(story: Story, request: Seen) -> int:
    """Which process sent a request."""
    return sum(request.seq > life.before for life in story.lives) - 1


def _twice(story: Story, sent: Mapping[int, Sequence[Seen]]) -> list[int]:
    """For each kill, the rows whose last request before it went out again after it.

    Those of which the API broke off, refused or failed that request are left out: they would have been sent again
    without a kill.
    """
    twice = [0] * len(story.snapshots)
    for requests in sent.values():
        for earlier, later in pairwise(requests):
            life = _life(story, earlier)
            if life != _life(story, later) and not earlier.fault and (earlier.status or 0) < THROTTLED:
                twice[life] += 1
    return twice
