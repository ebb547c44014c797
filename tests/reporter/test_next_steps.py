from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchupdate.model import Outcome, Sessions, Traffic
from batchupdate.reporter import Retried, Stopped, Summary
from batchupdate.reporter.next_steps import next_steps

RUN = "20261121-184500-x-abcd"
FAILED, UNKNOWN, CONFLICT, INVALID = Outcome.FAILED, Outcome.UNKNOWN, Outcome.CONFLICT, Outcome.INVALID
FOLDER = f"batchupdate-runs/{RUN}"


def summary_of(counts: dict[Outcome, int], **facts: Any) -> Summary:
    every, traffic = {**dict.fromkeys(Outcome, 0), **counts}, Traffic()
    sessions = Sessions(traffic, 0.0, 1.0, 1.0, 1)
    run, rows = Path("batchupdate-runs", RUN), sum(counts.values())
    return Summary(RUN, run, "t", "in.csv", "", rows, every, sessions, [], None, auto=True, exit_code=1, **facts)


def sentences(counts: dict[Outcome, int], **facts: Any) -> list[str]:
    return [step.sentence for step in next_steps(summary_of(counts, **facts))]


@pytest.mark.parametrize(
    ("counts", "facts", "command"),
    [
        ({FAILED: 2, CONFLICT: 2}, {}, f"To send 4 rows again as they are: batchupdate retry {RUN}"),
        ({FAILED: 1}, {}, f"To send 1 row again as it is: batchupdate retry {RUN}"),
        (
            {FAILED: 2, UNKNOWN: 1, CONFLICT: 2},
            {"lasting": {"": 2}},
            f"To send 3 rows again as they are: batchupdate retry {RUN} --outcome failed,unknown",
        ),
        ({FAILED: 2, CONFLICT: 3}, {"lasting": {"": 2}}, f"To send 3 rows again as they are: batchupdate retry {RUN}"),
        (
            {FAILED: 2, CONFLICT: 3},
            {"plan_of": "p"},
            f"To send 2 rows again as they are: batchupdate retry {RUN} --outcome failed",
        ),
        (
            {FAILED: 2, CONFLICT: 3, UNKNOWN: 1},
            {"retries": [Retried("r", {FAILED: 2}, {Outcome.UPDATED: 2})], "lasting": {"": 3}, "repeatable": False},
            (
                f"To send 1 unknown row again, once you have seen that its record does not have the change: "
                f"batchupdate retry {RUN} --outcome unknown"
            ),
        ),
    ],
)
def test_a_retry_is_suggested_for_the_rows_that_may_end_otherwise(
    counts: dict[Outcome, int], facts: dict[str, Any], command: str
) -> None:
    assert sentences(counts, **facts)[0] == command


def test_the_rows_of_a_retry_that_never_began_are_retried_from_the_run_before() -> None:
    told = summary_of({Outcome.NOT_ATTEMPTED: 2}, left=2, retry_of="20261121-184400-x-ffff")
    assert "to resume: batchupdate resume" in next_steps(told)[0].sentence
    never = replace(told, sessions=Sessions(Traffic(), None, None, 0.0, None))
    assert [step.command for step in next_steps(never)] == ["batchupdate retry 20261121-184400-x-ffff"]


@pytest.mark.parametrize("facts", [{"lasting": {"": 2}}, {"lasting": {"diff": 2}}, {"plan_of": "p"}, {"undo_of": "u"}])
def test_none_is_suggested_for_conflicts_that_it_would_not_change(facts: dict[str, Any]) -> None:
    assert not any(" retry " in step.command for step in next_steps(summary_of({CONFLICT: 2}, **facts)))


def test_what_to_correct_is_run_with_the_options_of_the_run() -> None:
    options = ("--config", "our own.yaml")
    assert sentences({INVALID: 2, CONFLICT: 1, FAILED: 1}, lasting={"": 1}, options=options)[1:] == [
        (
            "To send 2 invalid rows, correct them in failed.csv and run that, with its 2 other rows: "
            f"batchupdate run {FOLDER}/failed.csv --config 'our own.yaml'"
        ),
        (
            "To send 1 conflict, which no retry would change, pull the records again, or correct the old values in "
            "failed.csv and run that, with its 3 other rows: "
            f"batchupdate run {FOLDER}/failed.csv --config 'our own.yaml'"
        ),
    ]
    assert sentences({CONFLICT: 1}, lasting={"diff": 1}) == [
        (
            "To compare 1 conflict with the records as they are now, run failed.csv, with the same options as before: "
            f"batchupdate run {FOLDER}/failed.csv"
        )
    ]


@pytest.mark.parametrize(("stopped", "first"), [("safety_stop", [f"9 rows left; to resume: batchupdate resume {RUN}"])])
def test_an_unfinished_run_is_resumed_first(stopped: str, first: list[str]) -> None:
    counts = {INVALID: 2, FAILED: 1, CONFLICT: 1, Outcome.NOT_ATTEMPTED: 9}
    said = sentences(counts, left=9, stopped=Stopped(stopped, "why"), lasting={"": 1})
    assert said == [*first, "2 rows invalid: correct them once the others are sent."]
    waits = sentences(counts, left=9, stopped=Stopped("canary", "why"), lasting={"": 1})
    assert waits == said[1:]
