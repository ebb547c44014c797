"""A run that was stopped or killed, records that somebody else changes meanwhile, and what its resumption does then.

On real sockets; the contacts of the sandbox have no versions, so that only a look shows a foreign change.
"""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from whole_runs import in_flight_when_killed, key_refused_after

from batchupdate import resume, retry, undo
from batchupdate.config import Settings, load_settings
from batchupdate.run import compare_first, execute, prepare, resumed_job
from batchupdate.runs.folder import RunFolder
from batchupdate.sandbox import Faults, Sandbox, run_in_thread
from batchupdate.sandbox.records import ContactRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batchupdate import Summary

CONTACTS = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
KEYS = {"CONTACTS_API_KEY": "ct_sandbox"}
ALREADY = "the record already has these values"
pytestmark = pytest.mark.slow


def sheet(folder: Path, *rows: Sequence[str], headings: Sequence[str] = ("id", "name")) -> Path:
    path = folder / "k.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    return path


def settings_for(sandbox: Sandbox, folder: Path, **more: Any) -> Settings:
    options = {"target": str(CONTACTS), "base_url": sandbox.url, "runs_dir": folder / "runs", "batch_size": 1}
    return Settings.model_validate({**options, "rate": "unlimited", "concurrency": 1, **more})


def again(folder: Path, **more: Any) -> Callable[[Mapping[str, Any]], Settings]:
    return lambda kept: load_settings({"runs_dir": folder / "runs", **more}, environ={}, kept=kept)


