"""Whether a tale of plans, undos and read-backs is true: the sandbox's ledger against what plans and reports say.

The ledger is played back: it gives what each field of each record was after every event, and who had made it so.
"""

from __future__ import annotations

import csv
import json
import signal
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.runs.folder import all_runs
from torture.story import CONCURRENCY
from torture.two_way_story import GONE, Moment, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.sandbox import Seen
    from torture.two_way_story import Told

INTERRUPTED = 130
OK = 200
FOREIGN, OURS, AT_FIRST = "foreign", "ours", "at first"


class State(NamedTuple):
    """What a record is after an event: the number of the request, who has made it so, its fields, and its version."""

    seq: int
    by: str
    changed: frozenset[str]
    fields: Mapping[str, Any]
    version: int


@dataclass(slots=True)
class TwoWayVerdict:
    """What is wrong with a tale, and its figures.

    `lost` rows have no outcome, or one that says that nothing was written though something was; `false` ones are said
    to be done and are not; `overwritten` counts foreign changes that the API could have told of and that are gone;
    `window` those that came between a read and its change where the API takes no versions. `twice` is for each kill
    how many rows went out once more because of it.
    """

    kills: Counter[Moment] = field(default_factory=Counter)
    rows: int = 0
    lost: int = 0
    false: int = 0
    overwritten: int = 0
    window: int = 0
    foreign: int = 0
    kept: int = 0
    twice: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class History:
    """All that happened to every record, in order."""

    def __init__(self, told: Told) -> None:
        events: list[tuple[int, int, str, Mapping[str, Any]]] = [
            *((one.seq, 0, one.id, one.fields) for one in told.applied),
            *((one.seq, 1, one.id, one.fields) for one in told.elsewhere),
        ]
        self._states = {
            record.id: [State(0, AT_FIRST, frozenset(), {**record.fields}, record.version)]
            for record in told.start.contacts
        }
        for seq, is_foreign, record_id, fields in sorted(events, key=lambda event: event[:2]):
            before = self._states[record_id][-1]
            shown = {name: value for name, value in fields.items() if name != "note"}
            by = FOREIGN if is_foreign else OURS
            now = State(seq, by, frozenset(shown), {**before.fields, **shown}, before.version + 1)
            self._states[record_id].append(now)

    def of(self, record_id: str) -> Sequence[State]:
        """The states of a record, in order."""
        return self._states[record_id]

    def since(self, record_id: str, seq: int) -> list[State]:
        """Those from just after a request on, the one that was true then first."""
        states = self._states[record_id]
        start = max(place for place, state in enumerate(states) if state.seq <= seq)
        return states[start:]

    def changes(self, record_id: str, after: int) -> Iterator[tuple[State, State]]:
        """Our changes after a request: what was before each, and after it."""
        for before, now in pairwise(self._states[record_id]):
            if now.by == OURS and now.seq > after:
                yield before, now

    def last_writer(self, record_id: str, name: str, until: int | None = None) -> State:
        """The event that has made a field what it is at the end, or after a request."""
        states = [one for one in self._states[record_id] if until is None or one.seq <= until]
        return next((one for one in reversed(states) if name in one.changed), states[0])


def judge_tale(told: Told) -> TwoWayVerdict:
    """Holds a tale against every rule."""
    kills = Counter(life.blow.moment for life in told.lives if life.blow)
    verdict = TwoWayVerdict(kills, told.tale.rows, foreign=len(told.elsewhere))
    history = History(told)
    last = told.lives[-1]
    if last.blow is None and last.exit_code not in {0, 1}:
        verdict.broken.append(f"the last process ended with {last.exit_code}: {last.said}")
        return verdict
    match told.tale.kind:
        case "plan":
            _judge_plan(verdict, told, history)
        case "plan-run":
            _judge_plan_run(verdict, told, history)
        case "undo":
            _judge_undo(verdict, told, history)
        case "verify":
            _judge_read_back(verdict, told, history)
        case _:
            _judge_match(verdict, told, history)
    return verdict


# Plans.


