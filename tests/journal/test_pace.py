"""How far a session was from time to time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from batchupdate.journal import Journal, Session
from batchupdate.journal.pace import MOST_SAMPLES
from batchupdate.model import PaceSample, Traffic

if TYPE_CHECKING:
    from pathlib import Path


def test_a_session_is_noted_at_its_ends_and_at_most_once_a_second_between(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        journal.seal({})
        number = journal.begin_session(100.0, repeatable=True)
        for tenths in range(1, 35):
            journal.commit([], [], Session.at(number, 100 + tenths / 10, Traffic(tenths), 9.5))
        journal.end_session(Session.at(number, 103.45, Traffic(40, 1, 3, 0.7)), 0)
        assert journal.pace() == [
            PaceSample(1, 100.0, 0, 0, 0.0, None),
            PaceSample(1, 101.0, 10, 0, 0.0, 9.5),
            PaceSample(1, 102.0, 20, 0, 0.0, 9.5),
            PaceSample(1, 103.0, 30, 0, 0.0, 9.5),
            PaceSample(1, 103.45, 40, 3, 0.7, 9.5),
        ]


def test_a_long_session_keeps_few_samples_and_counts_everything(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        journal.seal({})
        number = journal.begin_session(0.0, repeatable=True)
        for second in range(1, 2000):
            journal.commit([], [], Session.at(number, float(second), Traffic(3 * second)))
        journal.end_session(Session.at(number, 2000.0, Traffic(6000)), 0)
        samples = journal.pace()
    assert MOST_SAMPLES / 3 < len(samples) <= MOST_SAMPLES
    assert (samples[0].at, samples[0].sent) == (0.0, 0)
    assert (samples[-1].at, samples[-1].sent) == (2000.0, 6000)
    assert all(later.sent - one.sent == 3 * (later.at - one.at) for one, later in pairwise(samples))
    assert max(later.at - one.at for one, later in pairwise(samples)) <= 6


def test_a_sample_that_is_damaged_is_left_out(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        journal.seal({})
        number = journal.begin_session(1.0, repeatable=True)
        journal.end_session(Session.at(number, 2.0, Traffic(4)), 0)
        journal._connection.execute("UPDATE pace SET at = 'garbled' WHERE sent = 0")
        assert [sample.sent for sample in journal.pace()] == [4]
