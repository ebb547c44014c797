from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.api.error_group import Example
from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result

if TYPE_CHECKING:
    from pathlib import Path


def test_fields_are_counted_in_the_rows_that_are_still_to_be_sent(tmp_path: Path) -> None:
    fields = [{"name": "a", "x.y": None}, {"name": ""}, {"name": "b", "key": []}, {"name": "c"}, {"path": "d"}]
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        journal.add_rows([(n, [], f"{n}", f"/{n}", one) for n, one in enumerate(fields, 2)], [])
        journal.add_rows([(9, [], None, None, None)], [Result(9, Outcome.INVALID)])
        journal.seal({})
        assert journal.statistics.fields_to_send() == [("name", 4, 1), ("key", 1, 1), ("path", 1, 0), ("x.y", 1, 1)]
        journal.commit([2], [(Result(2, Outcome.UPDATED), True), (Result(3, Outcome.FAILED), False)])
        assert journal.statistics.fields_to_send() == [("name", 3, 1), ("key", 1, 1), ("path", 1, 0)]


def test_the_first_rows_to_send_and_what_became_of_them(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "j.sqlite3") as journal:
        assert journal.statistics.first_to_send(3) == (0, 0, 0)
        journal.add_rows([(2, [], None, None, None)], [Result(2, Outcome.INVALID, error="bad")])
        journal.add_rows([(n, [], f"{n}", f"/{n}", {"name": "x"}) for n in range(3, 9)], [])
        journal.seal({})
        assert journal.statistics.first_to_send(3) == (3, 5, 3)
        assert journal.statistics.first_to_send(30) == (3, 8, 6)
        journal.commit([3], [(Result(3, Outcome.UPDATED), True), (Result(4, Outcome.FAILED, error="404"), True)])
        assert journal.statistics.left_until(5) == 1
        found = journal.statistics.outcomes_among(3, 5)
        assert found == {Outcome.UPDATED: 1, Outcome.FAILED: 1, Outcome.NOT_ATTEMPTED: 1}
        [group] = journal.statistics.errors_among(2, 5)
        assert (group.message, group.count, group.examples) == ("404", 1, (Example(4, "4"),))
        assert journal.statistics.rows_by_file() == {0: 7}