def _judge_plan(verdict: TwoWayVerdict, told: Told, history: History) -> None:
    """Nothing is sent, no unfinished plan is taken for a finished one, and the last one is true."""
    if sent := [request.method for request in told.requests if request.method != "GET"]:
        verdict.broken.append(f"a plan sent {sent}")
    verdict.broken += [
        f"after a kill, the plan {folder} can{'' if not why else ' not'} be run, and its files are "
        f"{'' if whole else 'not '}there: {why}"
        for folder, whole, why in told.accepted
        if (not whole and not why) or (why and "never finished" not in why and "There is no plan" not in why)
    ]
    finished = [folder for folder in sorted(told.runs_dir.glob("2*")) if (folder / "plan.json").exists()]
    if not finished:
        verdict.broken.append("there is no finished plan")
        return
    began = told.lives[-1].before
    for line in _planned(finished[-1]):
        _judge_planned(verdict, told, history, line, began)


def _planned(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "plan.json").read_text("utf-8"))["rows"]
    return rows


def _judge_planned(verdict: TwoWayVerdict, told: Told, history: History, line: Mapping[str, Any], began: int) -> None:
    record_id, fields = line["id"], wanted(told.tale)[line["id"]]
    if line["state"] == "unreadable" and told.tale.faults:
        return
    if record_id == GONE:
        if line["state"] != "not_there":
            verdict.broken.append(f"the record that is not there is {line['state']} in the plan")
        return
    true = False
    for state in history.since(record_id, began):
        changes = {name: value for name, value in fields.items() if state.fields[name] != value}
        said = {name: one["new"] for name, one in line["changes"].items()}
        olds = all(one.get("old") == state.fields[name] for name, one in line["changes"].items())
        true = true or (line["state"] == ("change" if changes else "unchanged") and said == changes and olds)
    if not true:
        verdict.false += 1
        verdict.broken.append(f"the plan says of {record_id}: {line}; it was never so while the plan was made")


# Runs of plans.


def _judge_plan_run(verdict: TwoWayVerdict, told: Told, history: History) -> None:
    """Exactly what was planned is sent, and nothing that somebody has changed since the plan."""
    assert told.plan is not None
    planned = {line["id"]: line for line in _planned(told.plan)}
    versions = _versions(told.plan)
    began = told.began("run --plan")
    sent = _sent(told, began)
    for record_id, requests in sent.items():
        approved = {name: one["new"] for name, one in planned[record_id]["changes"].items()}
        if planned[record_id]["state"] not in {"change", "unknown"}:
            verdict.broken.append(f"{record_id} was not to be sent: {planned[record_id]}")
        if wrong := [one.body for one in requests if json.loads(one.body) != approved]:
            verdict.broken.append(f"of {record_id}, {approved} was approved, and {wrong} was sent")
    for record_id, line in planned.items():
        if record_id == GONE:
            continue
        olds = {name: one.get("old") for name, one in line["changes"].items()}
        for before, now in history.changes(record_id, began):
            news = {name: one["new"] for name, one in line["changes"].items()}
            if told.tale.etag and told.tale.readable:
                # a second change by us, after our own first one, is seen as such by its version, too
                is_ours = before.by == OURS and before.seq > began
                if before.version != versions[record_id] and not is_ours:
                    verdict.overwritten += 1
                    verdict.broken.append(f"{record_id} was changed by somebody else since the plan, and was sent")
            elif told.tale.readable and not _is_one_of(before.fields, olds, news):
                _judge_window(verdict, told, record_id, before, now)
    _judge_rows(verdict, told, history, began, {one: _approved(line) for one, line in planned.items()})
    _judge_repeats(verdict, told, sent, allowed=_doubles(told))


def _approved(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one["new"] for name, one in line["changes"].items()}


def _is_one_of(fields: Mapping[str, Any], *states: Mapping[str, Any]) -> bool:
    return any(all(fields.get(name) == value for name, value in state.items()) for state in states)


