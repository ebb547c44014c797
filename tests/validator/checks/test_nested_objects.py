"""An API that replaces objects gets all members of one, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from batchupdate.config import Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError
from batchupdate.model import Level, Problem, Row
from batchupdate.targets import Target
from batchupdate.validator import CheckedRows, Validator, map_columns

DECLARED = """
name: crm
title: CRM
path: /{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
  home.street: {nullable: true}
  home.door: {type: integer}
  home.geo.lat: {}
  work.floor: {required: %s}
  tags: {type: list, max_items: 4}
%s
"""
HEADINGS = (
    "id", "name", "home.street", "home.door", "home.geo.lat", "work.floor", "tags",
    "_old.id", "_old.name", "_old.home.street", "_old.home.door", "_old.home.geo.lat", "_old.work.floor", "_old.tags",
)  # fmt: skip
PULLED = ("k", "Ann", "Elm", "7", "48.1", "2", "a, b", "k", "Ann", "Elm", "7", "48.1", "2", "a, b")


def target(nested: str | None, *, required: str = "false") -> Target:
    line = f"body: {{nested: {nested}}}" if nested else ""
    return parse((DECLARED % (required, line)).encode(), Target, "target", "t.yaml")


REPLACE, MERGE, UNSAID = target("replace"), target("merge"), target(None)


def check(of: Target, headings: tuple[str, ...], *rows: tuple[str, ...], **options: Any) -> CheckedRows:
    columns = map_columns(headings, of, Input(**options))
    return Validator(of, columns, Secrets([])).check([Row(number, cells) for number, cells in enumerate(rows, 2)])


def pulled(of: Target, **cells: str) -> CheckedRows:
    """The row as it was pulled, with some cells edited; `home_street` is `home.street`."""
    named = dict(zip(HEADINGS, PULLED, strict=True)) | {name.replace("-", "."): text for name, text in cells.items()}
    return check(of, HEADINGS, tuple(named.values()))


def only(checked: CheckedRows) -> Problem:
    (problem,) = checked.problems
    return problem


def test_the_unedited_members_go_along_with_the_edited_one() -> None:
    assert pulled(REPLACE, **{"home.street": "Oak"}).records == [
        {"home.street": "Oak", "home.door": 7, "home.geo.lat": "48.1"}
    ]
    assert pulled(REPLACE, **{"home.geo.lat": "1"}).records == [
        {"home.street": "Elm", "home.door": 7, "home.geo.lat": "1"}
    ]


def test_an_edit_outside_of_the_object_sends_nothing_of_it() -> None:
    assert pulled(REPLACE, name="Bob").records == [{"name": "Bob"}]


def test_a_required_member_that_goes_along_brings_the_others() -> None:
    declared = DECLARED.replace("name: {}", "name: {}\n  work.room: {}") % ("true", "body: {nested: replace}")
    of = parse(declared.encode(), Target, "target", "t.yaml")
    headings = ("id", "name", "work.floor", "work.room", "_old.id", "_old.name", "_old.work.floor", "_old.work.room")
    checked = check(of, headings, ("k", "Bob", "2", "R", "k", "Ann", "2", "R"))
    assert checked.records == [{"name": "Bob", "work.floor": "2", "work.room": "R"}]


@pytest.mark.parametrize("of", [MERGE, UNSAID])
def test_without_replace_only_what_was_edited_is_sent(of: Target) -> None:
    assert pulled(of, **{"home.street": "Oak"}).records == [{"home.street": "Oak"}]


def test_a_warning_names_the_members_that_are_not_sent_and_the_way_out() -> None:
    problem = only(pulled(UNSAID, **{"home.street": "Oak"}))
    assert (problem.code, problem.level, problem.column) == ("incomplete_object", Level.WARNING, "home.street")
    assert "home.door and home.geo.lat" in problem.message
    assert "'nested: replace' or 'nested: merge'" in problem.message
    assert not pulled(MERGE, **{"home.street": "Oak"}).problems


def test_a_hand_written_sheet_is_warned_about_members_that_only_the_target_knows() -> None:
    problem = only(check(UNSAID, ("id", "home.door"), ("k", "5")))
    assert "home.street and home.geo.lat" in problem.message
    assert not check(UNSAID, ("id", "home.door", "home.street", "home.geo.lat"), ("k", "5", "Elm", "1")).problems


@pytest.mark.parametrize(
    ("old", "sent"),
    [("<null>", {"home.street": None}), ("<empty>", {"home.street": ""}), ("<absent>", {})],
)
def test_null_empty_and_absent_members_stay_so(old: str, sent: dict[str, Any]) -> None:
    checked = pulled(REPLACE, **{"home.street": "", "_old.home.street": old, "home.door": "8"})
    assert not checked.problems
    assert checked.records == [sent | {"home.door": 8, "home.geo.lat": "48.1"}]


@pytest.mark.parametrize(
    ("cells", "way_out"),
    [
        ({"home.geo.lat": "", "_old.home.geo.lat": ""}, "pull the records again"),
        ({"home.geo.lat": "", "_old.home.geo.lat": "<null>"}, "nullable: true"),
    ],
)
def test_a_member_whose_old_value_cant_go_along_stops_the_row(cells: dict[str, str], way_out: str) -> None:
    checked = pulled(REPLACE, **{"home.street": "Oak"}, **cells)
    assert (only(checked).code, checked.records) == ("incomplete_object", [None])
    assert "home.geo.lat" in only(checked).message
    assert way_out in only(checked).message


def test_a_cleared_member_keeps_its_old_value_as_its_warning_says() -> None:
    checked = pulled(REPLACE, **{"home.street": "Oak", "home.geo.lat": ""})
    assert only(checked).code == "blanked_cell"
    assert checked.records == [{"home.street": "Oak", "home.door": 7, "home.geo.lat": "48.1"}]


def test_a_member_goes_along_even_if_its_column_was_deleted() -> None:
    left = dict(zip(HEADINGS, PULLED, strict=True)) | {"home.street": "Oak"}
    del left["home.door"]
    checked = check(REPLACE, tuple(left), tuple(left.values()))
    assert checked.records == [{"home.street": "Oak", "home.geo.lat": "48.1", "home.door": 7}]


def test_a_hand_written_row_has_to_say_all_members() -> None:
    headings = ("id", "name", "home.street", "home.door", "home.geo.lat")
    checked = check(REPLACE, headings, ("1", "", "Elm", "", "2"), ("2", "N", "", "", ""), ("3", "", "Elm", "1", "2"))
    assert [(problem.row, problem.code) for problem in checked.problems] == [(2, "incomplete_object")]
    assert [record is None for record in checked.records] == [True, False, False]


def test_old_items_go_along_after_those_of_the_row() -> None:
    headings = ("id", "tags[0]", "_old.id", "_old.tags")
    rows = ("1", "x", "1", "a, b, c"), ("2", "x", "2", "<empty>"), ("3", "x", "", "")
    assert check(REPLACE, headings, *rows).records == [{"tags": ["x", "b", "c"]}, {"tags": ["x"]}, {"tags": ["x"]}]


@pytest.mark.parametrize("of", [MERGE, UNSAID])
def test_a_row_that_would_lose_old_items_has_a_warning(of: Target) -> None:
    checked = check(of, ("id", "tags[0]", "_old.id", "_old.tags"), ("1", "x", "1", "a, b, c"), ("2", "x", "2", "a"))
    assert (only(checked).code, only(checked).row, only(checked).level) == ("incomplete_object", 2, Level.WARNING)
    assert "had 3 items" in only(checked).message
    assert checked.records == [{"tags": ["x"]}, {"tags": ["x"]}]


def test_a_list_whose_old_items_are_not_known_stops_the_row() -> None:
    checked = check(REPLACE, ("id", "tags[0]", "_old.id", "_old.tags"), ("1", "x", "1", ""))
    assert (only(checked).code, checked.records) == ("incomplete_object", [None])


def test_old_items_of_another_record_never_go_along() -> None:
    checked = check(REPLACE, ("id", "tags[0]", "_old.id", "_old.tags"), ("1", "x", "2", "a, b, c"))
    assert (only(checked).code, checked.records) == ("other_record", [None])


def test_the_items_that_go_along_count() -> None:
    checked = check(REPLACE, ("id", "tags[0]", "_old.id", "_old.tags"), ("1", "x", "1", "a, b, c, d, e"))
    assert only(checked).code == "too_many"


def test_old_values_of_one_row_dont_undo_what_another_row_sets() -> None:
    with pytest.raises(ConfigError, match="on_duplicate: last"):
        check(REPLACE, HEADINGS, PULLED, on_duplicate="merge")


def test_with_replace_an_object_is_declared_as_a_whole_or_by_its_members() -> None:
    declared = DECLARED.replace("name: {}", "home: {type: json}") % ("false", "body: {nested: replace}")
    with pytest.raises(ConfigError, match="either 'home' or its members"):
        parse(declared.encode(), Target, "target", "t.yaml")


def test_an_object_that_is_set_as_a_whole_lacks_none_of_its_members() -> None:
    declared = DECLARED.replace("name: {}", "home: {type: json}") % ("false", "")
    of = parse(declared.encode(), Target, "target", "t.yaml")
    assert not check(of, ("id", "home", "home.street"), ("k", '{"street": "Elm"}', "")).problems
    assert only(check(of, ("id", "home", "home.street"), ("k", "", "Elm"))).code == "incomplete_object"


def test_a_member_without_a_column_is_named_as_one_to_add() -> None:
    assert "add the column home.street, or pull" in only(check(REPLACE, ("id", "home.door"), ("k", "5"))).message
    headings = ("id", "home.door", "home.street", "home.geo.lat")
    assert "fill in the cell, or pull" in only(check(REPLACE, headings, ("k", "5", "", "1"))).message


@pytest.mark.parametrize("form", ["merge-patch", "json-patch"])
def test_a_patch_leaves_alone_what_it_does_not_name(form: str) -> None:
    of = parse((DECLARED % ("false", f"body: {{format: {form}}}")).encode(), Target, "target", "t.yaml")
    assert not check(of, ("id", "home.door"), ("k", "5")).problems


# ---- fields that are where `at` says ----

AT = """
name: desk
title: Desk
path: /{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
  Colour: {at: "custom[?id==1].value"}
  Size: {at: "custom[?id==2].value"}
  Title: {at: "head.title[0].text"}
  City: {at: head.city}
  Tags: {type: list, at: "tags[].name"}
%s
"""
AT_HEADINGS = ("id", "name", "Colour", "Size", "Title", "City", "_old.id", "_old.name", "_old.Colour", "_old.Size")
AT_PULLED = ("k", "Ann", "red", "9", "", "", "k", "Ann", "red", "9")


def desk(body: str) -> Target:
    return parse((AT % body).encode(), Target, "target", "t.yaml")


def test_a_row_that_sends_one_item_of_a_list_that_the_api_replaces_has_a_warning() -> None:
    problem = only(check(desk(""), ("id", "Colour", "Size"), ("k", "red", "")))
    assert (problem.level, problem.code) == (Level.WARNING, "incomplete_object")
    assert problem.message.startswith("the row sets Colour, but not Size, which some APIs would remove then; say under")
    assert not check(desk(""), ("id", "Colour", "Size"), ("k", "red", "9")).problems
    assert not check(desk(""), ("id", "name", "Tags"), ("k", "Ann", "a, b")).problems  # alone in its list


@pytest.mark.parametrize(("body", "warned"), [("body: {nested: merge}", 0), ("body: {format: merge-patch}", 1)])
def test_a_merge_patch_replaces_lists_and_what_is_said_to_be_merged_is_not(body: str, warned: int) -> None:
    checked = check(desk(body), ("id", "Colour", "City"), ("k", "red", "Ulm"))
    assert [problem.message[:33] for problem in checked.problems] == ["the row sets Colour, but not Size"] * warned


def test_a_row_has_to_say_all_items_of_a_list_that_is_replaced() -> None:
    problem = only(check(desk("body: {nested: replace}"), ("id", "Colour", "Size"), ("k", "red", "")))
    assert problem.level is Level.ERROR
    assert problem.message.startswith("the API replaces custom as a whole, and the row does not say what Size should")
    problem = only(check(desk("body: {nested: replace}"), ("id", "Title"), ("k", "New")))
    assert "the API replaces head as a whole, and the row does not say what City should be" in problem.message


def test_unedited_items_go_along_with_an_edited_one() -> None:
    of = desk("body: {nested: replace}")
    checked = check(of, AT_HEADINGS, ("k", "Ann", "blue", *AT_PULLED[3:]))
    assert not checked.problems
    assert checked.records == [{"Colour": "blue", "Size": "9"}]
    absent = ("k", "Ann", "blue", "", "", "", "k", "Ann", "red", "<absent>")
    assert check(of, AT_HEADINGS, absent).records == [{"Colour": "blue"}]
    (unknown,) = check(of, AT_HEADINGS, (*absent[:-1], "")).problems
    assert unknown.code == "incomplete_object"
