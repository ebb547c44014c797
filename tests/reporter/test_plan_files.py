"""plan.csv, plan.json and the frames of a plan."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from plans import ABSENT, HIDDEN, changed, ended, plan_of, written

from batchupdate.errors import SafetyStop
from batchupdate.model import PlanState, RowLabels, RowRef
from batchupdate.spreadsheet.csv_injection import unguard

if TYPE_CHECKING:
    from batchupdate.reporter import Plan

HOSTILE = ["=1+1", "<script>alert(1)</script>", "x" * 40_000, "'=1", "@SUM(A1)", "a\tb\r\n=2", '"quoted", and more']
LINES = [
    changed(2, "a", name=("Sales", "Verkauf"), note=(ABSENT, "new")),
    changed(3, "b", color=(HIDDEN, "red")),
    ended(4, "unchanged", "the record already has these values", "c", name="C"),
    ended(5, "conflict", "name was 'D', and is 'E' now", "d", name="F"),
    ended(6, "failed", "there is no such record", "e", gone=True, name="G"),
    ended(7, "failed", "can't be read: 500", "f", name="G"),
    ended(8, "invalid", "too long", "g", name="G"),
    changed(9, "h", name=("H", None)),
]


def csv_of(plan: Plan, folder: Path) -> list[dict[str, str]]:
    with (written(plan, folder) / "plan.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def json_of(plan: Plan, folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((written(plan, folder) / "plan.json").read_bytes())
    return read


def test_every_row_is_in_one_state_and_the_counts_add_up() -> None:
    plan = plan_of(LINES)
    assert sum(plan.counts.values()) == plan.rows == len(LINES)
    assert {state for state, count in plan.counts.items() if count} == set(PlanState) - {PlanState.CREATE}
    assert plan.to_send == 3
    assert plan.exit_code == 1
    assert plan.cleared == {"name": 1}


def test_the_json_is_valid_and_says_of_each_row_what_the_csv_says(tmp_path: Path) -> None:
    plan = plan_of(LINES)
    read, lines = json_of(plan, tmp_path), csv_of(plan, tmp_path)
    assert read["counts"]["change"] == 2
    assert [row["row"] for row in read["rows"]] == [2, 3, 4, 5, 6, 7, 8, 9]
    said = [
        (str(row["row"]), row["id"], row["state"], name, row.get("message", ""))
        for row in read["rows"]
        for name in row["changes"] or [""]
    ]
    assert said == [(line["row"], line["id"], line["state"], line["field"], line["message"]) for line in lines]


def test_an_old_value_that_is_not_there_is_blank_and_one_that_is_not_known_a_question_mark(tmp_path: Path) -> None:
    lines = {(line["row"], line["field"]): line for line in csv_of(plan_of(LINES), tmp_path)}
    assert lines["2", "note"]["old"] == ""
    assert lines["3", "color"]["old"] == "?"
    assert lines["9", "name"]["new"] == "null"
    rows = json_of(plan_of(LINES), tmp_path)["rows"]
    assert rows[0]["changes"]["note"] == {"new": "new", "absent": True}
    assert rows[1]["changes"]["color"] == {"new": "red"}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_what_a_spreadsheet_program_might_run_is_guarded_and_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    (line,) = csv_of(plan_of([changed(2, "a", name=("old", text))]), tmp_path)
    assert not line["new"].startswith(("=", "@", "+", "-"))
    assert unguard(line["new"]) == text


def test_with_several_files_every_line_says_of_which_it_is(tmp_path: Path) -> None:
    labels = RowLabels(("a.csv", "b.csv"))
    lines = [changed(RowRef(file, 2).key, "k", name=("x", "y")) for file in (0, 1)]
    plan = plan_of(lines, labels)
    assert [(line["file"], line["row"]) for line in csv_of(plan, tmp_path)] == [
        ("a.csv", "2"),
        ("b.csv", "2"),
    ]
    assert [(row["file"], row["row"]) for row in json_of(plan, tmp_path)["rows"]] == [
        ("a.csv", 2),
        ("b.csv", 2),
    ]


@pytest.mark.parametrize("name", ["plan.csv", "plan.json", "plan.xlsx"])
def test_a_file_of_a_plan_that_can_not_be_written_is_a_sentence_that_says_to_plan_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refused(path: Path, target: Path) -> Path:
        if target.name == name:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(SafetyStop, match="disk is full") as told:
        written(plan_of(LINES), tmp_path)
    assert "make the plan again: batchupdate plan FILE" in told.value.hint
    assert "batchupdate report" not in told.value.hint
    assert not (tmp_path / name).exists()


def test_the_files_of_a_plan_name_each_row_once_however_often_its_state_occurs(tmp_path: Path) -> None:
    lines = [changed(row, "k", name=("x", "y")) if row % 3 else LINES[3]._replace(key=row) for row in range(2, 100)]
    plan = plan_of(lines)
    assert [int(line["row"]) for line in csv_of(plan, tmp_path)] == list(range(2, 100))
    assert [row["row"] for row in json_of(plan, tmp_path)["rows"]] == list(range(2, 100))


def test_a_frame_of_a_plan_has_a_row_for_every_change_and_the_types_it_promises() -> None:
    frame = plan_of(LINES).to_frame()
    assert dict(frame.dtypes.astype(str)) == {
        "file": "string",
        "row": "Int64",
        "id": "string",
        "state": "category",
        "field": "string",
        "old": "object",
        "new": "object",
        "message": "string",
    }
    assert frame["row"].tolist() == [2, 2, 3, 4, 5, 6, 7, 8, 9]
    assert frame["old"].tolist()[:2] == ["Sales", None]
    assert frame["old"][2] is pd.NA
    assert frame["new"].tolist()[-1] is None
    assert frame.index.tolist() == list(range(9))


def test_frames_in_pieces_are_the_frame_in_one() -> None:
    plan = plan_of(LINES)
    pieces = list(plan.to_frame(chunksize=2))
    assert [len(piece) for piece in pieces] == [2, 2, 2, 2, 1]
    pd.testing.assert_frame_equal(pd.concat(pieces), plan.to_frame())


def test_a_plan_without_rows_has_an_empty_frame_of_the_same_types(tmp_path: Path) -> None:
    empty = plan_of([])
    assert dict(empty.to_frame().dtypes.astype(str)) == dict(plan_of(LINES).to_frame().dtypes.astype(str))
    assert json_of(empty, tmp_path)["rows"] == []
    assert empty.exit_code == 0