def _judge_window(verdict: TwoWayVerdict, told: Told, record_id: str, before: State, now: State) -> None:
    """Without versions, only what comes between the last read of a record and its change can be overwritten."""
    reads = [one.seq for one in told.requests if one.method == "GET" and one.id == record_id and one.seq < now.seq]
    if reads and before.by == FOREIGN and before.seq >= max(reads):
        verdict.window += 1
        return
    verdict.overwritten += 1
    verdict.broken.append(f"{record_id} had {before.fields}, made by {before.by}, and was overwritten")


def _versions(folder: Path) -> dict[str, int]:
    """By id the versions of records that a plan has seen."""
    with closing(sqlite3.connect(folder / "plan.sqlite3")) as connection:
        query = "SELECT record_id, json_extract(state, '$.version') FROM row JOIN before USING (key)"
        return {one: int(text.strip('"').rpartition("-")[2]) for one, text in connection.execute(query) if text}


def _sent(told: Told, began: int) -> defaultdict[str, list[Seen]]:
    sent: defaultdict[str, list[Seen]] = defaultdict(list)
    for request in told.requests:
        if request.method == "PATCH" and request.seq > began:
            sent[request.id].append(request)
    return sent


# What a run's report says of its rows.


def _judge_rows(  # noqa: C901 - as below
    verdict: TwoWayVerdict, told: Told, history: History, began: int, fields: Mapping[str, Mapping[str, Any]]
) -> None:
    """Holds every outcome against what the sandbox did; `fields` are by id those that the run was to send."""
    lines = _results(told.runs_dir / "latest", verdict)
    if sorted(lines) != sorted(wanted(told.tale)):
        verdict.broken.append(f"results.csv has {len(lines)} rows, and the input {len(wanted(told.tale))}")
    sent = _sent(told, began)
    for record_id, line in lines.items():
        applied = [now for _, now in history.changes(record_id, began)] if record_id != GONE else []
        outcome, why = line["_outcome"], line["_error"]
        asked = sent[record_id]
        match outcome:
            case "updated" if applied and _sent_last(asked).items() <= fields[record_id].items():
                continue
            case "updated" if why and any(_is_one_of(one.fields, fields[record_id]) for one in history.of(record_id)):
                continue  # an attempt went unanswered, and the record has its values
            case "unchanged" if not applied:
                continue
            case "conflict" if not applied and record_id != GONE and _is_foreign(history, record_id):
                verdict.kept += 1
                continue
            case "failed" if record_id == GONE or (told.tale.faults and not (applied and not _lied(asked))):
                continue
            case "failed" if "(read back)" in why and _is_foreign(history, record_id):
                continue
            case "unknown" if told.tale.faults:
                continue
            case "unknown" if "may have been applied" in why and (record_id == GONE or _is_foreign(history, record_id)):
                continue
            case "updated" | "unknown":
                verdict.false += 1
            case _:
                verdict.lost += 1
        verdict.broken.append(f"{record_id} is {outcome} ({why}), and was {'' if applied else 'not '}applied")


def _sent_last(requests: Sequence[Seen]) -> dict[str, Any]:
    """What the last change that was applied has set: of a row that was compared first, not all that it wants."""
    bodies = [one.body for one in requests if one.applied and one.method == "PATCH"]
    sent: dict[str, Any] = json.loads(bodies[-1]) if bodies else {"nothing": "was sent"}
    return sent


def _lied(requests: Sequence[Seen]) -> bool:
    """Whether the API has called every change that it made a failure."""
    return all(one.status == 500 for one in requests if one.applied)


def _is_foreign(history: History, record_id: str) -> bool:
    """Whether somebody else has changed a record at all."""
    return any(state.by == FOREIGN for state in history.of(record_id))


