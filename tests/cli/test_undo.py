from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from whole_runs import key_refused_after

from batchupdate.sandbox import Sandbox, make_records
from batchupdate.sandbox.records import LangdockRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

IDS = [record.id for record in make_records().langdock]
AT = ("-t", "langdock-integration", "--rate", "unlimited", "--base-url")


def langdock(sandbox: Sandbox, number: int) -> LangdockRecord:
    found = sandbox.record("langdock", IDS[number])
    assert isinstance(found, LangdockRecord)
    return found


def test_undo_says_what_it_will_do_and_in_the_end_what_is_restored_and_what_is_kept(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    before = [langdock(sandbox, number).name for number in range(2)]
    planned = cli("plan", str(renames(2)), *AT, sandbox.url, "--json")
    first = json.loads(cli("run", "--plan", json.loads(planned.stdout)["folder"], "--yes", "--json").stdout)
    assert first["counts"]["updated"] == 2
    sandbox.put("langdock", replace(langdock(sandbox, 1), name="Theirs"))
    sent = len(sandbox.applied)
    looked = cli("undo", "latest", "--dry-run")
    assert "2 rows can be restored." in looked.stderr
    assert "is kept; that is seen only when each record is read" in looked.stderr
    unasked = cli("undo", "latest")
    assert (unasked.exit_code, len(sandbox.applied)) == (2, sent)
    done = cli("undo", "latest", "--yes")
    assert done.exit_code == 1
    said = done.stdout + done.stderr
    assert "1 restored, 1 kept (changed since by somebody else), 0 unknowable." in said
    assert f"batchupdate undo {first['run_id']} --force" in said
    assert "batchupdate retry" not in said  # which would keep them again
    assert "'Renamed 1' after that run" in said or '"Renamed 1" after that run' in said
    assert "Theirs" in said
    sent = len(sandbox.applied)
    again = cli("undo", "latest", "--force", "--yes")  # not the undo itself
    assert (again.exit_code, len(sandbox.applied)) == (2, sent)
    assert f"once more: batchupdate undo {first['run_id']}" in " ".join(again.stderr.split())
    forced = cli("undo", first["run_id"], "--force-row", "3", "--yes", "--json")
    assert forced.exit_code == 0
    summary = json.loads(forced.stdout)
    assert summary["undo_of"] == first["run_id"]
    others = {"kept": 0, "unknowable": 0, "failed": 0, "unknown": 0, "not_attempted": 0, "not_restored": []}
    assert summary["undo"] == {"restored": 2, **others}
    assert [langdock(sandbox, number).name for number in range(2)] == before


def test_a_run_of_which_nothing_can_be_restored_ends_the_command_with_exit_code_2(
    cli: Cli, tmp_path: Path, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    source = tmp_path / "n.csv"
    source.write_text(f"id,name\n{sandbox.records('nairi')[0].id},New\n", "utf-8")
    done = cli("run", str(source), "-t", "nairi-llm-integration", "--base-url", sandbox.url, "--yes")
    assert done.exit_code == 0
    refused = cli("undo", "latest", "--yes")
    assert refused.exit_code == 2
    assert "can be restored" in refused.stderr
    assert "has no request that reads these records" in refused.stderr
    assert "force-row" not in refused.stderr


def test_a_force_row_that_is_none_is_refused(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    sandbox = batchupdate_sandbox()
    planned = cli("plan", str(renames(2)), *AT, sandbox.url, "--json")
    cli("run", "--plan", json.loads(planned.stdout)["folder"], "--yes")
    refused = cli("undo", "latest", "--force-row", "99", "--yes")
    assert refused.exit_code == 2
    assert "--force-row names no row that this run has changed" in refused.stderr
    garbled = cli("undo", "latest", "--force-row", "x", "--yes")
    assert garbled.exit_code == 2
    assert "--force-row" in garbled.stderr


def test_undo_csv_is_a_file_that_gives_the_old_values_back_and_leaves_foreign_changes_alone(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    before = [langdock(sandbox, number).name for number in range(3)]
    first = json.loads(cli("run", str(renames(3)), *AT, sandbox.url, "--yes", "--json").stdout)
    assert first["counts"]["updated"] == 3
    sandbox.put("langdock", replace(langdock(sandbox, 1), name="Theirs"))
    done = cli("run", f"{first['folder']}/undo.csv", *AT, sandbox.url, "--yes", "--json")
    assert json.loads(done.stdout)["counts"] | {"updated": 2, "conflict": 1} == json.loads(done.stdout)["counts"]
    assert [langdock(sandbox, number).name for number in range(3)] == [before[0], "Theirs", before[2]]


def test_an_undo_that_is_stopped_names_what_is_neither_restored_nor_kept_so_that_the_counts_add_up(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    assert cli("run", str(renames(4)), *AT, sandbox.url, "--yes").exit_code == 0
    undo = ("undo", "latest", "--yes", "--rate", "unlimited", "--concurrency", "1")
    with key_refused_after(sandbox, 5):
        done = cli(*undo)
    assert done.exit_code == 3
    (said,) = re.findall(r"^Undo of \S+: (1 restored, 0 kept, 0 unknowable, .*)\.$", done.stdout, re.MULTILINE)
    assert sum(int(part.split()[0]) for part in said.split(", ")) == 4
    assert "not attempted" in said
    shown = json.loads(cli("show", "--json").stdout)["undo"]
    assert shown["failed"] + shown["not_attempted"] == 3
