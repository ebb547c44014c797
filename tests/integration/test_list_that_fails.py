"""Runs are verified at APIs whose list can't be read, on real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from whole_runs import lines, settings_for

from batchupdate import Settings, run_file, verify
from batchupdate.errors import SafetyStop
from batchupdate.reporter.verification import RecordState
from batchupdate.sandbox import CONTACTS_KEY, Sandbox

if TYPE_CHECKING:
    from batchupdate.reporter import Summary, Verification

pytestmark = pytest.mark.slow

CONTACTS = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
KEYS = {"CONTACTS_API_KEY": CONTACTS_KEY}


def without_list(folder: Path) -> Path:
    """The sandbox's contacts, with a list where none is."""
    target = folder / "contacts.yaml"
    target.write_text(CONTACTS.read_text("utf-8").replace("path: /contacts\n", "path: /contacts-elsewhere\n"), "utf-8")
    return target


def sheet(folder: Path) -> Path:
    path = folder / "in.csv"
    path.write_text("id,name\n" + "".join(f"c{n},New {n}\n" for n in range(1, 6)), "utf-8")
    return path


async def ran(sandbox: Sandbox, folder: Path, target: Path = CONTACTS, **more: object) -> Summary:
    settings = settings_for(sandbox, folder, target=str(target), diff="never", **more)
    return await run_file(sheet(folder), settings, environ=KEYS)


async def verified(summary: Summary, folder: Path, **more: object) -> Verification:
    return await verify(summary.folder, Settings.model_validate({"runs_dir": folder / "runs", **more}), environ=KEYS)


async def test_verify_with_a_key_that_is_refused_stops_and_says_so(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await ran(sandbox, tmp_path)
        sandbox.revoke()
        with pytest.raises(SafetyStop, match="401") as stopped:
            await verified(summary, tmp_path)
        assert stopped.value.exit_code == 3
        assert "the run resumes" not in stopped.value.hint
        sandbox.restore()
        assert (await verified(summary, tmp_path)).exit_code == 0


async def test_verify_at_an_api_that_is_down_stops_and_says_so(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await ran(sandbox, tmp_path)
    with pytest.raises(SafetyStop, match="accepted no request") as stopped:
        await verified(summary, tmp_path, give_up_after=0.2)
    assert stopped.value.exit_code == 3


async def test_where_the_list_can_t_be_read_verify_reads_each_record_by_itself(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await ran(sandbox, tmp_path, without_list(tmp_path))
        found = await verified(summary, tmp_path)
    assert (found.exit_code, found.counts[RecordState.OURS]) == (0, 5)
    assert found.requests == 6, "the list, and five records"
    assert [notice.split(", so ")[0] for notice in found.notices] == ["The list could not be read"]


async def test_where_the_list_can_t_be_read_a_run_reads_each_record_back_by_itself(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await ran(sandbox, tmp_path, without_list(tmp_path), verify=True)
        assert summary.sessions.traffic.sent == len(sandbox.requests)
    assert summary.exit_code == 0
    assert [line["_outcome"] for line in lines(summary)] == ["updated"] * 5
    assert any("each record is read by itself" in notice for notice in summary.notices)
    assert not any("not be read back" in notice or "were not read back" in notice for notice in summary.notices)
