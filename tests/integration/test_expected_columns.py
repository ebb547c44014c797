"""What a sheet expects of its records, kept end to end on real sockets."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_runs import IDS, KEYS, apply, changed_elsewhere, lines, settings_for

from batchupdate.config import Settings
from batchupdate.errors import InputError
from batchupdate.planner.comparison import Comparison, Finding
from batchupdate.run import check_file, plan_file, run_plan
from batchupdate.sandbox import Sandbox
from batchupdate.targets.catalogue import find_target
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.validator.columns.matching import map_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchupdate.model import Problem

LANGDOCK = "langdock-integration"


def sheet(folder: Path, *rows: Sequence[str], name: str = "in.csv") -> Path:
    path = folder / name
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(list(row))  # type: ignore[union-attr] # a new workbook has an active sheet
        book.save(path)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def name_of(sandbox: Sandbox, key: str) -> str:
    record: Any = sandbox.record("langdock", key)
    return str(record.name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.csv", "in.xlsx"])
async def test_a_row_is_sent_if_its_record_is_as_expected_and_else_names_both_values(tmp_path: Path, name: str) -> None:
    async with Sandbox() as sandbox:
        old = [name_of(sandbox, key) for key in IDS[:3]]
        changed_elsewhere(sandbox, IDS[1])
        source = sheet(
            tmp_path,
            ["id", "description", "Expected.Name"],
            [IDS[0], "New", old[0]],
            [IDS[1], "New", old[1]],
            [IDS[2], "New", ""],
            name=name,
        )
        summary = await apply(source, settings_for(sandbox, tmp_path))
        assert {change.id for change in sandbox.applied if change.fields} >= {IDS[0], IDS[2]}
        sent = [one.id for one in sandbox.requests if one.method == "PATCH"]
    assert sent == [IDS[0], IDS[2]]
    found = lines(summary)
    assert [line["_outcome"] for line in found] == ["updated", "conflict", "updated"]
    assert found[1]["_error"] == (
        f'nothing was sent: name should be {old[1]!r} (expected.name), and is "Somebody else\'s"'
    )


@pytest.mark.slow
async def test_without_a_comparison_expectations_do_not_count(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        source = sheet(tmp_path, ["id", "name", "expected.name"], [IDS[0], "New", "nothing like it"])
        summary = await apply(source, settings_for(sandbox, tmp_path, check_old="never"))
    assert [line["_outcome"] for line in lines(summary)] == ["updated"]


@pytest.mark.slow
async def test_a_plan_shows_the_conflict_and_does_not_send_it(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        source = sheet(
            tmp_path,
            ["id", "name", "expected.name"],
            [IDS[0], "New 0", name_of(sandbox, IDS[0])],
            [IDS[1], "New 1", "Something else"],
        )
        settings = settings_for(sandbox, tmp_path)
        plan = await plan_file(source, settings, environ=KEYS)
        assert [row.state.value for row in plan.changes()] == ["change", "conflict"]
        summary = await run_plan(plan.folder, settings, environ=KEYS)
    assert [line["_outcome"] for line in lines(summary)] == ["updated", "conflict"]


@pytest.mark.slow
@pytest.mark.parametrize(("second", "expected"), [("Old", ["updated", "updated"]), ("Other", ["invalid", "invalid"])])
async def test_merged_rows_keep_their_expectations_unless_they_differ(
    tmp_path: Path, second: str, expected: list[str]
) -> None:
    async with Sandbox() as sandbox:
        own = name_of(sandbox, IDS[0])
        source = sheet(
            tmp_path,
            ["id", "name", "description", "expected.name"],
            [IDS[0], "New", "", own],
            [IDS[0], "", "Text", own if second == "Old" else second],
        )
        summary = await apply(source, settings_for(sandbox, tmp_path, input={"on_duplicate": "merge"}))
    found = lines(summary)
    assert [line["_outcome"] for line in found] == expected
    if second == "Other":
        assert "rows 2, 3 for the same record expect different values of name" in found[0]["_error"]
        assert summary.counts["invalid"] == 2  # type: ignore[index] # a StrEnum is its text


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("expected.nmae", "Did you mean 'expected.name'"),
        ("expected.integrationId", "only fields can be expected"),
        ("expected.color", "never returns color"),
        ("expected.zzz", "Known fields: name, description"),
    ],
)
def test_a_column_that_can_not_be_kept_is_refused_at_check(tmp_path: Path, heading: str, said: str) -> None:
    source = sheet(tmp_path, ["id", "name", heading], [IDS[0], "New", "x"])
    with pytest.raises(InputError) as refused:
        check_file(source, Settings(target=LANGDOCK))
    assert said in str(refused.value)
    ignored = Settings.model_validate({"target": LANGDOCK, "input": {"columns": {heading: {}}}})
    assert check_file(source, ignored).invalid == 0


def test_a_target_without_reads_says_why_an_expectation_can_not_be_kept(tmp_path: Path) -> None:
    target = tmp_path / "blind.yaml"
    target.write_text(
        "name: blind\ntitle: Blind\npath: /t/{id}\nauth: {scheme: none}\nid: {id: {}}\nfields: {name: {}}\n", "utf-8"
    )
    source = sheet(tmp_path, ["id", "name", "expected.name"], ["1", "New", "x"])
    with pytest.raises(InputError, match="does not declare how a single record is read"):
        check_file(source, Settings(target=str(target)))


def test_an_expectation_that_no_value_can_meet_is_a_problem_of_its_row(tmp_path: Path) -> None:
    target = tmp_path / "seats.yaml"
    target.write_text(
        "name: seats\ntitle: Seats\npath: /t/{id}\nauth: {scheme: none}\nid: {id: {}}\n"
        "fields: {name: {}, seats: {type: number}}\nread: {}\n",
        "utf-8",
    )
    source = sheet(
        tmp_path,
        ["id", "name", "expected.seats"],
        ["1", "New", "many"],
        ["2", "New", "1.50"],
        ["3", "New", "<null>"],
        ["4", "New", "-"],
    )
    problems: list[Problem] = []
    settings = {"target": str(target), "input": {"null_marker": "-"}}
    check_file(source, Settings.model_validate(settings), on_problem=problems.append)
    assert [(one.row, one.column, one.code) for one in problems] == [
        (2, "expected.seats", "bad_expectation"),
        (4, "expected.seats", "bad_expectation"),
    ]
    assert "null is - here" in problems[1].message


NAMES = st.sampled_from(["A", "B", "C", None])
TEXTS = {"A": "A", "B": "B", "C": "C", None: "<null>"}


@given(
    record=st.fixed_dictionaries({"name": NAMES, "description": NAMES}),
    wanted=st.fixed_dictionaries({}, optional={"name": NAMES, "description": NAMES}).filter(bool),
    expected=st.fixed_dictionaries({}, optional={"name": NAMES, "description": NAMES}),
)
def test_a_row_that_changes_something_is_sent_if_and_only_if_its_record_meets_every_expectation(
    record: dict[str, str | None], wanted: dict[str, str | None], expected: dict[str, str | None]
) -> None:
    known = Pulled(expected={name: TEXTS[value] for name, value in expected.items()})
    found = Comparison(find_target(LANGDOCK)).compare(wanted, known, Seen(record))
    changes = any(record[name] != value for name, value in wanted.items())
    met = all(record[name] == value for name, value in expected.items())
    assert (found.finding is Finding.CHANGES) == (changes and met)
    if changes and not met:
        assert found.finding is Finding.CONFLICT


@pytest.mark.parametrize(
    ("heading", "right"),
    [
        *((one, "expected.name") for one in ("expected_name", "expected name", "Expected-Name", "EXPECTEDNAME")),
        *((one, "_old.name") for one in ("_old_name", "_Old Name")),
    ],
)
def test_a_heading_that_only_looks_like_a_guard_is_refused_with_the_right_spelling(
    tmp_path: Path, heading: str, right: str
) -> None:
    source = sheet(tmp_path, ["id", "name", heading], [IDS[0], "New", "x"])
    with pytest.raises(InputError) as refused:
        check_file(source, Settings(target=LANGDOCK))
    assert f"Name it {right!r}" in str(refused.value)
    for said in ({"columns": {heading: {}}}, {"when": {heading: "x"}}):
        used = Settings.model_validate({"target": LANGDOCK, "input": said})
        assert check_file(source, used).invalid == 0


@pytest.mark.parametrize("heading", ["expected delivery", "expected", "unexpected name", "old name", "Expected_By"])
def test_a_column_of_the_users_own_stays_ignored_and_no_map_is_proposed_for_it(tmp_path: Path, heading: str) -> None:
    source = sheet(tmp_path, ["id", "name", heading], [IDS[0], "New", "x"])
    found = check_file(source, Settings(target=LANGDOCK))
    assert found.invalid == 0
    assert any(heading in notice for notice in found.notices)
    assert not any(f'--map "{heading}' in notice for notice in found.notices)


def test_a_slip_in_such_a_heading_is_never_proposed_as_the_field_itself(tmp_path: Path) -> None:
    source = sheet(tmp_path, ["id", "name", "expected_descripton"], [IDS[0], "New", "x"])
    notices = " ".join(check_file(source, Settings(target=LANGDOCK)).notices)
    assert "name it 'expected.description'" in notices
    assert '--map "expected' not in notices


CASES = st.tuples(st.sampled_from(["{0}.{1}", " {0} . {1}", "{0}.{1} ", "{0}-.{1}"]), st.randoms(use_true_random=False))


@given(CASES, st.sampled_from(["_old", "expected"]), st.sampled_from(["name", "description"]))
def test_however_a_guard_is_written_it_guards(case: tuple[str, Any], guard: str, field: str) -> None:
    form, random = case
    written = form.format(guard, field)
    heading = "".join(random.choice([one.upper(), one.lower()]) for one in written).strip()
    target = find_target(LANGDOCK)
    columns = map_columns(["id", "name", "description", heading], target, Settings().input)
    guarded = [columns.mapped[one.mapped].name for one in columns.old] + [one.name for one in columns.expected]
    assert guarded == [field]
    assert heading not in columns.ignored


def test_old_values_and_locks_count_in_capitals_too(tmp_path: Path) -> None:
    rows = [
        [IDS[0], "Old", "Old", "", IDS[0]],
        [IDS[1], "New", "Old", "", IDS[1]],
        [IDS[2], "New", "Old", "mine", IDS[2]],
    ]
    source = sheet(tmp_path, ["id", "name", "_OLD.NAME", "_Locked", "_Old.Id"], *rows)
    found = check_file(source, Settings(target=LANGDOCK))
    assert (found.rows, found.invalid) == (3, 1)
    assert found.untouched == 1
