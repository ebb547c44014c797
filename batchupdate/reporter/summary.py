"""`summary.json`: counts, times, rates and error groups of one run, for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from batchupdate.api.error_group import Example
from batchupdate.config.rate import HELD_S, just_below
from batchupdate.config.run_name import name_in_command
from batchupdate.errors import CanaryEnded, ConfigError
from batchupdate.model import ONE_FILE, SUCCEEDED, Outcome
from batchupdate.reporter.atomic_write import replacing
from batchupdate.reporter.results_csv import iso
from batchupdate.util.text import listed
from batchupdate.util.units import three_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pandas import DataFrame, Series

    from batchupdate.api.error_group import ErrorGroup
    from batchupdate.model import InputFile, Line, RowLabels, Sessions

ENOUGH = 50
"""With fewer requests, nothing is said about what the API allows."""

AT_THE_RATE = 0.8
"""A run this close to its rate was held back by it."""


SCHEMA = 1
"""Grows when a key of `summary.json` changes its meaning."""


class Stopped(NamedTuple):
    """Why a run ended early: a stable code for programs, and a sentence."""

    code: str
    message: str


class Retried(NamedTuple):
    """Rows that a later run has sent again: how many of each outcome, and how they ended there.

    Where that run's rows were sent again as well, `ended` is how they ended in the last one. It is None where the later
    run can't be read any more.
    """

    run_id: str
    given: Mapping[Outcome, int]
    ended: Mapping[Outcome, int] | None

    def to_json(self) -> dict[str, Any]:
        """As `summary.json` has it: only the outcomes that occur."""
        ended = None if self.ended is None else {one.value: count for one, count in self.ended.items() if count}
        return {
            "run_id": self.run_id,
            "rows": sum(self.given.values()),
            "given": {one.value: count for one, count in self.given.items()},
            "ended": ended,
        }


@dataclass(frozen=True, slots=True)
class RunRows:
    """A run's rows as its journal has them: the input's headings, the most cells that a row has, and the rows.

    `captured` are the names of what is kept of replies.
    """

    columns: Sequence[str]
    width: int
    lines: Callable[[], Iterator[Line]]
    captured: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run came to.

    `rate_per_s` is the configured rate in requests/s, None for unlimited; `auto` says that it was a ceiling, and the
    rate itself to be found out. `stopped` says why the run ended early, `left` how many rows it would send if resumed,
    and `retry_of` which run's rows these are; `retries` are the runs that have sent rows of this one again. `files` are
    listed where there are several, and `labels` says how their rows are called. `sample` is, where the rows were drawn
    at random, how many (`rows`), by which `seed`, and from how many that could be sent (`drawn_from`). `notices` are
    sentences for the user about the reports themselves, such as that one had to take a second name. `kept` are the
    run's rows; None where its journal is damaged. `undo_of` is the run that this one undoes, and `not_restored` what it
    can't restore: a field, the reason, and how many rows that is; `plan_of` is the plan whose rows it has sent.
    `lasting` are, by who has seen the records otherwise (see `Pulled.by`), the conflicts that would be the same if
    their rows were sent again, without those that were; `repeatable` is whether a row that may have been applied is
    sent again unasked. `options` are those of the command that made the run, as far as they are of use for its rows.
    """

    run_id: str
    folder: Path
    target: str
    input_path: str
    input_sha256: str
    rows: int
    counts: dict[Outcome, int]
    sessions: Sessions
    errors: Sequence[ErrorGroup]
    rate_per_s: float | None
    auto: bool
    exit_code: int
    stopped: Stopped | None = None
    left: int = 0
    retry_of: str = ""
    retries: Sequence[Retried] = ()
    notices: list[str] = field(default_factory=list)
    files: Sequence[InputFile] = ()
    labels: RowLabels = ONE_FILE
    sample: Mapping[str, int] | None = None
    kept: RunRows | None = field(default=None, repr=False, compare=False)
    undo_of: str = ""
    not_restored: Sequence[Mapping[str, Any]] = ()
    plan_of: str = ""
    lasting: Mapping[str, int] = field(default_factory=dict)
    repeatable: bool = True
    options: Sequence[str] = ()

    @overload
    def results(self) -> DataFrame: ...

    @overload
    def results(self, chunksize: int) -> Iterator[DataFrame]: ...

    def results(self, chunksize: int | None = None) -> DataFrame | Iterator[DataFrame]:
        """Every input row with its outcome, as a pandas DataFrame with the columns of `results.csv`.

        It is read from the journal, which lies in the run's folder. The input's own columns are text, as typed, and
        `_finished_at` is UTC. In a run of a DataFrame, `_row` is the position counted from 1: `df.iloc[_row - 1]`.

        Args:
            chunksize: give an iterator over frames of at most so many rows instead, for runs that memory does not hold.

        Raises:
            ConfigError: there is no readable journal any more.
        """
        from batchupdate import frames  # noqa: PLC0415 - it loads pandas

        kept = self._kept()
        size = frames.ROWS_AT_ONCE if chunksize is None else chunksize
        parts = frames.result_frames(kept.lines(), kept.columns, kept.width, self.labels, size, kept.captured)
        return frames.joined(parts, frames.no_results(kept.columns, kept.captured)) if chunksize is None else parts

    def durations(self) -> Series[float]:
        """How long the last request of each row took, in milliseconds: count, mean, p50, p95, p99 and max.

        Raises:
            ConfigError: there is no readable journal any more.
        """
        from batchupdate import frames  # noqa: PLC0415 - as above

        return frames.durations(self._kept().lines())

    def timeline(self, every: str = "1s") -> DataFrame:
        """For each span of time, how many rows ended in each outcome, and `rows_per_s`.

        Args:
            every: the length of a span, as pandas writes it: `1s`, `5min`.

        Raises:
            ConfigError: there is no readable journal any more.
            ValueError: pandas does not know such a span.
        """
        from batchupdate import frames  # noqa: PLC0415 - as above

        return frames.timeline(self._kept().lines(), every)

    def _kept(self) -> RunRows:
        if self.kept is None:
            raise ConfigError(f"The journal of the run {self.run_id} is damaged.", "Read its results.csv instead.")
        return self.kept

    @property
    def waits_after_canary(self) -> bool:
        """Whether the run ended because its canary was through, and nobody has let the other rows go yet."""
        return self.stopped is not None and self.stopped.code == CanaryEnded.code

    @property
    def command_name(self) -> str:
        """What to call the run in a command."""
        return name_in_command(self.folder)

    def other_in_command(self, run_id: str) -> str:
        """What to call a run of the same runs folder in a command."""
        return name_in_command(self.folder.parent / run_id)

    @property
    def source(self) -> str:
        """What to call the input in a sentence."""
        return listed([one.name for one in self.files]) or self.input_path

    @property
    def achieved_per_s(self) -> float:
        """Requests per second over all the time at work."""
        duration = self.sessions.duration_s
        return self.sessions.traffic.sent / duration if duration else 0.0

    @property
    def advice(self) -> str:
        """What rate to set next time, as a sentence; empty if the run was too short: nothing above what was held."""
        traffic = self.sessions.traffic
        allowed = traffic.allowed_per_s
        if traffic.sent < ENOUGH or self.sessions.duration_s < HELD_S:
            return ""
        if allowed:
            better = f"{just_below(allowed).per_s:g}/s"
            held = f"The API let in {three_digits(allowed)} requests/s, for {HELD_S:.0f} s or longer"
            if self.rate_per_s is None or self.rate_per_s > allowed:
                return f"{held}; to start at that rate next time: --rate {better}"
            return f"{held}; next time you can use: --rate {better}"
        if traffic.throttled and not self.auto:
            times = "once" if traffic.throttled == 1 else f"{traffic.throttled:,} times"
            return f"The API asked {times} to slow down; next time, let batchupdate find the limit: --rate auto"
        if traffic.throttled or not self.rate_per_s or self.achieved_per_s < AT_THE_RATE * self.rate_per_s:
            return ""
        faster = "--max-rate" if self.auto else "--rate"
        return f"The API accepted {self.rate_per_s:g} requests/s without complaint; {faster} could be higher."

    @property
    def undone(self) -> dict[str, int]:
        """How many rows an undo has restored, has kept as somebody else made them, and knows no old values of.

        All others stand under their outcomes, so that together they are the rows.
        """
        named = {Outcome.CONFLICT: "kept", Outcome.INVALID: "unknowable"}
        undone = {"restored": 0, **dict.fromkeys(named.values(), 0)}
        for outcome, count in self.counts.items():
            name = "restored" if outcome in SUCCEEDED else named.get(outcome, outcome.value)
            undone[name] = undone.get(name, 0) + count
        return undone

    def _undo_to_json(self) -> dict[str, Any]:
        return {"undo_of": self.undo_of, "undo": {**self.undone, "not_restored": list(self.not_restored)}}

    def to_json(self) -> dict[str, Any]:
        """The summary as `summary.json` has it; times are UTC in ISO 8601, durations in seconds."""
        traffic, duration = self.sessions.traffic, self.sessions.duration_s
        return {
            "run_id": self.run_id,
            **({"retry_of": self.retry_of} if self.retry_of else {}),
            **(self._undo_to_json() if self.undo_of else {}),
            **({"plan_of": self.plan_of} if self.plan_of else {}),
            "target": self.target,
            "input": {
                "path": self.input_path,
                "sha256": self.input_sha256,
                "rows": self.rows,
                **({"files": [one._asdict() for one in self.files]} if self.files else {}),
            },
            **({"sample": dict(self.sample)} if self.sample else {}),
            "counts": {outcome.value: count for outcome, count in self.counts.items()},
            "requests": {"sent": traffic.sent, "retried": traffic.retried, "throttled": traffic.throttled},
            "rate": {
                "configured_per_s": self.rate_per_s,
                "auto": self.auto,
                "achieved_per_s": round(self.achieved_per_s, 3),
                "allowed_per_s": None if traffic.allowed_per_s is None else round(traffic.allowed_per_s, 3),
                "waited_s": round(traffic.waited_s, 3),
                "advice": self.advice,
            },
            "errors": [error_json(group) for group in self.errors],
            "started_at": iso(self.sessions.started_at),
            "finished_at": iso(self.sessions.finished_at),
            "duration_s": round(duration, 3),
            "exit_code": self.exit_code,
            "stopped": self.stopped._asdict() if self.stopped else None,
            "folder": str(self.folder.resolve()),
            "schema": SCHEMA,
            **({"retries": [one.to_json() for one in self.retries]} if self.retries else {}),
        }


def placed(groups: Sequence[ErrorGroup], labels: RowLabels) -> list[ErrorGroup]:
    """Error groups of a journal, each with its examples' rows as their files have them, and the files."""
    return [
        replace(
            one,
            example_row=labels.row(one.example_row),
            example_file=labels.file(one.example_row),
            examples=tuple(Example(labels.row(row), record, labels.file(row)) for row, record, _ in one.examples),
        )
        for one in groups
    ]


def error_json(group: ErrorGroup) -> dict[str, Any]:
    """An error group as `summary.json` has it."""
    return {
        "message": group.message,
        "count": group.count,
        **({"example_file": group.example_file} if group.example_file else {}),
        "example_row": group.example_row,
        **({"outcome": group.outcome} if group.outcome else {}),
        "http_status": group.http_status,
        "examples": [
            {**({"file": one.file} if one.file else {}), "row": one.row, "id": one.record_id} for one in group.examples
        ],
        "way_out": group.way_out,
    }


def write_summary(path: Path, summary: Summary) -> None:
    """Writes `summary.json`; a notice that it had to take another name is added to the summary's own."""
    with replacing(path, summary.notices) as file:
        json.dump(summary.to_json(), file, indent=2, ensure_ascii=False)
        file.write("\n")
