from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def drawn(folder: Path, count: int, seed: int, rows: int, invalid: frozenset[int] = frozenset()) -> list[int]:
    """The rows that are left of a journal with these rows, some of which can't be sent."""
    path = folder / f"{len(list(folder.iterdir()))}.sqlite3"
    with Journal.create(path) as journal:
        entries = [(n, [f"{n}"], f"{n}", None if n in invalid else f"/{n}", {"name": "x"}) for n in range(2, rows + 2)]
        journal.add_rows(entries, [Result(n, Outcome.INVALID) for n in invalid if 2 <= n < rows + 2])
        journal.draw(count, seed)
        journal.seal({})
        counts = journal.counts()
        left = [line.number for line in journal.lines()]
        assert sum(counts.values()) == len(left) == journal.rows() == journal.to_send()
        return left


@given(
    count=st.integers(1, 30),
    rows=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    invalid=st.frozensets(st.integers(2, 41), max_size=20),
)
@settings(max_examples=40, deadline=None)
def test_a_sample_has_as_many_rows_as_asked_for_each_once_and_the_same_for_the_same_seed(
    count: int, rows: int, seed: int, invalid: frozenset[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sample")
    sendable = set(range(2, rows + 2)) - invalid
    found = drawn(folder, count, seed, rows, invalid)
    assert len(found) == len(set(found)) == min(count, len(sendable))
    assert set(found) <= sendable
    assert drawn(folder, count, seed, rows, invalid) == found


def test_every_row_is_drawn_about_equally_often_over_many_seeds(tmp_path: Path) -> None:
    times = Counter(row for seed in range(300) for row in drawn(tmp_path, 5, seed, 20))
    assert set(times) == set(range(2, 22))
    assert all(45 <= count <= 110 for count in times.values()), times  # 75 on average, with a deviation of 7.5


def test_rows_that_go_out_with_a_drawn_one_stay_and_those_of_others_go(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        journal.add_rows([(n, ["x"], f"{n // 2}", f"/{n // 2}", {"name": "x"}) for n in range(2, 22)], [])
        for n in range(2, 22, 2):
            journal.carry([n], n + 1, {"name": "x"})
        journal.draw(3, 7)
        journal.seal({})
        left = [line.number for line in journal.lines()]
        assert len(left) == 6
        assert {n // 2 for n in left} == {n // 2 for n in left if n % 2}
        assert journal.to_send() == 3


def test_what_was_not_drawn_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite3"
    with Journal.create(path) as journal:
        journal.add_rows([(n, [f"private {n}"], f"{n}", f"/{n}", {"name": "x"}) for n in range(2, 3000)], [])
        journal.draw(1, 7)
        journal.seal({})
    assert sum(f"private {n}".encode() in path.read_bytes() for n in (2, 500, 2999)) <= 1
    assert path.stat().st_size < 100_000
