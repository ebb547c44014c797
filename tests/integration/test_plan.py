"""Plans over real sockets: what they say is what the records are, and `run --plan` sends exactly that."""

from __future__ import annotations

import csv
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from fakes import QuickClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.model import PlanState
from batchupdate.reporter.next_steps import next_steps
from batchupdate.run import compare_first, execute, plan_file, plan_run_job, prepare, run_file, run_plan
from batchupdate.runs.plan_folder import PlanFolder
from batchupdate.sandbox import Sandbox, run_in_thread
from batchupdate.sandbox.records import ContactRecord, Records, make_records
from batchupdate.util import event_loop

if TYPE_CHECKING:
    from batchupdate.reporter import Plan, Summary

CONTACTS = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
KEYS = {"LANGDOCK_API_KEY": "sk-ld-sandbox", "NAIRI_API_KEY": "nr_sandbox", "CONTACTS_API_KEY": "ct_sandbox"}
RECORDS = make_records().langdock
LISTED_ETAG = """ "join('', ['\\"', id, '-', to_string(version), '\\"'])" """.strip()
GONE = "00000000-0000-4000-8000-000000000000"
pytestmark = pytest.mark.slow


def settings_for(sandbox: Sandbox, folder: Path, target: str = "langdock-integration", **more: Any) -> Settings:
    options = {"target": target, "base_url": sandbox.url, "runs_dir": folder / "runs", "rate": "unlimited"}
    return Settings.model_validate({**options, **more})


