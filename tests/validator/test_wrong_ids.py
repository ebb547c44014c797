"""Where nearly all ids are wrong, one sentence says what they may be."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from batchupdate.config import Settings
from batchupdate.run import check_file
from batchupdate.targets import find_target

if TYPE_CHECKING:
    from pathlib import Path

UUIDS = [str(uuid.UUID(int=number)) for number in range(1, 21)]
ULIDS = [f"01KFRX8K1CKQGCV2W5J9C9Z3{number:02}" for number in range(20)]


def notices(folder: Path, ids: list[str], target: str) -> str:
    path = folder / "in.csv"
    path.write_text("".join(["Record,name\n", *(f"{one},n\n" for one in ids)]), "utf-8")
    columns = {"Record": next(iter(find_target(target).id))}
    found = check_file(path, Settings.model_validate({"target": target, "input": {"columns": columns}}))
    return "\n".join(found.notices)


@pytest.mark.parametrize(
    ("ids", "target", "said"),
    [
        (UUIDS, "nairi-llm-integration", "All 20 ids are UUIDs, but nairi-llm-integration wants a ULID"),
        (ULIDS, "langdock-integration", "All 20 ids are ULIDs, but langdock-integration wants a UUID"),
        ([*UUIDS, ULIDS[0]], "nairi-llm-integration", "20 of 21 ids are UUIDs"),
    ],
)
def test_the_target_that_would_accept_the_ids_is_named(tmp_path: Path, ids: list[str], target: str, said: str) -> None:
    found = notices(tmp_path, ids, target)
    assert said in found
    other = "langdock-integration" if target.startswith("nairi") else "nairi-llm-integration"
    assert f"Did you mean --target {other}?" in found


def test_ids_that_no_target_accepts_may_stand_in_another_column(tmp_path: Path) -> None:
    found = notices(tmp_path, [f"row {number}" for number in range(20)], "nairi-llm-integration")
    assert "All 20 ids in the column 'Record' are wrong: nairi-llm-integration wants a ULID" in found
    assert '--map "COLUMN=id"' in found
    assert "--target" not in found


@pytest.mark.parametrize("ids", [[*ULIDS[:15], *UUIDS[:5]], ULIDS, UUIDS[:1]])
def test_some_wrong_ids_are_no_reason_to_ask(tmp_path: Path, ids: list[str]) -> None:
    assert "ids" not in notices(tmp_path, ids, "nairi-llm-integration")
