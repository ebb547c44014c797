"""Runs of sheets without ids, whose records are found by another column; on real sockets."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pytest
from whole_runs import KEYS, lines, settings_for

from batchupdate import Outcome, resume, retry, run_file
from batchupdate.config import Input, Settings
from batchupdate.errors import SafetyStop, UsageError
from batchupdate.run import check_file, compare_first, execute, plan_file, prepare, run_plan
from batchupdate.sandbox import CONTACTS_KEY, Sandbox, run_in_thread
from batchupdate.sandbox.records import ContactRecord, LangdockRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate import Problem, Summary

pytestmark = pytest.mark.slow

CONTACTS = """\
name: contacts
title: Contacts
path: /contacts/{id}
auth: {scheme: bearer, env: CONTACTS_KEY}
id: {id: {}}
fields: {name: {}, note: {}}
list:
  path: /contacts?limit=7
  records: contacts
  absent: [note]
  pagination: {style: cursor, parameter: after, next: next}
repeatable: true
"""


def named(sandbox: Sandbox, *names: str) -> list[str]:
    """Gives the first integrations that may be changed these names; returns their ids."""
    own = [one for one in sandbox.records("langdock") if isinstance(one, LangdockRecord) and not one.built_by_langdock]
    for record, name in zip(own, names, strict=False):
        sandbox.put("langdock", replace(record, name=name))
    return [record.id for record in own[: len(names)]]


def sheet(path: Path, rows: Sequence[Sequence[str]], headings: Sequence[str] = ("old name", "new name")) -> Path:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in (headings, *rows):
            book.active.append(list(row))
        book.save(path)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    return path


async def apply(sandbox: Sandbox, source: Any, folder: Path, *match: str, **more: Any) -> tuple[Summary, list[Problem]]:
    found: list[Problem] = []
    settings = settings_for(sandbox, folder, input={"match": list(match or ("name",))}, **more)
    summary = await run_file(
        source, settings, new=True, on_problem=found.append, environ={**KEYS, "CONTACTS_KEY": CONTACTS_KEY}
    )
    return summary, found


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
async def test_a_sheet_of_old_and_new_names_renames_the_records(suffix: str, tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack Sales", "Mail", "Grüße")
        rows = [("Slack Sales", "Slack EMEA"), (" Mail ", "Post"), ("Gru\u0308ße", "Hallo")]
        summary, problems = await apply(sandbox, sheet(tmp_path / f"in{suffix}", rows), tmp_path)
        assert not problems
        assert summary.counts[Outcome.UPDATED] == 3
        assert [sandbox.record("langdock", one).name for one in ids] == ["Slack EMEA", "Post", "Hallo"]  # type: ignore[union-attr]
    found = lines(summary)
    assert [line["_id"] for line in found] == ids
    assert [line["old name"] for line in found] == ["Slack Sales", " Mail ", "Gru\u0308ße"]


async def test_a_row_that_does_not_mean_one_record_is_stopped_and_names_the_candidates(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack Sales", "Twin", "Twin", "UPPER")
        locked = next(one for one in sandbox.records("langdock") if getattr(one, "built_by_langdock", False))
        names = ["Slak Sales", "Twin", "  ", "upper", locked.name, "Slack Sales", "Slack Sales"]  # type: ignore[union-attr]
        path = sheet(tmp_path / "in.csv", [(name, f"N{number}") for number, name in enumerate(names)])
        summary, problems = await apply(sandbox, path, tmp_path)
        assert not sandbox.applied
    assert summary.counts[Outcome.INVALID] == 7
    said = {problem.row: (problem.code, problem.column, problem.message) for problem in problems}
    near = f"no record has the name 'Slak Sales'; the nearest is 'Slack Sales' (id {ids[0]})"
    assert said[2] == ("no_match", "old name", near)
    assert said[3][0] == "several_matches"
    assert said[3][2].startswith("2 records have the name 'Twin': ")
    assert ids[1] in said[3][2]
    assert ids[2] in said[3][2]
    assert said[4][:2] == ("blank_match", "old name")
    assert said[5][2] == f"no record has the name 'upper'; the nearest is 'UPPER' (id {ids[3]})"
    assert said[6] == (
        "locked_record",
        "old name",
        "this record must not be edited: built by Langdock; it is not yours to change; remove the row",
    )
    assert {said[7][0], said[8][0]} == {"duplicate_id"}
    assert [line["_id"] for line in lines(summary)] == ["", "", "", "", locked.id, ids[0], ids[0]]


async def test_a_data_frame_is_matched_inside_a_running_loop(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack Sales")
        frame = pd.DataFrame({"old name": ["Slack Sales"], "new name": ["Slack EMEA"]})
        summary, _ = await apply(sandbox, frame, tmp_path)
    assert summary.counts[Outcome.UPDATED] == 1
    assert list(summary.results()["_id"]) == ids


async def test_the_column_that_would_set_the_field_is_the_key_and_sets_nothing(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        named(sandbox, "Slack Sales")
        path = sheet(tmp_path / "in.csv", [("Slack Sales", "For sales")], ("name", "description"))
        summary, _ = await apply(sandbox, path, tmp_path)
        (applied,) = sandbox.applied
    assert applied.fields == {"description": "For sales"}
    assert summary.counts[Outcome.UPDATED] == 1


async def test_all_pages_are_read_for_a_second_record_of_the_name_may_come_last(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(CONTACTS, "utf-8")
    with run_in_thread(contacts=30) as sandbox:
        names = ["Ada", *[f"P{n}" for n in range(28)], "Ada"]
        for record, name in zip(sandbox.records("contacts"), names, strict=True):
            assert isinstance(record, ContactRecord)
            sandbox.put("contacts", replace(record, fields={**record.fields, "name": name}))
        path = sheet(tmp_path / "in.csv", [("Ada", "x"), ("P7", "y")], ("match.name", "note"))
        summary, problems = await apply(sandbox, path, tmp_path, target=str(tmp_path / "t.yaml"))
        lists = [seen for seen in sandbox.requests if seen.method == "GET"]
    assert [problem.code for problem in problems] == ["several_matches"]
    assert [line["_outcome"] for line in lines(summary)] == ["invalid", "updated"]
    assert len(lists) == 5


def test_check_is_offline_says_so_and_checks_everything_else(tmp_path: Path) -> None:
    rows = [("A", "x"), ("B", "y" * 41), ("A", "z"), ("", "w")]
    found: list[Problem] = []
    settings = Settings(target="langdock-integration", input=Input(match={"name": None}))
    checkup = check_file(sheet(tmp_path / "in.csv", rows), settings, on_problem=found.append, environ={})
    assert [(one.row, one.code) for one in found] == [
        (3, "too_long"),
        (5, "blank_match"),
        (2, "duplicate_id"),
        (4, "duplicate_id"),
    ]
    assert any("found by 'old name' when the run begins" in notice for notice in checkup.notices)


def test_a_dry_run_matches_and_sends_nothing(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack Sales")
        settings = settings_for(sandbox, tmp_path, input={"match": "name"})
        path = sheet(tmp_path / "in.csv", [("Slack Sales", "New")])
        with prepare(path, settings, keyless=True, environ=KEYS) as job:
            assert [record_id for _, record_id, *_ in job.examples()] == ids
        assert {seen.method for seen in sandbox.requests} == {"GET"}


def test_a_list_that_can_not_be_read_stops_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        sandbox.revoke()
        settings = settings_for(sandbox, tmp_path, input={"match": "name"})
        path = sheet(tmp_path / "in.csv", [("Slack Sales", "New")])
        with (
            pytest.raises(SafetyStop, match=r"Page 1 of the list can't be read"),
            prepare(path, settings, environ=KEYS),
        ):
            pass
    assert not [one for one in (tmp_path / "runs").iterdir() if one.is_dir()]


def test_a_run_that_is_resumed_needs_no_matching(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        named(sandbox, "Slack Sales")
        settings = settings_for(sandbox, tmp_path, input={"match": "name"})
        path = sheet(tmp_path / "in.csv", [("Slack Sales", "New")])
        with prepare(path, settings, environ=KEYS) as job:
            job.journal.begin_session(job.clock.unix(), repeatable=True)
            folder = job.folder
        before = len(sandbox.requests)
        with prepare(path, settings, environ=KEYS) as job:
            assert (job.resumed, job.folder) == (True, folder)
        assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    ("target", "match", "headings", "said"),
    [
        ("nairi-llm-integration", "name", ("old name", "name"), "declares neither how its records are listed"),
        ("langdock-integration", "name", ("id", "old name", "name"), "The column 'id' holds the id already"),
        ("langdock-integration", "iconUrl", ("iconUrl", "name"), "which its list never contains"),
        ("langdock-integration", "nome", ("old name", "name"), "Did you mean 'name'?"),
        ("langdock-integration", "description", ("old name", "name"), "No column holds the present description"),
        ("langdock-integration", "name", ("old name", "current name", "name"), "could both hold the present name"),
        ("langdock-integration", "id", ("id", "name"), "names the id"),
    ],
)
def test_what_can_not_be_matched_is_said_before_anything_is_asked(
    target: str, match: str, headings: Sequence[str], said: str, tmp_path: Path
) -> None:
    settings = Settings(target=target, input=Input(match={match: None}))
    with pytest.raises(UsageError) as caught:
        check_file(sheet(tmp_path / "in.csv", [["x"] * len(headings)], headings), settings, environ={})
    assert said in str(caught.value.message) + str(caught.value.hint)


def described(sandbox: Sandbox, record_id: str, text: str) -> None:
    record = sandbox.record("langdock", record_id)
    assert isinstance(record, LangdockRecord)
    sandbox.put("langdock", replace(record, description=text))


async def test_what_the_sheet_expects_is_compared_with_the_record_that_was_found(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack", "Mail")
        for record_id in ids:
            described(sandbox, record_id, "Theirs")
        rows = [("Slack", "New", "Theirs"), ("Mail", "New", "Mine")]
        source = sheet(tmp_path / "in.csv", rows, ("match.name", "description", "expected.description"))
        summary, _ = await apply(sandbox, source, tmp_path, diff="never")
        assert [line["_outcome"] for line in lines(summary)] == ["updated", "conflict"]
        assert "should be 'Mine'" in lines(summary)[1]["_error"]
        assert [sandbox.record("langdock", one).description for one in ids] == ["New", "Theirs"]  # type: ignore[union-attr]


async def test_of_a_sheet_with_old_columns_only_edits_are_sent_to_the_record_that_was_found(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack", "Mail", "Post")
        for record_id in ids:
            described(sandbox, record_id, "Old")
        described(sandbox, ids[2], "Theirs")
        rows = [("Slack", "Old", "Old"), ("Mail", "New", "Old"), ("Post", "New", "Old")]
        source = sheet(tmp_path / "in.csv", rows, ("match.name", "description", "_old.description"))
        summary, _ = await apply(sandbox, source, tmp_path)
        assert [line["_outcome"] for line in lines(summary)] == ["unchanged", "updated", "conflict"]
        assert [line["_id"] for line in lines(summary)] == ["", *ids[1:]], "what is not edited is not looked for"
        assert [sandbox.record("langdock", one).description for one in ids] == ["Old", "New", "Theirs"]  # type: ignore[union-attr]


async def test_a_plan_finds_the_ids_and_its_run_does_not_look_for_them_again(tmp_path: Path) -> None:
    with run_in_thread() as sandbox:
        ids = named(sandbox, "Slack", "Twin", "Twin", "Mail")
        rows = [("Slack", "Slack EMEA"), ("Twin", "x"), ("Nobody", "y"), ("Mail", "Mail")]
        settings = settings_for(sandbox, tmp_path, input={"match": ["name"]})
        made = await plan_file(sheet(tmp_path / "in.csv", rows), settings, environ=KEYS)
        frame = made.to_frame()
        assert frame["state"].tolist() == ["change", "invalid", "invalid", "unchanged"]
        assert frame["id"].tolist() == [ids[0], "", "", ids[3]]
        assert (frame["old"][0], frame["new"][0]) == ("Slack", "Slack EMEA")
        assert "2 records have the name 'Twin'" in frame["message"][1]
        assert not sandbox.applied
        named(sandbox, "Slack", "Slack")  # a second one has the name by now
        asked = len(sandbox.requests)
        summary = await run_plan(made.folder, settings, environ=KEYS)
        assert [change.id for change in sandbox.applied] == [ids[0]]
        assert "/integrations/v1/get" not in {seen.path for seen in sandbox.requests[asked:]}
    assert [line["_outcome"] for line in lines(summary)] == ["updated", "invalid", "invalid", "unchanged"]


MATCHED = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"


def contact(sandbox: Sandbox, record_id: str) -> ContactRecord:
    found = sandbox.record("contacts", record_id)
    assert isinstance(found, ContactRecord)
    return found


def renamed(sandbox: Sandbox, record_id: str, **fields: Any) -> None:
    """Somebody else changes a contact."""
    record = contact(sandbox, record_id)
    sandbox.put("contacts", replace(record, fields={**record.fields, **fields}, version=record.version + 1))


def contacts_settings(sandbox: Sandbox, folder: Path, **more: Any) -> Settings:
    return settings_for(sandbox, folder, target=str(MATCHED), input={"match": ["name"]}, **more)


@pytest.mark.parametrize("way", ["run", "resume", "retry"])
async def test_a_row_is_not_sent_to_a_record_that_does_not_have_its_old_name_any_more(tmp_path: Path, way: str) -> None:
    environ = {"CONTACTS_API_KEY": CONTACTS_KEY}
    with run_in_thread(contacts=5) as sandbox:
        path = sheet(tmp_path / "in.csv", [(f"Contact {number}", f"N{number}") for number in (1, 2, 3)])
        options = contacts_settings(sandbox, tmp_path, diff="never")
        with prepare(path, options, environ=environ) as job:
            if way == "run":
                renamed(sandbox, "c3", name="Renamed by Ann")
            else:
                sandbox.revoke()
            summary = await execute(await compare_first(job))
        sandbox.restore()
        if way != "run":
            renamed(sandbox, "c3", name="Renamed by Ann")
            again = resume if way == "resume" else retry
            summary = await again(summary.folder, settings=Settings(runs_dir=tmp_path / "runs"), environ=environ)
        assert [contact(sandbox, f"c{number}").fields["name"] for number in (1, 2, 3)] == ["N1", "N2", "Renamed by Ann"]
    found = {line["_id"]: (line["_outcome"], line["_error"]) for line in lines(summary)}
    why = "nothing was sent: the record was found by its name 'Contact 3', which is 'Renamed by Ann' now"
    assert found == {"c1": ("updated", ""), "c2": ("updated", ""), "c3": ("conflict", why)}


@pytest.mark.parametrize("more", [{"check_old": "never"}, {}])
async def test_a_field_by_which_a_record_was_found_is_compared_as_it_was_matched_and_not_if_nobody_wants_that(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    environ = {"CONTACTS_API_KEY": CONTACTS_KEY}
    with run_in_thread(contacts=3) as sandbox:
        renamed(sandbox, "c1", name="Grüße ")
        path = sheet(tmp_path / "in.csv", [(" Gru\u0308ße", "a")], headings=("match.name", "labels"))
        with prepare(path, contacts_settings(sandbox, tmp_path, diff="never", **more), environ=environ) as job:
            assert job.to_read == (0 if more else 1)
            if more:
                renamed(sandbox, "c1", name="Another one")
            summary = await execute(await compare_first(job))
        assert contact(sandbox, "c1").fields["labels"] == ["a"]
    assert [line["_outcome"] for line in lines(summary)] == ["updated"]


async def test_a_field_that_finds_a_record_and_is_not_set_is_held_as_well(tmp_path: Path) -> None:
    environ = {"CONTACTS_API_KEY": CONTACTS_KEY}
    with run_in_thread(contacts=3) as sandbox:
        path = sheet(tmp_path / "in.csv", [("Contact 1", "a"), ("Contact 2", "b")], headings=("match.name", "labels"))
        with prepare(path, contacts_settings(sandbox, tmp_path), environ=environ) as job:
            renamed(sandbox, "c2", name="Another one")
            summary = await execute(await compare_first(job))
        assert contact(sandbox, "c2").fields["labels"] == ["support"]
    assert [line["_outcome"] for line in lines(summary)] == ["updated", "conflict"]