def lines(folder: Path) -> dict[str, tuple[str, str]]:
    with (folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return {line["id"]: (line["_outcome"], line["_error"]) for line in csv.DictReader(file)}


def outcomes(folder: Path) -> dict[str, str]:
    return {record_id: outcome for record_id, (outcome, _) in lines(folder).items()}


def fields(sandbox: Sandbox, record_id: str) -> dict[str, Any]:
    found = sandbox.record("contacts", record_id)
    assert isinstance(found, ContactRecord)
    return dict(found.fields)


def foreign(sandbox: Sandbox, record_id: str, **changed: Any) -> None:
    found = sandbox.record("contacts", record_id)
    assert isinstance(found, ContactRecord)
    sandbox.put("contacts", replace(found, fields={**found.fields, **changed}, version=found.version + 1))


def changes(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests if request.method == "PATCH"]


async def stopped(source: Path, settings: Settings) -> Summary:
    """A run that is compared, sends its canary, and stops after it."""
    with prepare(source, settings, environ=KEYS) as job:
        summary = await execute(await compare_first(job), asks=True)
    assert summary.exit_code == 3
    return summary


async def resumed(summary: Summary, folder: Path, **more: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Resumes it, and returns the notices and the examples of what is to be sent."""
    with resumed_job(RunFolder(summary.folder), again(folder, **more), environ=KEYS) as opened:
        job = await compare_first(opened)
        shown = job.examples()
        job.let_canary_pass()
        await execute(job)
        return job.checkup.notices, shown


async def unsure(sandbox: Sandbox, folder: Path) -> Summary:
    """A run that stops while its first row waits for another try, after an error that leaves open what it did."""
    source = sheet(folder, ("c1", "A1"), ("c2", "A2"), ("c3", "A3"))
    with prepare(source, settings_for(sandbox, folder), environ=KEYS) as job:
        compared = await compare_first(job)
        with key_refused_after(sandbox, 1):
            summary = await execute(compared)
    assert outcomes(summary.folder)["c1"] == "failed"
    return summary


# ---- an old comparison ----


async def test_a_run_that_stopped_after_its_canary_compares_again_and_its_undo_knows_the_foreign_value(
    tmp_path: Path,
) -> None:
    rows = [("c1", "A1"), ("c2", "Contact 2"), ("c3", "A3"), ("c4", "A4")]
    async with Sandbox(contacts=5) as sandbox:
        summary = await stopped(sheet(tmp_path, *rows), settings_for(sandbox, tmp_path, canary=1))
        assert outcomes(summary.folder)["c2"] == "unchanged"
        foreign(sandbox, "c2", name="foreign 2")
        foreign(sandbox, "c4", name="foreign 4")
        foreign(sandbox, "c3", name="A3")
        notices, shown = await resumed(summary, tmp_path)
        assert notices == []
        assert [(one[1], one[3].values["name"]) for one in shown] == [("c2", "foreign 2"), ("c4", "foreign 4")]
        assert {one: fields(sandbox, one)["name"] for one in ("c2", "c4")} == {"c2": "Contact 2", "c4": "A4"}
        assert lines(summary.folder) == {
            "c1": ("updated", ""),
            "c2": ("updated", ""),
            "c3": ("unchanged", ALREADY),
            "c4": ("updated", ""),
        }
        await undo(summary.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        names = [fields(sandbox, f"c{number}")["name"] for number in range(1, 5)]
        assert names == ["Contact 1", "foreign 2", "A3", "foreign 4"]


async def test_a_field_that_was_so_at_the_first_comparison_is_sent_if_it_is_not_so_any_more(tmp_path: Path) -> None:
    async with Sandbox(contacts=3) as sandbox:
        labels = fields(sandbox, "c2")["labels"]
        rows = [("c1", "A1", "x"), ("c2", "A2", ";".join(labels))]
        source = sheet(tmp_path, *rows, headings=("id", "name", "labels"))
        settings = settings_for(sandbox, tmp_path, canary=1, diff="always")
        summary = await stopped(source, settings)
        foreign(sandbox, "c2", labels=["theirs"])
        await resumed(summary, tmp_path)
        assert fields(sandbox, "c2") == {**fields(sandbox, "c2"), "name": "A2", "labels": labels}
        assert outcomes(summary.folder) == {"c1": "updated", "c2": "updated"}


@pytest.mark.parametrize("how", ["never", "too many"])
async def test_where_it_is_not_worth_comparing_again_what_was_unchanged_is_sent_and_nothing_old_is_shown(
    tmp_path: Path, how: str
) -> None:
    declared = tmp_path / "contacts.yaml"
    declared.write_text(re.sub(r"list:\n(  .*\n)+", "", CONTACTS.read_text("utf-8")), "utf-8")
    others = [(f"c{number}", f"A{number}") for number in range(3, 120)] if how == "too many" else []
    rows = [("c1", "A1"), ("c2", "Contact 2"), *others, ("c120", "A120")]
    async with Sandbox(contacts=120) as sandbox:
        source = sheet(tmp_path, *rows)
        options = settings_for(sandbox, tmp_path, target=str(declared), canary=1, diff="always")
        summary = await stopped(source, options)
        foreign(sandbox, "c2", name="foreign")
        foreign(sandbox, "c120", name="foreign")
        reads = sum(request.method == "GET" for request in sandbox.requests)
        notices, shown = await resumed(summary, tmp_path, diff="never" if how == "never" else "auto")
        assert sum(request.method == "GET" for request in sandbox.requests) == reads
        assert [one[3] for one in shown] == [None] * len(shown)
        (said,) = notices
        assert said.startswith("1 row had its values already when this run began.")
        assert fields(sandbox, "c2")["name"] == "Contact 2"
        assert set(outcomes(summary.folder).values()) == {"updated"}
        undone = await undo(summary.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        assert outcomes(undone.folder)["c120"] == "invalid", "nobody knows what it was just before"


async def test_a_resumed_comparison_keeps_what_a_row_that_may_have_been_applied_was_before(tmp_path: Path) -> None:
    async with Sandbox(contacts=5, faults=Faults.in_order("ok", "500-after")) as sandbox:
        summary = await unsure(sandbox, tmp_path)
        foreign(sandbox, "c2", name="foreign")
        await resume(summary.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        found = lines(summary.folder)
        assert {outcome for outcome, _ in found.values()} == {"updated"}
        assert found["c1"][1].startswith("an earlier attempt may have been applied")
        assert changes(sandbox).count("/contacts/c1") == 1
        await undo(summary.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        assert [fields(sandbox, f"c{number}")["name"] for number in (1, 2, 3)] == ["Contact 1", "foreign", "Contact 3"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_a_run_that_was_killed_at_its_question_compares_again_when_the_command_is_given_again(tmp_path: Path) -> None:
    source = sheet(tmp_path, ("c1", "A1"), ("c2", "Contact 2"), ("c3", "A3"))
    with run_in_thread(contacts=5) as sandbox:
        command = [sys.executable, "-m", "batchupdate", "run", str(source), "-t", str(CONTACTS)]
        command += ["--base-url", sandbox.url, "--runs-dir", str(tmp_path / "runs")]
        environ = {**os.environ, **KEYS, "COLUMNS": "200"}
        with (
            terminal() as (ours, theirs),
            subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process,
        ):
            seen = b""
            deadline = time.monotonic() + 60
            while b"[y/N]" not in seen and time.monotonic() < deadline:
                seen += os.read(ours, 4096)
            process.send_signal(signal.SIGKILL)
        assert changes(sandbox) == []
        foreign(sandbox, "c1", name="foreign 1")
        foreign(sandbox, "c2", name="foreign 2")
        dry = subprocess.run([*command, "--dry-run"], env=environ, capture_output=True, text=True, check=False)
        assert "Contact 1" not in dry.stdout + dry.stderr
        done = subprocess.run([*command, "--yes"], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert '"foreign 1" → "A1"' in done.stderr
        assert '"Contact 1" → "A1"' not in done.stderr
        assert fields(sandbox, "c2")["name"] == "Contact 2"
    (folder,) = (path for path in (tmp_path / "runs").glob("2*") if path.is_dir())
    assert set(outcomes(folder).values()) == {"updated"}


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    import pty  # noqa: PLC0415 - there is none on Windows

    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(theirs)
        os.close(ours)


# ---- a third value, seen when a row is looked up ----


@pytest.mark.parametrize("way", ["resume", "retry"])
async def test_a_row_that_was_in_flight_is_not_sent_over_what_somebody_else_has_set_since(
    tmp_path: Path, way: str
) -> None:
    async with Sandbox(contacts=5) as sandbox:
        source = sheet(tmp_path, ("c1", "A1"), ("c2", "A2"), ("c3", "A3"))
        with prepare(source, settings_for(sandbox, tmp_path), environ=KEYS) as job:
            first = await execute(await compare_first(job))
        in_flight_when_killed(first, [2, 3, 4])
        foreign(sandbox, "c1", name="foreign")
        foreign(sandbox, "c2", name="Contact 2")  # its request has never arrived
        sent = len(changes(sandbox))
        again = await (resume if way == "resume" else retry)(
            first.folder, settings=settings_for(sandbox, tmp_path), environ=KEYS
        )
        assert changes(sandbox)[sent:] == ["/contacts/c2"]
        assert fields(sandbox, "c1")["name"] == "foreign"
        found = lines(again.folder)
        assert {record_id: outcome for record_id, (outcome, _) in found.items()} == {
            "c1": "unknown",
            "c2": "updated",
            "c3": "updated",
        }
        why = "may have been applied; it was not sent again: name was 'Contact 1' before that, and is 'foreign' now"
        assert why in found["c1"][1]
        assert again.exit_code == 1
        await undo(again.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        assert fields(sandbox, "c1")["name"] == "foreign"


async def test_a_row_whose_error_left_it_open_is_not_sent_over_a_foreign_change_when_it_is_resumed(
    tmp_path: Path,
) -> None:
    async with Sandbox(contacts=5, faults=Faults.in_order("ok", "500-after")) as sandbox:
        summary = await unsure(sandbox, tmp_path)
        foreign(sandbox, "c1", name="foreign")
        await resume(summary.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        assert fields(sandbox, "c1")["name"] == "foreign"
        assert outcomes(summary.folder) == {"c1": "unknown", "c2": "updated", "c3": "updated"}


async def test_where_nobody_knows_what_a_record_was_before_an_unanswered_row_is_sent_again(tmp_path: Path) -> None:
    async with Sandbox(contacts=5) as sandbox:
        settings = settings_for(sandbox, tmp_path, diff="never")
        with prepare(sheet(tmp_path, ("c1", "A1")), settings, environ=KEYS) as job:
            first = await execute(await compare_first(job))
        in_flight_when_killed(first, [2])
        foreign(sandbox, "c1", name="foreign")
        await resume(first.folder, settings, environ=KEYS)
        assert outcomes(first.folder) == {"c1": "updated"}