def write(path: Path, headings: list[str], *rows: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    return path


def lines(summary: Summary) -> list[dict[str, str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def states(made: Plan) -> list[tuple[PlanState, dict[str, Any]]]:
    return [
        (row.state, {one.name: (one.old if one.known else "?", one.new) for one in row.changes})
        for row in made.changes()
    ]


def mixed(folder: Path) -> Path:
    """One row of each kind."""
    return write(
        folder / "mixed.csv",
        ["id", "name", "description", "color"],
        [RECORDS[0].id, RECORDS[0].name, "", ""],
        [RECORDS[1].id.upper(), "New", RECORDS[1].description or "", ""],
        [RECORDS[2].id, "", "<null>", ""],
        [GONE, "Nobody", "", ""],
        [RECORDS[3].id, "x" * 50, "", ""],
        [RECORDS[4].id, "", "", "#112233"],
        [next(one.id for one in RECORDS if one.built_by_langdock), "Mine", "", ""],
    )


async def test_a_plan_says_of_every_row_what_it_would_do_and_sends_nothing(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        made = await plan_file(mixed(tmp_path), settings_for(sandbox, tmp_path), environ=KEYS)
        assert sandbox.applied == []
        assert {request.method for request in sandbox.requests} == {"GET"}
    assert states(made) == [
        (PlanState.UNCHANGED, {}),
        (PlanState.CHANGE, {"name": (RECORDS[1].name, "New")}),
        (PlanState.CHANGE, {"description": (RECORDS[2].description, None)}),
        (PlanState.NOT_THERE, {"name": (None, "Nobody")}),
        (PlanState.INVALID, {}),
        (PlanState.UNKNOWN, {"color": ("?", "#112233")}),
        (PlanState.INVALID, {}),
    ]
    assert +Counter(made.counts) == Counter(row.state for row in made.changes())
    assert (made.rows, made.to_send, made.exit_code) == (7, 3, 1)
    assert dict(made.cleared) == {"description": 1}
    assert made.requests == 2  # the list, and the record that is not in it
    frame = made.to_frame()
    assert frame["row"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert frame["old"].tolist()[1:3] == [RECORDS[1].name, RECORDS[2].description]


async def test_run_plan_sends_exactly_what_the_plan_shows_and_a_second_plan_is_empty(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        source = mixed(tmp_path)
        made = await plan_file(source, settings_for(sandbox, tmp_path), environ=KEYS)
        summary = await run_plan(made.folder, settings_for(sandbox, tmp_path), environ=KEYS)
        assert {change.id: dict(change.fields) for change in sandbox.applied} == {
            RECORDS[1].id: {"name": "New"},
            RECORDS[2].id: {"description": None},
            RECORDS[4].id: {"color": "#112233"},
        }
        again = await plan_file(source, settings_for(sandbox, tmp_path), environ=KEYS)
        assert again.fields == {"color": 1}, "which no reply shows"
    outcomes = [line["_outcome"] for line in lines(summary)]
    assert outcomes == ["unchanged", "updated", "updated", "failed", "invalid", "updated", "invalid"]
    assert lines(summary)[3]["_error"] == "there is no such record"


@pytest.mark.parametrize("versions", [False, True])
async def test_a_record_that_changed_since_the_plan_is_a_conflict_with_both_values_and_stays_as_it_is(
    tmp_path: Path, versions: bool
) -> None:
    target = CONTACTS.read_text("utf-8")
    if versions:
        target = target[: target.index("batch:")] + target[target.index("read: {}") :]
        target = target.replace("  id: {id: id}\n", "  id: {id: id}\n  version: " + LISTED_ETAG + "\n")
        target += "precondition: {from: etag}\n"
    declared = tmp_path / "contacts.yaml"
    declared.write_text(target, "utf-8")
    async with Sandbox(contacts=5, versions=versions) as sandbox:
        options = settings_for(sandbox, tmp_path, str(declared))
        source = write(tmp_path / "c.csv", ["id", "name"], *([f"c{n}", f"New {n}"] for n in range(1, 6)))
        made = await plan_file(source, options, environ=KEYS)
        foreign(sandbox, "c2", name="Somebody else's")
        foreign(sandbox, "c3", labels=["other"])
        before = len(sandbox.requests)
        summary = await run_plan(made.folder, options, environ=KEYS)
        asked = Counter(request.method for request in sandbox.requests[before:])
        assert contact(sandbox, "c2").fields["name"] == "Somebody else's"
        again = await plan_file(summary.folder / "failed.csv", options, environ=KEYS)
        assert (again.counts[PlanState.CONFLICT], again.counts[PlanState.CHANGE]) == (0, 2 if versions else 1)
    assert summary.to_json()["plan_of"] == made.folder.name
    [(text, command)] = next_steps(summary)
    assert text.startswith("To plan the 2 conflicts again" if versions else "To plan the conflict again")
    assert command == f"batchupdate plan {summary.folder / 'failed.csv'}"
    found = {line["id"]: (line["_outcome"], line["_error"]) for line in lines(summary)}
    assert found["c2"][0] == "conflict"
    assert "name was 'Contact 2' in the plan, and is \"Somebody else's\" now" in found["c2"][1]
    assert found["c1"][0] == found["c4"][0] == "updated"
    if versions:  # any change of the record is one
        assert found["c3"] == ("conflict", found["c3"][1])
        assert asked == {"PATCH": 5, "GET": 2}
    else:
        assert found["c3"][0] == "updated"
        assert asked == {"POST": 4, "GET": 5}


async def test_the_plan_of_a_target_that_nothing_reads_says_so_and_can_be_run(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        nairi = make_records().nairi[0]
        source = write(tmp_path / "n.csv", ["id", "name"], [nairi.id, "New"])
        options = settings_for(sandbox, tmp_path, "nairi-llm-integration")
        made = await plan_file(source, options, environ=KEYS)
        assert sandbox.requests == []
        assert states(made) == [(PlanState.UNKNOWN, {"name": ("?", "New")})]
        assert "so their present values can't be known" in " ".join(made.notices)
        assert made.exit_code == 0
        summary = await run_plan(made.folder, options, environ=KEYS)
        assert [dict(change.fields) for change in sandbox.applied] == [{"name": "New"}]
    assert summary.exit_code == 0


async def test_a_list_of_pages_takes_at_most_two_requests_for_a_hundred_rows(tmp_path: Path) -> None:
    count = 2000
    paged = CONTACTS.read_text("utf-8").replace(
        "  path: /contacts\n  records: contacts",
        "  path: /contacts?limit=100\n  records: contacts\n  pagination: {style: cursor, next: next, parameter: after}",
    )
    declared = tmp_path / "contacts.yaml"
    declared.write_text(paged, "utf-8")
    async with Sandbox(contacts=count, keep_requests=False) as sandbox:
        rows = ([f"c{n}", f"Contact {n}" if n % 2 else "Archived"] for n in range(1, count + 1))
        source = write(tmp_path / "c.csv", ["id", "name"], *rows)
        made = await plan_file(source, settings_for(sandbox, tmp_path, str(declared)), environ=KEYS)
        assert sandbox.counts.requests == made.requests == count // 100
    assert (made.counts[PlanState.CHANGE], made.counts[PlanState.UNCHANGED]) == (count // 2, count // 2)


async def test_few_rows_are_read_one_by_one_where_the_list_has_more_pages(tmp_path: Path) -> None:
    paged = CONTACTS.read_text("utf-8").replace(
        "  path: /contacts\n  records: contacts",
        "  path: /contacts?limit=10\n  records: contacts\n  pagination: {style: cursor, next: next, parameter: after}",
    )
    declared = tmp_path / "contacts.yaml"
    declared.write_text(paged, "utf-8")
    async with Sandbox(contacts=500) as sandbox:
        source = write(tmp_path / "c.csv", ["id", "name"], ["c480", "A"], ["c490", "B"], ["c500", "C"])
        made = await plan_file(source, settings_for(sandbox, tmp_path, str(declared)), environ=KEYS)
        assert sandbox.counts.requests == made.requests == 4, "one page, which said how many there are"
    assert made.to_send == 3


async def test_a_plan_of_a_frame_works_inside_a_running_loop(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        frame = pd.DataFrame({"id": [RECORDS[0].id], "name": ["New"]})
        made = await plan_file(frame, settings_for(sandbox, tmp_path), environ=KEYS)
        assert made.to_frame()["new"].tolist() == ["New"]
        assert (await run_plan(made.plan_id, settings_for(sandbox, tmp_path), environ=KEYS)).exit_code == 0


# ---- what refuses a plan ----


async def test_only_the_plan_as_it_was_made_can_be_run(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        options = settings_for(sandbox, tmp_path)
        source = write(tmp_path / "p.csv", ["id", "name"], [RECORDS[0].id, "New"])
        made = await plan_file(source, options, environ=KEYS)

        async def refused(words: str, **more: Any) -> None:
            with pytest.raises(ConfigError, match=words):
                await run_plan(made.folder, settings_for(sandbox, tmp_path, **more), environ=KEYS)

        approved = (made.folder / "plan.json").read_bytes()
        (made.folder / "plan.json").write_bytes(approved.replace(b"New", b"Old"))
        await refused("was altered since the plan was made")
        (made.folder / "plan.json").unlink()
        await refused("can't be read since the plan was made")
        (made.folder / "plan.json").write_bytes(approved)

        journal = made.folder / "plan.sqlite3"
        whole = journal.read_bytes()
        with closing(sqlite3.connect(journal)) as opened, opened:
            opened.execute("UPDATE row SET fields = replace(fields, 'New', 'Bad'), checksum = NULL")
        await refused("was altered since it was made")
        journal.write_bytes(whole)

        unchanged = source.read_bytes()
        source.write_bytes(unchanged.replace(b"New", b"Newer"))
        await refused("has changed since the plan was made")
        source.write_bytes(unchanged)

        await refused(
            "This plan is for http://127.0.0.1:.*, and now http://127.0.0.1:1 is named", base_url="http://127.0.0.1:1"
        )
        await refused("is for the target langdock-integration, and nairi", target="nairi-llm-integration")
        late = replace_clock(30)
        with (
            pytest.raises(ConfigError, match="was made 30 hours ago, and --plan-max-age allows 24"),
            plan_run_job(PlanFolder(made.folder), lambda _: options, environ=KEYS, clock=late),
        ):
            pass
        assert sandbox.applied == []
        assert (await run_plan(made.folder, options, environ=KEYS)).exit_code == 0


def replace_clock(hours: float) -> QuickClock:
    """A clock that is ahead."""
    clock = QuickClock()
    ahead = time.time() + hours * 3600
    clock.unix = lambda: ahead  # type: ignore[method-assign]
    return clock


async def test_a_run_is_no_plan_and_a_plan_is_no_run(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        options = settings_for(sandbox, tmp_path)
        source = write(tmp_path / "p.csv", ["id", "name"], [RECORDS[0].id, "New"])
        made = await plan_file(source, options, environ=KEYS)
        summary = await run_file(source, options, environ=KEYS)
        assert summary.run_id != made.plan_id
        with pytest.raises(ConfigError, match="is a run, and no plan"):
            await run_plan(summary.folder, options, environ=KEYS)


# ---- properties ----

TEXTS = st.sampled_from(["Contact 1", "Contact 2", "A", "B c", "Ä", "0", "1.0", "true"])
CITIES = st.sampled_from(["", "Ulm", "<null>", "Köln"])


@pytest.mark.counted("nothing")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.dictionaries(st.integers(1, 12), st.tuples(TEXTS, CITIES), min_size=1),
    others=st.sets(st.integers(1, 12), max_size=3),
)
def test_a_run_of_a_plan_changes_just_what_the_plan_shows_and_no_foreign_change_is_overwritten(
    tmp_path: Path, rows: dict[int, tuple[str, str]], others: set[int]
) -> None:
    folder = tmp_path / os.urandom(4).hex()
    folder.mkdir()
    source = write(folder / "c.csv", ["id", "name", "address.city"], *([f"c{n}", *cells] for n, cells in rows.items()))

    async def scenario() -> None:
        contacts = make_records(langdock=0, nairi=0, contacts=12).contacts
        async with Sandbox(records=Records((), (), contacts)) as sandbox:
            options = settings_for(sandbox, folder, str(CONTACTS))
            made = await plan_file(source, options, environ=KEYS)
            planned = {
                row.record_id: {one.name for one in row.changes}
                for row in made.changes()
                if row.state in {PlanState.CHANGE, PlanState.UNKNOWN}
            }
            for number in others:
                foreign(sandbox, f"c{number}", name="FOREIGN")
            await run_plan(made.folder, options, environ=KEYS)
            sent = {change.id for change in sandbox.applied}
            assert sent <= planned.keys()
            for number in others:
                if "name" in planned.get(f"c{number}", set()):
                    assert f"c{number}" not in sent
                assert contact(sandbox, f"c{number}").fields["name"] == "FOREIGN"
            assert planned.keys() - {f"c{number}" for number in others} <= sent
            if not others:
                assert (await plan_file(source, options, environ=KEYS)).to_send == 0

    event_loop.run(scenario())


# ---- rows that were so already in the plan ----


@pytest.mark.parametrize("how", ["by list", "one by one", "verify", "versions"])
async def test_a_row_that_was_so_in_the_plan_is_a_conflict_if_somebody_has_changed_its_record_since(
    tmp_path: Path, how: str
) -> None:
    declared = tmp_path / "contacts.yaml"
    text = CONTACTS.read_text("utf-8")
    text = text if how == "by list" else re.sub(r"list:\n(  .*\n)+", "", text)
    if how == "versions":
        text = text[: text.index("batch:")] + text[text.index("read: {}") :] + "precondition: {from: etag}\n"
    declared.write_text(text, "utf-8")
    async with Sandbox(contacts=6, versions=True) as sandbox:
        rows = [[f"c{number}", f"Contact {number}"] for number in range(2, 6)]
        source = write(tmp_path / "c.csv", ["id", "name"], ["c1", "A1"], *rows)
        more = {"verify": True, "diff": "never"} if how == "verify" else {}
        options = settings_for(sandbox, tmp_path, str(declared), **more)
        made = await plan_file(source, options, environ=KEYS)
        foreign(sandbox, "c2", name="foreign")
        before = len(sandbox.requests)
        summary = await run_plan(made.folder, options, environ=KEYS)
        asked = Counter(request.method for request in sandbox.requests[before:])
        assert summary.to_json()["requests"]["sent"] == len(sandbox.requests) - before
        assert contact(sandbox, "c2").fields["name"] == "foreign"
    found = {line["id"]: (line["_outcome"], line["_error"]) for line in lines(summary)}
    why = "nothing was sent: name was 'Contact 2' in the plan, and is 'foreign' now; make a new plan"
    assert found["c2"] == ("conflict", why)
    assert {found[f"c{number}"] for number in (3, 4, 5)} == {("unchanged", "the record already has these values")}
    assert summary.exit_code == 1
    if how == "by list":
        assert asked["GET"] == 2, "the record of c1, and the list"


async def test_a_row_that_was_so_in_the_plan_says_so_where_nobody_looks_again(tmp_path: Path) -> None:
    async with Sandbox(contacts=3) as sandbox:
        options = settings_for(sandbox, tmp_path, str(CONTACTS), diff="never")
        source = write(tmp_path / "c.csv", ["id", "name"], ["c1", "A1"], ["c2", "Contact 2"])
        made = await plan_file(source, options, environ=KEYS)
        foreign(sandbox, "c2", name="foreign")
        summary = await run_plan(made.folder, options, environ=KEYS)
    (outcome, why) = next((line["_outcome"], line["_error"]) for line in lines(summary) if line["id"] == "c2")
    assert outcome == "unchanged"
    assert re.fullmatch(r"already so in the plan of \d{4}-\d\d-\d\d \d\d:\d\d UTC; not looked at again", why)


async def test_a_field_that_was_so_in_the_plan_and_is_not_sent_must_still_be_so(tmp_path: Path) -> None:
    async with Sandbox(contacts=3) as sandbox:
        options = settings_for(sandbox, tmp_path, str(CONTACTS))
        labels = contact(sandbox, "c2").fields["labels"]
        source = write(tmp_path / "c.csv", ["id", "name", "labels"], ["c2", "A2", ";".join(labels)])
        made = await plan_file(source, options, environ=KEYS)
        foreign(sandbox, "c2", labels=["theirs"])
        summary = await run_plan(made.folder, options, environ=KEYS)
        assert contact(sandbox, "c2").fields["name"] == "Contact 2"
    (line,) = lines(summary)
    assert line["_outcome"] == "conflict"
    assert "labels was 'support' in the plan, and is 'theirs' now" in line["_error"]


# ---- killed ----


@pytest.mark.parametrize("after", [3, 9, 20])
def test_a_killed_run_of_a_plan_goes_on_by_the_same_command(tmp_path: Path, after: int) -> None:
    with run_in_thread(contacts=60, limit="60/s", limit_kind="token-bucket") as sandbox:
        options = settings_for(sandbox, tmp_path, str(CONTACTS))
        source = write(tmp_path / "c.csv", ["id", "name"], *([f"c{n}", f"New {n}"] for n in range(1, 61)))
        made = event_loop.run(plan_file(source, options, environ=KEYS))
        start = sandbox.counts.requests
        command = [
            *(sys.executable, "-m", "batchupdate", "run", "--plan", str(made.folder), "--yes", "--quiet"),
            *("--runs-dir", str(tmp_path / "runs"), "--rate", "60/s", "--concurrency", "2"),
        ]
        with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **KEYS}) as process:
            deadline = time.monotonic() + 60
            while sandbox.counts.requests < start + after and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        subprocess.run(command, cwd=tmp_path, env={**os.environ, **KEYS}, check=True, timeout=120)
        times = Counter(change.id for change in sandbox.applied)
    assert len(times) == 60
    assert max(times.values()) == 1, "each record is read before it is sent again"
    (results,) = (tmp_path / "runs").glob("2*/results.csv")
    with results.open(newline="", encoding="utf-8-sig") as file:
        assert {line["_outcome"] for line in csv.DictReader(file)} == {"updated"}


# ---- a plain run ----


async def test_a_run_that_compares_first_sends_only_what_changes_and_never_what_is_so_already(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        summary = await run_file(mixed(tmp_path), settings_for(sandbox, tmp_path), environ=KEYS)
        assert {change.id: dict(change.fields) for change in sandbox.applied} == {
            RECORDS[1].id: {"name": "New"},
            RECORDS[2].id: {"description": None},
            RECORDS[4].id: {"color": "#112233"},
        }
    outcomes = [line["_outcome"] for line in lines(summary)]
    assert outcomes == ["unchanged", "updated", "updated", "failed", "invalid", "updated", "invalid"]


@pytest.mark.parametrize("listed", [True, False])
async def test_what_somebody_changes_after_the_comparison_is_a_conflict_where_a_version_guards_it(
    tmp_path: Path, listed: bool
) -> None:
    target = CONTACTS.read_text("utf-8")
    target = target[: target.index("batch:")] + target[target.index("read: {}") :]
    if listed:
        target = target.replace("  id: {id: id}\n", "  id: {id: id}\n  version: " + LISTED_ETAG + "\n")
    declared = tmp_path / "contacts.yaml"
    declared.write_text(target + "precondition: {from: etag}\n", "utf-8")
    async with Sandbox(contacts=5, versions=True) as sandbox:
        source = write(tmp_path / "c.csv", ["id", "name"], *([f"c{n}", f"New {n}"] for n in range(1, 6)))
        with prepare(source, settings_for(sandbox, tmp_path, str(declared)), environ=KEYS) as job:
            compared = await compare_first(job)
            foreign(sandbox, "c2", name="Somebody else's")
            before = len(sandbox.requests)
            summary = await execute(compared)
        asked = Counter(request.method for request in sandbox.requests[before:])
        assert contact(sandbox, "c2").fields["name"] == "Somebody else's"
    found = {line["id"]: (line["_outcome"], line["_error"]) for line in lines(summary)}
    assert {record: outcome for record, (outcome, _) in found.items() if outcome != "updated"} == {"c2": "conflict"}
    why = "name was 'Contact 2' when the rows were compared, and is \"Somebody else's\" now; run it again"
    assert why in found["c2"][1]
    assert asked == ({"PATCH": 5, "GET": 1} if listed else {"PATCH": 4, "GET": 5})


async def test_all_fields_go_out_where_the_user_says_so(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        options = settings_for(sandbox, tmp_path, send="all")
        await run_file(mixed(tmp_path), options, environ=KEYS)
        sent = {change.id: dict(change.fields) for change in sandbox.applied}
        assert sent[RECORDS[1].id] == {"name": "New", "description": RECORDS[1].description}


async def test_a_list_that_can_not_be_read_does_not_keep_a_run_from_sending(tmp_path: Path) -> None:
    declared = tmp_path / "contacts.yaml"
    declared.write_text(
        CONTACTS.read_text("utf-8").replace("path: /contacts\n  records", "path: /no\n  records"), "utf-8"
    )
    async with Sandbox(contacts=5) as sandbox:
        source = write(tmp_path / "c.csv", ["id", "name"], *([f"c{n}", "New"] for n in range(1, 4)))
        options = settings_for(sandbox, tmp_path, str(declared))
        with prepare(source, options, environ=KEYS) as job:
            compared = await compare_first(job)
            assert "The records could not be compared with the rows first" in " ".join(compared.checkup.notices)
            assert (await execute(compared)).exit_code == 0
        assert len(sandbox.applied) == 3


async def test_diff_always_is_refused_where_nothing_can_be_read(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        source = write(tmp_path / "n.csv", ["id", "name"], [make_records().nairi[0].id, "New"])
        with pytest.raises(ConfigError, match="--diff always reads the records first, but nairi"):
            await run_file(
                source, settings_for(sandbox, tmp_path, "nairi-llm-integration", diff="always"), environ=KEYS
            )


def contact(sandbox: Sandbox, record_id: str) -> ContactRecord:
    found = sandbox.record("contacts", record_id)
    assert isinstance(found, ContactRecord)
    return found


def foreign(sandbox: Sandbox, record_id: str, **fields: Any) -> None:
    """Somebody else changes a contact."""
    record = contact(sandbox, record_id)
    sandbox.put("contacts", replace(record, fields={**record.fields, **fields}, version=record.version + 1))