def _results(folder: Path, verdict: TwoWayVerdict) -> dict[str, Mapping[str, str]]:
    with (folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    counts = {outcome: count for outcome, count in summary["counts"].items() if count}
    if counts != Counter(line["_outcome"] for line in lines) or summary["input"]["rows"] != len(lines):
        verdict.broken.append(f"summary.json counts {counts}, and results.csv has something else")
    return {line["_id"]: line for line in lines}


# What went out more than once.


def _doubles(told: Told) -> int:
    """How many rows a kill may send twice: none where they can be looked up, and that does not fail."""
    return 0 if told.tale.readable and not told.tale.faults else CONCURRENCY


def _judge_repeats(verdict: TwoWayVerdict, told: Told, sent: Mapping[str, Sequence[Seen]], *, allowed: int) -> None:
    killed = [life for life in told.lives if life.blow and life.blow.by is signal.SIGKILL]
    verdict.twice = [0] * len(killed)
    for record_id, requests in sent.items():
        for earlier, later in pairwise(requests):
            if earlier.fault or earlier.status != OK:
                continue
            between = [place for place, life in enumerate(killed) if earlier.seq <= life.after < later.seq]
            foreign = any(one.id == record_id and earlier.seq <= one.seq <= later.seq for one in told.elsewhere)
            if between and not foreign:
                verdict.twice[between[-1]] += 1
            elif not between and not told.tale.faults:
                verdict.broken.append(f"one process sent {record_id} twice though nothing went wrong")
    if max(verdict.twice, default=0) > allowed:
        verdict.broken.append(f"{verdict.twice} rows were sent twice for each kill; at most {allowed} may be")


# Undos.


def _judge_undo(verdict: TwoWayVerdict, told: Told, history: History) -> None:
    """Every record has what it had before the run, but for what somebody else has changed since."""
    began = told.began("undo")
    first = _journal_lines(told.first_run)
    undone = _results(told.runs_dir / "latest", verdict)
    for record_id, (outcome, fields, why) in first.items():
        if record_id == GONE:
            continue
        ours = [pair for pair in history.changes(record_id, 0) if pair[1].seq <= began]
        if outcome not in {"updated", "unknown", "failed"} or not ours:
            if outcome == "updated" and not (why and _is_one_of(history.since(record_id, began)[0].fields, fields)):
                verdict.false += 1  # else an attempt went unanswered, and the record has its values
                verdict.broken.append(f"{record_id} is updated, and was not applied")
            for _, now in history.changes(record_id, began):
                verdict.broken.append(f"{record_id} was {outcome} in the run, and its undo has set {now.fields}")
            continue
        if not told.tale.etag and ours[0][0].by == FOREIGN:
            verdict.window += 1  # it came between the comparison and the change, which no version guards
            continue
        old = {name: ours[0][0].fields[name] for name in fields}
        _judge_undone(verdict, told, history, record_id, undone.get(record_id), old, fields, began)


def _judge_undone(  # noqa: C901, PLR0912 - a table of what may become of a row
    verdict: TwoWayVerdict,
    told: Told,
    history: History,
    record_id: str,
    line: Mapping[str, str] | None,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    began: int,
) -> None:
    for before, now in history.changes(record_id, began):
        if any(now.fields[name] != old[name] for name in now.changed):
            verdict.false += 1
            verdict.broken.append(f"{record_id} had {old} before the run, and its undo has set {now.fields}")
        for name in now.changed:
            if before.fields[name] not in (old[name], new[name]):
                if told.tale.etag:
                    verdict.overwritten += 1
                    verdict.broken.append(f"the undo has overwritten {before.fields} of {record_id}")
                else:
                    _judge_window(verdict, told, record_id, before, now)
    outcome, why = (line["_outcome"], line["_error"]) if line else ("missing", "")
    restored = any(_is_one_of(state.fields, old) for state in history.since(record_id, began))
    end = history.of(record_id)[-1].fields
    foreign = [name for name in old if history.last_writer(record_id, name).by == FOREIGN]
    match outcome:
        case "updated" | "unchanged" if restored:
            return
        case "conflict" if "nothing that this row sets has changed" in why and _is_foreign(history, record_id):
            verdict.kept += 1
            return
        case "conflict" if any(end[name] != old[name] for name in foreign) and "after that run" in why:
            verdict.kept += 1
            since = [one for one in history.since(record_id, 0) if one.by == FOREIGN]
            if not any(str(one.fields[name]).strip("[]'") in why for one in since for name in old):
                verdict.broken.append(f"{record_id} is kept, and its values {end} are not named: {why}")
            return
        case "unknown" if told.tale.faults or foreign:
            return
        case "failed" if told.tale.faults:
            return
        case "updated" | "unchanged":
            verdict.false += 1
        case _:
            verdict.lost += 1
    verdict.broken.append(f"{record_id} is {outcome} ({why}) in the undo; it had {old}, was {new}, and is {end}")


def _journal_lines(folder: Path | None) -> dict[str, tuple[str, dict[str, Any], str]]:
    """By id what became of a run's rows, what they have set, and why; from its journal, for it may have no reports."""
    assert folder is not None
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as connection:
        query = "SELECT row.record_id, outcome, fields, error FROM outcome JOIN row USING (key)"
        found = connection.execute(query)
        return {one: (outcome, json.loads(fields or "{}"), why or "") for one, outcome, fields, why in found}


# Read back.


def _judge_read_back(verdict: TwoWayVerdict, told: Told, history: History) -> None:
    """Every row that is updated was read after its change; and a killed run does not look as if it had been."""
    _judge_rows(verdict, told, history, 0, wanted(told.tale))
    lines = _results(told.runs_dir / "latest", verdict)
    summary = json.loads((told.runs_dir / "latest" / "summary.json").read_text("utf-8"))
    listed = max((one.seq for one in told.requests if one.method == "GET" and not one.id), default=0)
    unread = 0
    for record_id, line in lines.items():
        if line["_outcome"] != "updated":
            continue
        changed = max((now.seq for _, now in history.changes(record_id, 0)), default=0)
        single = max((one.seq for one in told.requests if one.method == "GET" and one.id == record_id), default=0)
        unread += max(single, listed) <= changed
        seen = history.since(record_id, changed)
        names = _sent_last([one for one in told.requests if one.id == record_id])
        end = told.lives[-1].before
        drifted = [one for one in seen if one.by == FOREIGN and one.changed & names.keys() and one.seq < end]
        if drifted and told.lives[-1].blow is None and not told.tale.faults:
            at_last = max(single, listed, end)
            true_then = [one for one in seen if one.seq < at_last][-1]
            if not _is_one_of(true_then.fields, names):
                verdict.false += 1
                verdict.broken.append(f"{record_id} was read back, had {true_then.fields}, and is updated")
    if unread and not told.tale.faults:
        verdict.false += unread
        verdict.broken.append(f"{unread} rows are updated and were never read back: {summary}")
    killed = [life for life in told.lives if life.blow]
    for life, (_, notices) in zip(killed, told.said_after_kill, strict=False):
        if "read back" not in notices and _has_unread(told, life.after):
            verdict.broken.append(f"a run that was killed before its rows were read back looks finished: {notices}")


def _has_unread(told: Told, until: int) -> bool:
    """Whether some record was changed by a request, up to one, and not read since."""
    asked = [one for one in told.requests if one.seq <= until and one.status == OK]
    changed = {one.id: one.seq for one in asked if one.method == "PATCH"}
    read = {one.id: one.seq for one in asked if one.method == "GET"}
    return any(max(read.get(record_id, 0), read.get("", 0)) < seq for record_id, seq in changed.items())


# Matches.


def _judge_match(verdict: TwoWayVerdict, told: Told, history: History) -> None:
    """What is ended while it looks for ids has sent nothing, and leaves nothing behind where it could tidy up."""
    _judge_rows(verdict, told, history, 0, wanted(told.tale))
    _judge_repeats(verdict, told, _sent(told, 0), allowed=_doubles(told))
    for life in told.lives:
        if life.blow is None or life.blow.moment is not Moment.ASKING:
            continue
        patches = [one for one in told.requests if one.method == "PATCH" and life.before < one.seq <= life.after]
        is_matching = not any(one.method == "PATCH" and one.seq <= life.after for one in told.requests)
        if life.blow.by is signal.SIGINT and is_matching and (patches or life.exit_code != INTERRUPTED):
            verdict.broken.append(f"Ctrl-C while matching: exit code {life.exit_code}, {len(patches)} changes")
        if "Traceback" in life.said:
            verdict.broken.append(life.said)
    begun = [run for run in all_runs(told.runs_dir) if (run.path / "results.csv").exists()]
    if len(begun) != 1:
        verdict.broken.append(f"{len(begun)} runs have sent the same file")
