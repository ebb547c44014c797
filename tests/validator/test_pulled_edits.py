"""Of a pulled sheet only what was edited is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from batchupdate.config import Column, Computed, Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.errors import InputError
from batchupdate.model import Level, Problem, Row
from batchupdate.targets import Target
from batchupdate.validator import CheckedRows, Validator, map_columns
from batchupdate.validator.pulled_edits import BLANKED_ONLY, UNTOUCHED

TARGET = parse(
    b"""
name: mine
title: Mine
path: /a/{key}
auth: {scheme: none}
id: {key: {}}
fields:
  name: {max_length: 9}
  note: {nullable: true}
  count: {type: integer}
  locked: {}
rules:
  - {any_of: [name, note], level: warning, message: it may be refused}
""",
    Target,
    "target",
    "t.yaml",
)
REQUIRING = parse(
    b"""
name: mine
title: Mine
path: /a/{key}
auth: {scheme: none}
id: {key: {}}
fields:
  name: {required: true, max_length: 9}
  note: {required: true, nullable: true}
  more: {}
""",
    Target,
    "target",
    "t.yaml",
)
SECRET = "sk-ld-0123456789"
OLD = ("_old.name", "_old.note", "_old.count")
HEADINGS = ("key", "name", "note", "count", "_locked", *OLD)
PULLED = ("k", "Sales", "", "5", "", "Sales", "<null>", "5")


def check(
    *rows: tuple[str, ...], headings: tuple[str, ...] = HEADINGS, target: Target = TARGET, **options: Any
) -> CheckedRows:
    layout = map_columns(headings, target, Input(**options))
    validator = Validator(target, layout, Secrets([SecretStr(SECRET)]))
    return validator.check([Row(number, cells) for number, cells in enumerate(rows, 2)])


def edited(**cells: str) -> tuple[str, ...]:
    return tuple((dict(zip(HEADINGS, PULLED, strict=True)) | cells).values())


def only(checked: CheckedRows) -> Problem:
    (problem,) = checked.problems
    return problem


def test_a_row_as_it_was_pulled_is_not_sent() -> None:
    checked = check(PULLED)
    assert (checked.records, checked.ids, checked.problems) == ([None], [None], [])
    assert (checked.skipped, checked.untouched) == ({2: UNTOUCHED}, 1)
    assert checked.sightings() == []


def test_only_edited_cells_are_sent() -> None:
    checked = check(PULLED, edited(name="New"), PULLED)
    assert checked.records == [None, {"name": "New"}, None]
    assert checked.ids == [None, ("k",), None]
    assert checked.untouched == 2
    assert check(edited(name="New", count="6", note="a")).records == [{"name": "New", "note": "a", "count": 6}]


@pytest.mark.parametrize(
    ("cell", "old", "same"),
    [
        ("", "<null>", True),
        ("<null>", "<null>", True),
        ("", "<empty>", True),
        ("<empty>", "<empty>", True),
        ("<empty>", "<null>", False),
        ("<null>", "<empty>", False),
        ("a", "<null>", False),
        ("a", "a ", False),
        ("a", "", False),
        ("", "", True),
        ("A", "a", False),
        ("  ", "  ", True),
    ],
)
def test_null_and_empty_and_blank_are_the_same_where_they_mean_the_same(cell: str, old: str, *, same: bool) -> None:
    checked = check(edited(note=cell, **{"_old.note": old}))
    assert (checked.untouched == 1) is same
    assert (checked.records == [None]) is same


def test_markers_of_the_users_own_mean_the_same() -> None:
    assert check(edited(note="-"), null_marker="-").untouched == 1
    columns = {"note": Column(null_marker="nil")}
    assert check(edited(note="nil"), columns=columns).untouched == 1


def test_a_blanked_cell_is_told_and_leaves_its_field() -> None:
    checked = check(edited(name="", count="6"))
    assert checked.records == [{"count": 6}]
    told = next(problem for problem in checked.problems if problem.code == "blanked_cell")
    assert (told.row, told.column, told.level) == (2, "name", Level.WARNING)
    assert told.message.endswith("a blank cell leaves name as it is; write <empty> to clear it")


def test_a_row_with_blanked_cells_alone_is_not_sent() -> None:
    checked = check(edited(name=""))
    assert (checked.skipped, checked.untouched) == ({2: BLANKED_ONLY}, 1)
    assert only(checked).code == "blanked_cell"


def test_a_blanked_cell_that_can_not_be_cleared_says_so() -> None:
    told = only(check(edited(count="")))
    assert told.message.endswith("a blank cell leaves count as it is; count can't be cleared")
    told = only(check(edited(note="", **{"_old.note": "x"})))
    assert told.message.endswith("write <empty> or <null> to clear it")


def test_where_blank_means_null_only_a_blanked_cell_clears() -> None:
    columns = {"note": Column(blank="null")}
    assert check(PULLED, columns=columns).untouched == 1
    checked = check(edited(note="", **{"_old.note": "x"}), columns=columns)
    assert (checked.records, checked.problems) == ([{"note": None}], [])
    assert checked.cleared == {"note": 1}
    assert check(edited(name="", **{"_old.name": "x"}), columns={"name": Column(blank="empty")}).records == [
        {"name": ""}
    ]


def test_a_locked_row_may_stand_but_not_be_edited() -> None:
    assert check(edited(_locked="ours")).untouched == 1
    checked = check(edited(_locked="ours", name="much too long", count="x"))
    assert checked.records == [None]
    told = only(checked)  # and nothing else is said about the row
    assert (told.code, told.column, told.cell, told.level) == ("locked_record", "name", "much too long", Level.ERROR)
    assert told.message == "this record must not be edited: ours; restore the old value"


def test_a_required_field_goes_along_with_every_edit_and_never_alone() -> None:
    headings = ("key", "name", "note", "more", "_old.name", "_old.note", "_old.more")

    def one(*cells: str) -> CheckedRows:
        return check(cells, headings=headings, target=REQUIRING)

    assert one("k", "A", "", "m", "A", "<null>", "m").untouched == 1
    assert one("k", "A", "", "M", "A", "<null>", "m").records == [{"name": "A", "note": None, "more": "M"}]
    assert one("k", "A", "", "M", "A", "<empty>", "m").records == [{"name": "A", "note": "", "more": "M"}]
    assert one("k", "B", "", "m", "A", "<null>", "m").records == [{"name": "B", "note": None}]
    missing = one("k", "", "", "M", "<null>", "<null>", "m")
    assert [problem.code for problem in missing.problems] == ["required"]


def test_what_a_rule_asks_for_because_of_an_edit_goes_along() -> None:
    text = TARGET.model_dump(mode="json", exclude_unset=True)
    rule = {"when": ["name"], "any_of": ["note"], "message": "it needs a note"}
    target = Target.model_validate(text | {"rules": [rule]})

    def one(*cells: str) -> CheckedRows:
        return check(cells, headings=("key", "name", "note", "_old.name", "_old.note"), target=target)

    assert one("k", "B", "n", "A", "n").records == [{"name": "B", "note": "n"}]
    assert one("k", "B", "m", "A", "n").records == [{"name": "B", "note": "m"}]
    assert one("k", "A", "m", "A", "n").records == [{"note": "m"}]


def test_rules_are_judged_for_the_row_as_it_is_sent() -> None:
    assert only(check(edited(count="6"))).code == "likely_refused"
    assert check(edited(name="New", count="6")).problems == ()


def test_an_edit_is_checked_and_what_is_not_edited_is_not() -> None:
    assert only(check(edited(name="much too long"))).code == "too_long"
    assert check(edited(name="much too long", note="a", **{"_old.name": "much too long"})).records == [{"note": "a"}]


def test_a_row_that_was_added_is_an_ordinary_one() -> None:
    checked = check(("new", "N", "", "3", "", "", "", ""))
    assert (checked.records, checked.untouched) == ([{"name": "N", "count": 3}], 0)


def test_a_record_of_which_nothing_is_known_may_stand_as_it_is() -> None:
    assert check(("k", *[""] * 7)).untouched == 1
    assert check(("k", "", "", "", "ours", "", "", "")).untouched == 1
    assert only(check(("k", "A", "", "", "ours", "", "", ""))).code == "locked_record"


def test_a_field_whose_old_value_is_not_known_is_sent_where_it_is_filled_in() -> None:
    headings = ("key", "name", "note", "_old.name")
    assert check(("k", "A", "", "A"), headings=headings).untouched == 1
    assert check(("k", "A", "x", "A"), headings=headings).records == [{"note": "x"}]


def test_a_ragged_row_is_told_whatever_stands_in_it() -> None:
    assert only(check(PULLED[:-1])).code == "ragged_row"


def test_a_transform_that_changes_a_cell_makes_an_edit_of_it() -> None:
    columns = {"name": Column(transforms=("upper",))}
    assert check(PULLED, columns=columns).records == [{"name": "SALES"}]
    assert check(edited(name="SALES", **{"_old.name": "SALES"}), columns=columns).untouched == 1
    cut = {"name": Column(transforms=("truncate",))}
    assert check(PULLED, columns=cut).untouched == 1


def test_constants_and_computed_fields_are_compared_too() -> None:
    headings = ("key", "note", "_old.name", "_old.note")
    same, other = ("k", "", "Sales", "<null>"), ("k", "", "Other", "<null>")
    assert check(same, other, headings=headings, constants={"name": "Sales"}).records == [None, {"name": "Sales"}]
    computed = {"name": Computed(template="{key}!")}
    assert check(("k", "", "k!", "<null>"), headings=headings, computed=computed).untouched == 1


def test_conditions_count_before_edits() -> None:
    checked = check(edited(name="New"), PULLED, when={"count": ["6"]})
    assert (checked.untouched, list(checked.skipped)) == (0, [2, 3])


def test_a_cell_that_holds_the_key_is_refused_only_where_it_would_be_sent() -> None:
    assert check(edited(name=SECRET, **{"_old.name": SECRET})).untouched == 1
    checked = check(edited(name="New", note=SECRET, _locked="ours"))
    assert [problem.code for problem in checked.problems] == ["holds_key"]
    assert SECRET not in str(checked.problems)


def test_columns_of_a_pulled_sheet_are_no_noise_and_mean_no_field() -> None:
    layout = map_columns(
        ("key", "name", "_locked", "_old.name", "_old.note", "_old.locked", "_old.odd"), TARGET, Input()
    )
    assert {one.name for one in layout.mapped} == {"key", "name"}  # not `locked`, which is a field here
    assert layout.ignored == ("_old.odd",)
    assert (layout.locked, [(old.mapped, old.index) for old in layout.old]) == (2, [(1, 3)])


def test_a_locked_column_without_old_values_is_none_of_ours() -> None:
    layout = map_columns(("key", "name", "_locked"), TARGET, Input())
    assert (layout.locked, layout.old, layout.ignored) == (None, (), ("_locked",))


def test_old_columns_do_not_stand_in_for_lost_ones() -> None:
    with pytest.raises(InputError, match=r"No column holds the id 'key'. The file has: name\."):
        map_columns(("name", "_old.name", "_locked", "_old.key"), TARGET, Input())


def test_a_file_that_was_not_pulled_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Validator, "_edits", fail)
    assert check(("k", "A"), headings=("key", "name")).records == [{"name": "A"}]


NUMBERED = parse(
    b"""
