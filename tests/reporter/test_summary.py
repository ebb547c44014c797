"""summary.json."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.api.error_group import ErrorGroup, Example
from batchupdate.model import InputFile, Outcome, RowLabels, RowRef, Sessions, Traffic
from batchupdate.reporter import Stopped, Summary, iso, placed, write_summary

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 21, 18, 45, 0, 123456, tzinfo=UTC).timestamp()


T = Traffic  # for tables
GROUP = ErrorGroup(
    "404 there is no <id>", 2, 7, "", "failed", 404, (Example(7, "id-7"), Example(9, "id-9")), "check the ids"
)


def summary_of(folder: Path, rows: int = 1, **facts: Any) -> Summary:
    return Summary(
        **{
            "run_id": "20261121-184500-x-abcd",
            "folder": folder,
            "target": "langdock-integration",
            "input_path": "/data/renames.csv",
            "input_sha256": "ab" * 32,
            "rows": rows,
            "counts": {**dict.fromkeys(Outcome, 0), Outcome.UPDATED: rows},
            "sessions": Sessions(Traffic(10, 2, 1, 3.0), AT, AT + 4, 4.0, 0),
            "errors": [GROUP],
            "rate_per_s": 5.0,
            "auto": False,
            "exit_code": 0,
            **facts,
        }
    )


def test_the_summary_holds_what_the_contract_names_and_nothing_else(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", summary_of(tmp_path, stopped=Stopped("safety_stop", "why")))
    assert json.loads((tmp_path / "summary.json").read_text("utf-8")) == {
        "run_id": "20261121-184500-x-abcd",
        "target": "langdock-integration",
        "input": {"path": "/data/renames.csv", "sha256": "ab" * 32, "rows": 1},
        "counts": {
            "updated": 1,
            "accepted": 0,
            "unchanged": 0,
            "invalid": 0,
            "conflict": 0,
            "failed": 0,
            "unknown": 0,
            "not_attempted": 0,
        },
        "requests": {"sent": 10, "retried": 2, "throttled": 1},
        "rate": {
            "configured_per_s": 5.0,
            "auto": False,
            "achieved_per_s": 2.5,
            "allowed_per_s": None,
            "waited_s": 3.0,
            "advice": "",
        },
        "errors": [
            {
                "message": "404 there is no <id>",
                "count": 2,
                "example_row": 7,
                "outcome": "failed",
                "http_status": 404,
                "examples": [{"row": 7, "id": "id-7"}, {"row": 9, "id": "id-9"}],
                "way_out": "check the ids",
            }
        ],
        "started_at": "2026-11-21T18:45:00.123Z",
        "finished_at": "2026-11-21T18:45:04.123Z",
        "duration_s": 4.0,
        "exit_code": 0,
        "stopped": {"code": "safety_stop", "message": "why"},
        "folder": str(tmp_path),
        "schema": 1,
    }


@pytest.mark.parametrize(
    ("rate_per_s", "auto", "traffic", "advice"),
    [
        (
            None,
            True,
            T(900, 0, 9, 1.0, 19.9),
            "let in 19.9 requests/s, for 20 s or longer; to start at that rate next time: --rate 19/s",
        ),
        (
            10.0,
            True,
            T(900, 0, 0, 0.0, 240.0),
            "let in 240 requests/s, for 20 s or longer; next time you can use: --rate 230/s",
        ),
        (2.5, False, T(10, 0, 0, 0.0), ""),
        (10.0, True, T(900, 0, 0, 0.0, 0.0), ""),
        (2.5, False, T(1000, 0, 0, 0.0), "accepted 2.5 requests/s without complaint; --rate could be higher."),
        (10.0, True, T(4000, 0, 0, 0.0), "accepted 10 requests/s without complaint; --max-rate could be higher."),
        (100.0, False, T(4000, 0, 0, 0.0), ""),
        (
            99.0,
            False,
            T(4000, 0, 70, 9.0),
            "asked 70 times to slow down; next time, let batchupdate find the limit: --rate auto",
        ),
        (None, False, T(4000, 0, 0, 0.0), ""),
    ],
)  # fmt: skip
def test_the_summary_advises_what_rate_to_set_next_time(
    tmp_path: Path, rate_per_s: float | None, auto: bool, traffic: Traffic, advice: str
) -> None:
    told = summary_of(tmp_path, rate_per_s=rate_per_s, auto=auto, sessions=Sessions(traffic, AT, AT + 400, 400.0, 0))
    assert told.to_json()["rate"]["advice"] == (advice and f"The API {advice}")


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize("traffic", [T(900, 0, 0, 0.0), T(900, 0, 9, 1.0), T(900, 0, 0, 0.0, 19.9)])
def test_a_run_that_was_too_short_to_know_gives_no_advice(tmp_path: Path, traffic: Traffic, *, auto: bool) -> None:
    told = summary_of(tmp_path, rate_per_s=45.0, auto=auto, sessions=Sessions(traffic, AT, AT + 19, 19.0, 0))
    assert told.advice == ""


def test_the_summary_of_a_run_that_never_began_has_no_times(tmp_path: Path) -> None:
    nothing = Sessions(Traffic(), None, None, 0.0, None)
    told = summary_of(tmp_path, sessions=nothing, rate_per_s=None).to_json()
    assert (told["started_at"], told["finished_at"], told["rate"]["achieved_per_s"]) == ("", "", 0.0)
    assert told["rate"]["configured_per_s"] is None


def test_the_name_of_an_input_that_is_no_text_is_no_trouble(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", summary_of(tmp_path, input_path="/data/caf\udce9 ü.csv"))
    text = (tmp_path / "summary.json").read_text("utf-8")
    assert json.loads(text)["input"]["path"] == "/data/caf\udce9 ü.csv"
    assert "ü" in text


def test_times_are_utc_to_the_millisecond() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_795_286_700.9999) == "2026-11-21T18:45:00.999Z"
    assert iso(None) == ""


def test_the_summary_lists_several_files_and_an_examples_file(tmp_path: Path) -> None:
    labels = RowLabels(("a.csv", "b.csv"))
    files = [InputFile(name, f"/data/{name}", "0", 1) for name in labels.names]
    key = RowRef(1, 7).key
    errors = placed([ErrorGroup("404 no", 2, key, examples=(Example(key, "id-7"),))], labels)
    summary = summary_of(tmp_path, files=files, labels=labels, errors=errors)
    assert summary.source == "a.csv and b.csv"
    told = summary.to_json()
    assert list(told["input"]) == ["path", "sha256", "rows", "files"]
    assert told["input"]["files"][1] == {"name": "b.csv", "path": "/data/b.csv", "sha256": "0", "rows": 1}
    assert told["errors"] == [
        {
            "message": "404 no",
            "count": 2,
            "example_file": "b.csv",
            "example_row": 7,
            "http_status": None,
            "examples": [{"file": "b.csv", "row": 7, "id": "id-7"}],
            "way_out": "",
        }
    ]


def test_what_became_of_the_rows_of_an_undo_adds_up_to_them_whatever_it_is(tmp_path: Path) -> None:
    counts = {outcome: 10**place for place, outcome in enumerate(Outcome)}
    undo = summary_of(tmp_path, sum(counts.values()), counts=counts, undo_of="20261121-184500-x-0000").to_json()["undo"]
    assert undo == {
        "restored": 111,
        "kept": counts[Outcome.CONFLICT],
        "unknowable": counts[Outcome.INVALID],
        "failed": counts[Outcome.FAILED],
        "unknown": counts[Outcome.UNKNOWN],
        "not_attempted": counts[Outcome.NOT_ATTEMPTED],
        "not_restored": [],
    }
