"""A process that is killed between any two statements that write a slot of the in-flight map."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from batchupdate.journal import in_flight
from batchupdate.journal.in_flight import InFlightMap, read_map
from batchupdate.model import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from batchupdate.journal.in_flight import LeftInFlight

BROKEN = Result(2, Outcome.FAILED, 500, 1, "500 Internal Server Error; the run stopped before another try", "r-1")
CONFLICT = Result(2, Outcome.CONFLICT, None, 1, "nothing was sent: somebody else has changed the record")


@pytest.fixture(autouse=True)
def _one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "boot_id", lambda: "one start")


@pytest.fixture
def written(tmp_path: Path) -> Iterator[InFlightMap]:
    made = InFlightMap()
    assert made.create(tmp_path / "map", "token")
    yield made
    made.close(remove=False)


def seen_at_each_line(path: Path, step: Callable[[], None]) -> list[LeftInFlight]:
    """What a kill would leave before each line of the map's code that a step runs, and after the last one."""
    seen: list[LeftInFlight] = []

    def look() -> None:
        left = read_map(path, "token")
        assert left is not None
        seen.append(left)

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        if frame.f_code.co_filename != in_flight.__file__:
            return None
        if event == "line":
            sys.settrace(None)
            look()
            sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(before)
    look()
    return seen


def test_a_result_in_the_place_of_another_is_that_one_or_the_new_one_or_none(
    written: InFlightMap, tmp_path: Path
) -> None:
    written.leaves(2, 0)
    written.keep(BROKEN, final=False)
    seen = seen_at_each_line(tmp_path / "map", lambda: written.keep(CONFLICT, final=True))
    assert {tuple(left.results) for left in seen} == {((BROKEN, False),), (), ((CONFLICT, True),)}
    assert all(left.results or [row for row, _ in left.unanswered] == [2] for left in seen)


def test_a_result_of_a_row_that_was_out_is_there_whole_or_not_at_all(written: InFlightMap, tmp_path: Path) -> None:
    written.leaves(2, 0)
    seen = seen_at_each_line(tmp_path / "map", lambda: written.keep(CONFLICT, final=True))
    assert {tuple(left.results) for left in seen} == {(), ((CONFLICT, True),)}
    assert all(left.results or left.unanswered for left in seen)
