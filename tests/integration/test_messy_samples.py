"""Files as people make them, each with one known mess (benchmarks/make_messy.py): what `check` says about each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.config import load_settings
from batchupdate.errors import BatchUpdateError
from batchupdate.run import check_file

if TYPE_CHECKING:
    from batchupdate.model import Problem

FOLDER = Path(__file__).parents[2] / "samples" / "messy"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text("utf-8"))


def test_every_file_has_its_expectation_and_there_are_at_least_25() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*EXPECTED, "expected.json"}
    assert len(EXPECTED) >= 25


@pytest.mark.parametrize("name", EXPECTED)
def test_check_finds_the_mess_and_nothing_else(name: str) -> None:
    wanted = EXPECTED[name]
    settings = load_settings({"target": wanted["target"], "input": wanted["input"]}, environ={})
    found: list[Problem] = []
    if wanted["error"]:
        with pytest.raises(BatchUpdateError) as caught:
            check_file(FOLDER / name, settings, on_problem=found.append, environ={})
        assert wanted["error"] in str(caught.value)
        return
    checkup = check_file(FOLDER / name, settings, on_problem=found.append, environ={})
    assert [[problem.code, problem.row, problem.column] for problem in found] == wanted["problems"]
    assert wanted["notice"] in "\n".join(checkup.notices)
    assert checkup.invalid == len({problem.row for problem in found if problem.level == "error"})
    for problem in found:
        assert len(problem.message) > 20
        assert (problem.address != "") == (problem.column in {"id", "name", "color"})