name: mine
title: Mine
path: /a/{group}/{key}
auth: {scheme: none}
id: {group: {format: uuid}, key: {}}
fields:
  name: {max_length: 9}
  size: {type: number}
  live: {type: boolean}
  tags: {type: list}
  any: {type: json}
list: {path: /a, absent: [any]}
""",
    Target,
    "target",
    "t.yaml",
)
GROUP = "550e8400-e29b-41d4-a716-446655440000"
COPIES = ("group", "key", "name", "_old.group", "_old.key", "_old.name")


def told(*row: str, headings: tuple[str, ...] = COPIES, **options: Any) -> tuple[str, list[Any]]:
    checked = check(row, headings=headings, target=NUMBERED, **options)
    return " ".join(problem.code for problem in checked.problems), checked.records


def test_a_row_whose_old_values_are_another_records_is_refused_and_not_taken_for_unedited() -> None:
    checked = check((GROUP, "8", "Sales", GROUP, "7", "Sales"), headings=COPIES, target=NUMBERED)
    problem = only(checked)
    assert (problem.code, problem.column, problem.cell, checked.records) == ("other_record", "key", "8", [None])
    assert "the old values in this row are those of '7'" in problem.message
    assert told(GROUP.replace("5", "6"), "7", "New", GROUP, "7", "Sales")[0] == "other_record"


def test_an_id_that_a_spreadsheet_program_made_of_another_one_is_told_with_what_it_was() -> None:
    problem = only(check((GROUP, "7", "New", GROUP, "'007", "Sales"), headings=COPIES, target=NUMBERED))
    assert (problem.code, problem.cell) == ("id_as_number", "7")
    assert "was '007' when it was pulled" in problem.message
    assert told(GROUP, "7", "Sales", GROUP, "'007", "Sales") == ("", [None])  # nothing to be sent
    assert told(GROUP, "7", "New", GROUP, "'007", "")[0] == "id_as_number"


@pytest.mark.parametrize(
    ("group", "key", "old_group", "old_key"),
    [
        (GROUP, "7", GROUP, "7"),
        (GROUP, "007", GROUP, "'007"),
        (GROUP, "007", GROUP, "007"),
        (GROUP, "'=1", GROUP, "'=1"),
        (GROUP, "true", GROUP, "'true"),
        (GROUP.upper(), "7", GROUP, "7"),
        (GROUP, "7", "", ""),  # not known
    ],
)
def test_another_spelling_of_the_same_id_is_no_other_record(group: str, key: str, old_group: str, old_key: str) -> None:
    assert told(group, key, "New", old_group, old_key, "Sales") == ("", [{"name": "New"}])
    assert told(group, key, "Sales", old_group, old_key, "Sales") == ("", [None])


def test_a_row_of_which_only_the_old_id_is_known_is_another_records_too() -> None:
    assert told(GROUP, "8", "New", GROUP, "7", "")[0] == "other_record"
    assert told(GROUP, "8", "", GROUP, "7", "") == ("", [None])
    assert told(GROUP, "7", "New", GROUP, "7", "") == ("", [{"name": "New"}])


def test_a_copied_row_whose_old_cells_are_emptied_is_an_ordinary_one() -> None:
    assert told(GROUP, "8", "Sales", "", "", "") == ("", [{"name": "Sales"}])


def test_a_copy_of_the_id_does_no_harm_where_the_id_is_made_by_a_transform() -> None:
    headings = ("group", "key", "name", "_old.group", "_old.key", "_old.name")
    columns = {"key": Column(transforms=("trim",))}
    assert told(GROUP, " 7 ", "New", GROUP, "7", "Sales", headings=headings, columns=columns)[1] == [{"name": "New"}]


@pytest.mark.parametrize(
    ("field", "old", "cell", "sent"),
    [
        ("live", "true", "TRUE", False),
        ("live", "true", "FALSE", True),
        ("size", "1.50", "1.5", False),
        ("size", "1.50", "1.51", True),
        ("size", "12345678901234567890", "12345678901234567891", True),
        ("size", "1.5", "odd", True),
        ("tags", "a, b", "a,b", False),
        ("tags", "a, b", "b, a", True),
        ("any", '{"a": 1}', '{"a":1}', False),
        ("any", '{"a":1}', '{"a":true}', True),
        ("name", "1.50", "1.5", True),
    ],
)
def test_another_way_to_write_the_same_value_is_no_edit(field: str, old: str, cell: str, sent: bool) -> None:
    headings = ("group", "key", field, f"_old.{field}")
    checked = check((GROUP, "7", cell, old), headings=headings, target=NUMBERED)
    assert (checked.untouched == 0) is sent


def test_a_marker_is_no_value_and_a_decimal_comma_is_read() -> None:
    headings = ("group", "key", "size", "_old.size")

    def unedited(cell: str, old: str, **options: Any) -> int:
        return check((GROUP, "7", cell, old), headings=headings, target=NUMBERED, **options).untouched

    assert unedited("0", "0.0") == 1
    assert unedited("0", "0.0", null_marker="0") == 0
    assert unedited("1234,0", "1234", decimal=",") == 1
    assert unedited("1234,0", "1234") == 0


def test_old_values_that_were_deleted_are_told_for_then_every_cell_is_sent() -> None:
    headings = ("group", "key", "name", "size", "any", "_old.size")
    (hint,) = map_columns(headings, NUMBERED, Input()).hints
    assert hint.startswith("The column 'name' has no old values beside it (_old.name), so all its cells are sent")
    assert len(map_columns((*headings[:4], "_locked"), NUMBERED, Input()).hints) == 2
    assert map_columns(headings[:5], NUMBERED, Input()).hints == ()
    assert map_columns(("group", "key", "size", "_old.size"), NUMBERED, Input(constants={"name": "x"})).hints == ()
    assert len(map_columns(("group", "key", "tags[0]", "tags[1]", "_locked"), NUMBERED, Input()).hints) == 1


def test_items_of_a_list_that_have_columns_of_their_own_are_sent() -> None:
    headings = ("group", "key", "name", "tags[0]", "tags[1]", "_old.group", "_old.key", "_old.name")
    own = (GROUP, "7", "Sales", "red", "", GROUP, "7", "Sales")
    assert told(*own, headings=headings) == ("", [{"tags": ["red"]}])
    assert told(GROUP, "8", "", "red", "blue", "", "", "", headings=headings) == ("", [{"tags": ["red", "blue"]}])


LISTING = parse(
    b"""
