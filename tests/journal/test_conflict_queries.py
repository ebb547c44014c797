"""Which conflicts would be the same if their rows were sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result
from batchupdate.targets.precondition import NOTHING_SENT, Pulled
from batchupdate.targets.seen import Seen

if TYPE_CHECKING:
    from pathlib import Path

OLD = Pulled(old={"name": "A"})
COMPARED = f"{NOTHING_SENT}name was 'A' when it was pulled, and is 'B' now"
REFUSED = "412 the record has changed since"


@pytest.mark.parametrize(
    ("pulled", "status", "error", "lasting"),
    [
        (OLD, None, COMPARED, {"": 1}),
        (Pulled(expected={"name": "A"}), 200, COMPARED, {"": 1}),
        (Pulled(version="3"), 412, REFUSED, {"": 1}),
        (Pulled(version="3"), 409, "409 another version", {"": 1}),
        (Pulled(seen=Seen(gone=True), by="plan"), 412, REFUSED, {"plan": 1}),
        (Pulled(seen=Seen({"name": "A"}), by="diff"), 200, COMPARED, {"diff": 1}),
        (OLD, 409, "409 another change came between", {}),  # what the sheet says of the record was so
        (OLD, 412, REFUSED, {}),
        (Pulled(), 412, REFUSED, {}),
        (Pulled(), 409, "409 another change came between", {}),
    ],
)
def test_a_conflict_lasts_if_the_row_itself_says_what_is_not_so(
    tmp_path: Path, pulled: Pulled, status: int | None, error: str, lasting: dict[str, int]
) -> None:
    with Journal.create(tmp_path / "journal.sqlite3") as journal:
        kept = {2: pulled.to_json()} if pulled else {}
        journal.add_rows([(2, ["x"], "x", "/x", {"name": "C"}), (3, ["y"], "y", "/y", {})], [], kept)
        journal.seal({})
        journal.begin_session(1.0, repeatable=True)
        results = [(Result(2, Outcome.CONFLICT, status, 1, error), True), (Result(3, Outcome.UPDATED, 200, 1), True)]
        journal.commit([2, 3], results)
        assert journal.lasting_conflicts(NOTHING_SENT) == lasting
        journal.give_away([2], "another")
        assert journal.lasting_conflicts(NOTHING_SENT) == {}
