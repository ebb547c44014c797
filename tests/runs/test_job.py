from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from declarations import PLAIN, read

from batchupdate.api.credentials import NO_CREDENTIALS
from batchupdate.config import Settings
from batchupdate.journal import Journal, Session
from batchupdate.model import Traffic
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.job import Job
from batchupdate.validator.checkup import Checkup

if TYPE_CHECKING:
    from fakes import FakeClock

HOUR = 3600.0


@pytest.mark.parametrize(
    ("declared", "later_s", "may"),
    [
        ("repeatable: true\n", 1e9, True),
        ("repeatable: true\nidempotency: {header: K}\n", 1e9, True),
        ("repeatable: true\nidempotency: {header: K, lifetime: 1h}\n", HOUR - 1, True),
        ("repeatable: true\nidempotency: {header: K, lifetime: 1h}\n", HOUR + 1, False),
        ("idempotency: {header: K, lifetime: 1h}\n", 1, False),
    ],
)
def test_rows_that_were_left_unanswered_are_sent_again_as_long_as_the_api_knows_their_keys(
    tmp_path: Path, clock: FakeClock, declared: str, later_s: float, may: bool
) -> None:
    target = read(PLAIN + declared)
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.seal({})
        heard_at = clock.unix()
        number = journal.begin_session(heard_at - 50, repeatable=True)
        journal.commit([], [], Session.at(number, heard_at, Traffic()))
        clock.time += later_s
        job = Job(
            RunFolder(Path("x")), journal, target, Settings(), "https://a", NO_CREDENTIALS, clock, Checkup("a", "mine")
        )
        assert job.may_repeat is may


def test_a_run_that_has_not_begun_has_forgotten_nothing(tmp_path: Path, clock: FakeClock) -> None:
    target = read(PLAIN + "repeatable: true\nidempotency: {header: K, lifetime: 1h}\n")
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        journal.seal({})
        job = Job(
            RunFolder(Path("x")), journal, target, Settings(), "https://a", NO_CREDENTIALS, clock, Checkup("a", "mine")
        )
        assert job.may_repeat