name: mine
title: Mine
path: /a/{key}
auth: {scheme: none}
id: {key: {}}
fields:
  name: {}
  labels: {type: list}
""",
    Target,
    "target",
    "t.yaml",
)


def test_the_items_of_a_list_in_columns_of_their_own_are_edits() -> None:
    headings = ("key", "name", "labels[0]", "labels[1]", "_old.name")
    checked = check(("k", "A", "red", "blue", "A"), ("l", "B", "", "", "B"), headings=headings, target=LISTING)
    assert list(checked.records) == [{"labels": ["red", "blue"]}, None]
    assert checked.untouched == 1


def test_an_item_of_a_list_has_no_old_value() -> None:
    headings = ("key", "name", "labels[0]", "labels[1]", "_old.labels[0]", "_old.labels[1]", "_old.name")
    checked = check(("k", "B", "red", "", "red", "blue", "A"), headings=headings, target=LISTING)
    assert list(checked.records) == [{"name": "B", "labels": ["red"]}]


def test_a_condition_means_the_field_locked_and_not_the_reason_beside_it() -> None:
    headings = ("key", "name", "locked", "_locked", "_old.name")
    rows = (("k", "B", "no", "", "A"), ("l", "B", "yes", "no", "A"))
    assert list(check(*rows, headings=headings, when={"Locked": ("no",)}).records) == [
        {"name": "B", "locked": "no"},
        None,
    ]
    assert list(check(*rows, headings=headings, when={"_locked": ("",)}).records)[1] is None
    made = check(rows[0], headings=headings, computed={"note": Computed(template="{locked}")})
    assert list(made.records) == [{"name": "B", "locked": "no", "note": "no"}]


def test_a_row_that_was_ragged_in_its_own_file_is_told_though_nothing_of_it_was_edited() -> None:
    layout = map_columns(HEADINGS, TARGET, Input())
    ragged = Problem("ragged_row", 2, "", "", "the row has 7 cells")
    checked = Validator(TARGET, layout, Secrets()).check([Row(2, PULLED)], [ragged])
    assert (checked.records, checked.problems, checked.untouched) == ([None], [ragged], 0)
    spilled = check((*PULLED, "more"), (*PULLED, ""), headings=(*HEADINGS, "_extra_1"))
    assert [(problem.code, problem.row) for problem in spilled.problems] == [("ragged_row", 2)]
    assert spilled.untouched == 1
