from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result
from batchupdate.runs.canary import Canary, canary_of, failures, keep, why_ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        journal.add_rows([(2, [], None, None, None)], [Result(2, Outcome.INVALID)])
        journal.add_rows([(n, [], f"{n}", f"/{n}", {"name": "x"}) for n in range(3, 13)], [])
        journal.seal({})
        yield journal


def test_the_first_rows_to_be_sent_are_the_canary(journal: Journal) -> None:
    assert canary_of(journal, 4) == Canary(4, 3, 6)
    journal.commit([3], [(Result(3, Outcome.UPDATED), True)])
    assert canary_of(journal, 4) == Canary(4, 4, 7)


def test_a_run_of_no_more_rows_than_its_canary_has_none(journal: Journal) -> None:
    assert canary_of(journal, 10) is None
    assert canary_of(journal, 9) is not None
    assert canary_of(journal, None) is None


def test_a_canary_that_was_begun_stays_the_same_whatever_is_asked_for_until_it_has_passed(journal: Journal) -> None:
    canary = canary_of(journal, 4)
    assert canary is not None
    keep(journal, canary, passed=False)
    journal.commit([3], [(Result(3, Outcome.UPDATED), True), (Result(4, Outcome.FAILED), True)])
    assert canary_of(journal, 7) == canary_of(journal, None) == canary
    assert canary.left(journal) == 2
    assert canary.counts(journal) == {Outcome.UPDATED: 1, Outcome.FAILED: 1, Outcome.NOT_ATTEMPTED: 2}
    keep(journal, canary, passed=True)
    assert canary_of(journal, 4) is None


def test_what_did_not_succeed_is_a_failure() -> None:
    succeeded = {Outcome.UPDATED: 3, Outcome.ACCEPTED: 2, Outcome.UNCHANGED: 1}
    assert failures(succeeded) == 0
    assert failures({**succeeded, Outcome.UNKNOWN: 1, Outcome.CONFLICT: 2, Outcome.FAILED: 3}) == 6


@pytest.mark.parametrize(
    ("counts", "allowed", "sentence"),
    [
        (
            {Outcome.UPDATED: 5},
            0,
            "all of which succeeded. To send the other 395 rows: batchupdate resume R",
        ),
        (
            {Outcome.UPDATED: 4, Outcome.FAILED: 1},
            0,
            (
                "of which 1 did not succeed; --canary-max-failures allows 0. To send the other 395 rows: "
                "batchupdate resume R --canary-max-failures 1"
            ),
        ),
        (
            {Outcome.UPDATED: 4, Outcome.FAILED: 1},
            1,
            "of which 1 did not succeed. To send the other 395 rows: batchupdate resume R",
        ),
    ],
)
def test_the_stop_says_what_became_of_the_canary_and_how_to_go_on(
    counts: dict[Outcome, int], allowed: int, sentence: str
) -> None:
    stop = why_ended(counts, 395, allowed, "R")
    assert stop.message == f"Stopped after the canary of 5 rows, {sentence}"
    assert (stop.code, stop.exit_code) == ("canary", 3)
