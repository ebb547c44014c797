"""Fields inside objects, and lists with a column for each item."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config import Column, Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.errors import BatchUpdateError, ConfigError, InputError
from batchupdate.model import Problem, Row
from batchupdate.targets import Target
from batchupdate.util import json as exact_json
from batchupdate.validator import CheckedRows, ColumnMap, Validator, map_columns

TARGET = parse(
    rb"""
name: nested
title: Nested
path: /{id}
auth: {scheme: none}
body: {nested: merge}
id: {id: {}}
fields:
  name: {}
  address: {type: json, nullable: true}
  address.city: {max_length: 8, aliases: [town, Wohnort]}
  address.zip: {nullable: true}
  shipping.zip: {}
  billing.street: {}
  a\.b: {}
  c\.d: {}
  c.d: {}
  labels: {type: list, aliases: [tags], nullable: true, max_items: 3}
  profile.scores: {type: list, items: {type: integer, maximum: 9}, min_items: 2}
  profile.prices: {type: list, items: {type: number}, separator: ;}
  contacts: {type: json, json_type: array}
""",
    Target,
    "target",
    "t.yaml",
)


def laid(*columns: str, target: Target = TARGET, **options: Any) -> ColumnMap:
    if "columns" in options:
        options["columns"] = {
            heading: Column(field=told) if isinstance(told, str) else told
            for heading, told in options["columns"].items()
        }
    return map_columns(columns, target, Input(**options))


def names(layout: ColumnMap) -> dict[str, str]:
    return {one.heading: one.name for one in layout.mapped if one.name != "id"}


def check(columns: tuple[str, ...], *rows: tuple[str, ...], **options: Any) -> CheckedRows:
    layout = laid("id", *columns, **options)
    return Validator(TARGET, layout, Secrets()).check(
        [Row(number, (f"i{number}", *cells)) for number, cells in enumerate(rows, 2)]
    )


def record(columns: tuple[str, ...], *cells: str, **options: Any) -> Any:
    checked = check(columns, cells, **options)
    assert not checked.problems
    return checked.records[0]


def only(columns: tuple[str, ...], *cells: str, **options: Any) -> Problem:
    checked = check(columns, cells, **options)
    assert checked.records == [None]
    (problem,) = checked.problems
    return problem


# ---- headings of nested fields ----


@pytest.mark.parametrize(
    "heading", ["address.city", "Address.City", "ADDRESS. CITY", "ad-dress.ci_ty", "town", "Wohn-Ort"]
)
def test_a_dotted_heading_is_read_as_loosely_as_any_other(heading: str) -> None:
    assert names(laid("id", heading)) == {heading: "address.city"}


def test_a_nested_field_keeps_its_flat_name() -> None:
    assert record(("name", "address.zip", "address.city"), "N", "<null>", "Ulm") == {
        "name": "N",
        "address.zip": None,
        "address.city": "Ulm",
    }


def test_a_problem_names_the_dotted_heading() -> None:
    problem = only(("Address. City",), "x" * 9)
    assert (problem.column, problem.code) == ("Address. City", "too_long")
    assert problem.message.startswith("address.city has 9 characters")


@pytest.mark.parametrize("heading", [r"a\.b", "a.b", "A.B"])
def test_a_real_dot_needs_no_escape_in_a_heading(heading: str) -> None:
    assert names(laid("id", heading)) == {heading: r"a\.b"}


def test_a_real_dot_is_not_taken_for_one_that_leads_into_an_object() -> None:
    assert names(laid("id", r"c\.d", "c.d")) == {r"c\.d": r"c\.d", "c.d": "c.d"}
    assert names(laid("id", "c.d")) == {"c.d": "c.d"}
    assert names(laid("id", r"a\.b", "a.b")) == {r"a\.b": r"a\.b"}


def test_the_map_constants_and_templates_name_nested_fields() -> None:
    layout = laid(
        "id", "Stadt", "x", columns={"Stadt": "Address.City", "x": "a.b"}, computed={"ADDRESS.zip": "{x}{Stadt}"}
    )
    assert [(one.heading, one.name) for one in layout.mapped[1:]] == [
        ("Stadt", "address.city"),
        ("x", r"a\.b"),
        ("address.zip (computed)", "address.zip"),
    ]


# ---- headings of lists ----


@pytest.mark.parametrize("heading", ["labels[{}]", "Labels [{}]", "LABELS[ 0{} ]", "tags[{}]"])
def test_a_column_for_each_item_sets_a_list(heading: str) -> None:
    one, two = heading.format(1), heading.format(0)
    assert names(laid("id", one, two)) == {one: "labels[1]", two: "labels[0]"}


def test_the_map_can_say_which_item_a_column_is() -> None:
    layout = laid("id", "First label", "labels[1]", columns={"First label": "Labels[0]"})
    assert names(layout) == {"First label": "labels[0]", "labels[1]": "labels[1]"}
    assert layout.heading("labels") == "First label"


def test_what_the_map_says_of_a_list_goes_before_the_headings() -> None:
    whole = laid("id", "All", "labels[0]", columns={"All": "labels"})
    assert (names(whole), whole.ignored) == ({"All": "labels"}, ("labels[0]",))
    items = laid("id", "First", "labels", "labels[0]", columns={"First": "labels[0]"})
    assert (names(items), items.ignored) == ({"First": "labels[0]"}, ("labels", "labels[0]"))
    made = laid("id", "labels[0]", constants={"labels": "a, b"})
    assert made.ignored == ("labels[0]",)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            ("labels", "labels[0]"),
            "The columns 'labels' and 'labels[0]' both set the list 'labels', one the whole list and",
        ),
        (("Tags[0]", "tags"), "The columns 'tags' and 'Tags[0]' both set the list 'labels'"),
        (
            ("labels[1]", "labels[2]"),
            "'labels' are counted from 0, but there is no column labels[0]. The file has: labels[1], la",
        ),
        (
            ("Labels [2]", "labels[0]"),
            "there is no column labels[1]. The file has: labels[0], Labels [2]. Rename the columns, or",
        ),
        (
            ("profile.scores[1]",),
            "The items of the list 'profile.scores' are counted from 0, but there is no column profile.",
        ),
    ],
)
def test_columns_that_are_no_list_are_refused_with_the_way_out(columns: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as caught:
        laid("id", *columns)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (("A", "B"), {"columns": {"A": "labels[0]", "B": "Labels[00]"}}, "The map names two columns for 'labels[0]'."),
        (("A", "B"), {"columns": {"A": "labels[0]", "B": "labels"}}, "The map sets the list 'labels' both as a whole"),
        (
            ("A",),
            {"columns": {"A": "name[0]"}},
            "The map names 'name[0]', but 'name' is not a list. Map the column to 'na",
        ),
        (
            ("A",),
            {"columns": {"A": "labels[0]"}, "constants": {"labels": "x"}},
            "column and a computed or constant val",
        ),
        (("A",), {"constants": {"id": "x"}}, "There is no field 'id' to set."),
        (
            ("labels[0]",),
            {"columns": {"labels[0]": Column(blank="null")}},
            "In the column 'labels[0]', a blank cell can't mean null: it ends the list 'labels'. Use 'blank: le",
        ),
        (
            ("labels[0]",),
            {"columns": {"labels[0]": Column(transforms=("truncate",))}},
            "'truncate' has no length to cut to: labels[0] has no max_length.",
        ),
        (
            ("address",),
            {"on_duplicate": "merge"},
            "With 'on_duplicate: merge', no column can set the whole of 'address', because another row may set 'addr",
        ),
    ],
)
def test_settings_that_contradict_are_refused_with_the_way_out(
    columns: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        laid("id", *columns, **options)
    assert said in str(caught.value)


# ---- hints ----


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("adress.city", "address.city"),
        ("address.citty", "address.city"),
        ("address/city", "address.city"),
        ("address_city", "address.city"),
        ("city", "address.city"),
        ("Street", "billing.street"),
        ("lables[0]", "labels[0]"),
        ("scores[3]", "profile.scores[3]"),
        ("profil.scores[0]", "profile.scores[0]"),
        ("labels[]", "labels"),
    ],
)
def test_a_heading_that_is_nearly_a_nested_fields_is_pointed_out(heading: str, name: str) -> None:
    (hint,) = laid("id", "name", heading).hints
    told = f"The column {heading!r} looks like {name!r}, but is ignored."
    assert hint == f'{told} To use it, add: --map "{heading}={name}".'


@pytest.mark.parametrize("heading", ["zip", "address.state", "shipping.street", "delivery.zip", "b", "xyz[0]"])
def test_a_heading_that_could_be_several_or_another_member_is_no_hint(heading: str) -> None:
    assert laid("id", "name", heading).hints == ()


@pytest.mark.parametrize(
    ("columns", "mapped"),
    [
        (("address.city", "city"), {}),
        (("labels[0]", "lables"), {}),
        (("labels[0]", "lables[1]"), {}),
        (("X", "address"), {"X": "address"}),
        (("name", "address.zip.plus"), {}),
    ],
)
def test_a_field_that_is_set_already_and_a_part_of_one_are_no_hint(
    columns: tuple[str, ...], mapped: dict[str, str]
) -> None:
    assert laid("id", *columns, columns=mapped).hints == ()


def test_a_near_miss_of_a_name_with_a_real_dot_means_the_nested_field_of_that_spelling() -> None:
    declared = TARGET.model_dump(mode="json", exclude_unset=True)
    target = Target.model_validate(declared | {"fields": {"name": {}, "country.code": {}, r"country\.code": {}}})
    (hint,) = laid("id", "name", "country.kode", target=target).hints
    assert "looks like 'country.code'" in hint


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("billing", "only its members can be set, each in its own column: billing.street."),
        ("Pro-file", "only its members can be set, each in its own column: profile.scores, profile.prices."),
        ("contacts[0].email", "'contacts' is not a list but json, which is set as a whole."),
        ("name[0]", "'name' is not a list but string, which is set as a whole."),
    ],
)
def test_a_heading_that_can_set_nothing_says_why(heading: str, said: str) -> None:
    assert laid("id", "name", heading).hints == (f"The column {heading!r} is ignored: {said}",)


def test_a_missing_field_is_told_with_the_dotted_heading_that_looks_like_it() -> None:
    declared = TARGET.model_dump(mode="json", exclude_unset=True)
    declared["fields"]["profile.scores"]["required"] = True
    target = Target.model_validate(declared)
    with pytest.raises(InputError) as caught:
        laid("id", "name", "scores[0]", target=target)
    assert str(caught.value) == (
        "No column holds the required field 'profile.scores'. The column 'scores[0]' looks like it. "
        'To use that column, add: --map "scores[0]=profile.scores[0]".'
    )
    assert names(laid("id", "profile.scores[0]", target=target))


# ---- lists, item by item ----

THREE = ("labels[0]", "name", "labels[1]", "labels[2]")


def test_a_blank_cell_ends_a_list_and_items_are_kept_as_typed() -> None:
    checked = check(THREE, ("a, b", "N", " 007", '["x"]'), ("a", "", "", ""), ("", "N", "", ""))
    assert not checked.problems
    assert checked.records == [{"labels": ["a, b", " 007", '["x"]'], "name": "N"}, {"labels": ["a"]}, {"name": "N"}]
    assert list(checked.records[0] or ()) == ["labels", "name"]


def test_several_lists_of_one_row_are_made_side_by_side() -> None:
    columns = ("labels[0]", "profile.scores[1]", "profile.scores[0]", "profile.prices[0]", "labels[1]")
    assert record(columns, "a", "2", "1", "1.10", "") == {
        "labels": ["a"],
        "profile.scores": [1, 2],
        "profile.prices": [exact_json.exact("1.10")],
    }


@given(st.lists(st.lists(st.sampled_from(["a", "b, c", "007", "", "<x>"]), min_size=4, max_size=4), min_size=1))
def test_any_row_of_cells_is_its_list_or_a_gap(rows: list[list[str]]) -> None:
    checked = check(("name", *(f"tags[{number}]" for number in range(4))), *(("N", *cells) for cells in rows))
    problems = {problem.row: problem.code for problem in checked.problems}
    for number, (cells, made) in enumerate(zip(rows, checked.records, strict=True), 2):
        text = "\0".join(cells).rstrip("\0")
        items = text.split("\0") if text else []
        if "" in items:
            assert (made, problems[number]) == (None, "list_gap")
        elif len(items) > 3:
            assert (made, problems[number]) == (None, "too_many")
        else:
            assert made == {"name": "N"} | ({"labels": items} if items else {})
            assert number not in problems


@pytest.mark.parametrize(
    ("cells", "code", "column", "said"),
    [
        (
            ("", "", "c"),
            "list_gap",
            "labels[2]",
            "'labels[0]' is blank, but 'labels[2]' after it is not, and a blank cell",
        ),
        (("a", "", "c"), "list_gap", "labels[2]", "'labels[1]' is blank, but 'labels[2]' after it is not"),
        (("", "<null>", ""), "list_gap", "labels[1]", "'labels[0]' is blank"),
        (("<null>", "b", ""), "marker_in_list", "labels[0]", "'<null>' is for a whole list, not for an item; write"),
        (
            ("a", "<empty>", ""),
            "marker_in_list",
            "labels[1]",
            "write it into 'labels[0]' and leave the other cells of l",
        ),
        (("<empty>", "<empty>", "<empty>"), "marker_in_list", "labels[0]", "'<empty>' is for a whole list"),
        (("a", "  ", ""), "white_space", "labels[1]", "only white space"),
        (("a", "=SUM(A1)", ""), "formula", "labels[1]", "formula"),
    ],
)
def test_a_list_with_a_hole_is_refused_with_the_way_out(
    cells: tuple[str, str, str], code: str, column: str, said: str
) -> None:
    problem = only(("labels[0]", "labels[1]", "labels[2]"), *cells)
    assert (problem.code, problem.column) == (code, column)
    assert said in problem.message


def test_a_marker_in_the_first_item_is_said_of_the_whole_list() -> None:
    checked = check(THREE, ("<null>", "N", "", ""), ("<empty>", "", "", ""), ("a", "N", "", ""))
    assert not checked.problems
    assert checked.records == [{"labels": None, "name": "N"}, {"labels": []}, {"labels": ["a"], "name": "N"}]
    assert checked.cleared == {"labels": 2}


def test_each_column_of_a_list_can_have_markers_and_transforms_of_its_own() -> None:
    own: dict[str, Any] = {"labels[0]": Column(null_marker="-", transforms=("upper",))}
    layout = laid("id", "labels[0]", "labels[1]", columns=own)
    checked = Validator(TARGET, layout, Secrets()).check([Row(2, ("1", "-", "")), Row(3, ("2", "a", "b"))])
    assert checked.records == [{"labels": None}, {"labels": ["A", "b"]}]


def test_an_item_is_looked_at_as_what_it_is() -> None:
    rounded = "1.23457E+18"  # odd in a text, and nothing but a number where a number is wanted
    checked = check(("labels[0]", "profile.prices[0]"), ("a", rounded), (rounded, "1"))
    assert [(problem.row, problem.code) for problem in checked.problems] == [(3, "number_rounded")]


def test_an_item_is_cut_to_the_length_of_items() -> None:
    declared = TARGET.model_dump(mode="json", exclude_unset=True)
    declared["fields"] = {"labels": {"type": "list", "items": {"max_length": 3}}}
    target = Target.model_validate(declared)
    layout = laid("id", "labels[0]", target=target, columns={"labels[0]": Column(transforms=("truncate",))})
    checked = Validator(target, layout, Secrets()).check([Row(2, ("1", "abcde"))])
    assert checked.records == [{"labels": ["abc"]}]
    assert [problem.code for problem in checked.problems] == ["truncated"]


@pytest.mark.parametrize(
    ("cells", "code", "column", "said"),
    [
        (("<null>", "", ""), "null_not_allowed", "profile.scores[0]", "profile.scores can't be null"),
        (("<empty>", "", ""), "empty_not_allowed", "profile.scores[0]", "profile.scores can't be empty"),
        (("1", "x", ""), "not_an_integer", "profile.scores[1]", "'x' is not a whole number"),
        (("1", "10", ""), "too_large", "profile.scores[1]", "profile.scores[1] is '10', but must be at most 9"),
        (("1", "", ""), "too_few", "profile.scores[1]", "profile.scores has 1 items, but at least 2 are needed"),
    ],
)
def test_each_cell_of_a_list_is_checked_by_the_rule_of_its_items(
    cells: tuple[str, str, str], code: str, column: str, said: str
) -> None:
    problem = only(("profile.scores[0]", "profile.scores[1]", "profile.scores[2]"), *cells)
    assert (problem.code, problem.column) == (code, column)
    assert said in problem.message


def test_a_list_that_can_never_be_long_enough_names_its_last_column() -> None:
    assert only(("profile.scores[0]",), "1").column == "profile.scores[0]"


def test_too_many_items_are_told_at_the_first_that_is_too_much() -> None:
    problem = only(tuple(f"labels[{number}]" for number in range(5)), "a", "b", "c", "d", "e")
    assert (problem.code, problem.column, problem.cell) == ("too_many", "labels[3]", "d")


def test_a_refused_list_sets_something_all_the_same() -> None:
    assert only(("labels[0]", "labels[1]"), "", "b").code == "list_gap"  # and not also nothing_to_change


def test_a_required_list_without_items_is_missing_at_its_first_column() -> None:
    declared = TARGET.model_dump(mode="json", exclude_unset=True)
    declared["fields"]["labels"]["required"] = True
    target = Target.model_validate(declared)
    validator = Validator(target, laid("id", "labels[1]", "Labels[0]", "name", target=target), Secrets())
    checked = validator.check([Row(2, ("1", "", "", "N")), Row(3, ("2", "", "a", ""))])
    assert [(problem.code, problem.column) for problem in checked.problems] == [("required", "Labels[0]")]
    assert checked.records == [None, {"labels": ["a"]}]


# ---- lists in one cell ----


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("a, b", ["a", "b"]),
        ('["a, b", "c"]', ["a, b", "c"]),
        ('["\\u00e9\\n", ""]', ["é\n", ""]),
        (" [1, 1.10, true] ", ["1", "1.10", "true"]),
        ("[]", []),
        ("[draft]", ["[draft]"]),
        ("[draft], b [x]", ["[draft]", "b [x]"]),
        ("[NaN]", ["[NaN]"]),
        ('a "b"]', ['a "b"]']),
    ],
)
def test_a_list_in_one_cell_is_its_parts_or_a_json_array(cell: str, items: list[str]) -> None:
    assert record(("labels",), cell) == {"labels": items}


def test_an_empty_json_array_counts_as_clearing_the_list() -> None:
    checked = check(("name", "labels", "contacts"), ("N", "[]", "[]"), ("", '["a"]', ""))
    assert checked.records == [{"name": "N", "labels": [], "contacts": []}, {"labels": ["a"]}]
    assert list(checked.records[0] or ()) == ["name", "labels", "contacts"]
    assert checked.cleared == {"labels": 1}


@given(st.lists(st.text(max_size=5), max_size=3))
def test_a_json_array_of_texts_comes_through_unchanged(items: list[str]) -> None:
    cell = json.dumps(items)
    checked = check(("labels",), (cell,), strictness="lenient")
    assert checked.records == [{"labels": items}]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("labels", '["a", null]', "item 2 is null; a list can contain texts, numbers, true and false"),
        ("labels", '[["a"]]', "item 1 is an array"),
        ("labels", '[{"a": 1}]', "item 1 is an object"),
        ("labels", '["a", "b"', "looks like a JSON array, but is not one (Expecting ',' delimiter)"),
        ("labels", '["a" "b"]', "looks like a JSON array, but is not "),
        ("labels", '["\\ud800"]', "contains half of a charac"),
        ("profile.scores", "[1, 1.5]", "item 2: '1.5' is not a whole number such as 12"),
        ("profile.scores", '["1", "x"]', "item 2: 'x' is not a whole number"),
    ],
)
def test_a_json_array_that_is_no_list_is_refused(column: str, cell: str, said: str) -> None:
    problem = only((column,), cell)
    assert problem.code == "bad_item"
    assert said in problem.message


def test_an_array_that_nests_too_deep_is_refused() -> None:
    assert (
        "looks like a JSON array, but is not one (it is nested too deeply)"
        in only(("labels",), '["' + '",["' * 30_000).message
    )


def test_an_array_with_too_few_items_is_refused() -> None:
    assert only(("profile.scores",), "[]").code == "too_few"


def test_numbers_in_a_json_array_have_a_point_whatever_the_file_says() -> None:
    (value,) = record(("profile.prices",), "[1.50]", decimal=",")["profile.prices"]
    assert exact_json.dumps(value) == "1.50"


# ---- an object as a whole, and its members ----


def test_a_row_that_sets_an_object_and_a_member_of_it_is_refused() -> None:
    columns = ("Address", "address.city", "address.zip", "name")
    checked = check(
        columns,
        ("<null>", "", "", ""),
        ('{"a": 1}', "", "", "N"),
        ("", "Ulm", "", ""),
        ("<null>", "", "<null>", ""),
        ('{"a": 1}', "Ulm", "1", ""),
    )
    assert checked.records == [
        {"address": None},
        {"address": {"a": 1}, "name": "N"},
        {"address.city": "Ulm"},
        None,
        None,
    ]
    first, second = checked.problems
    assert (first.row, first.code, first.column) == (5, "whole_and_part", "Address")
    assert first.message == (
        "the row sets address as a whole and also address.zip, which is part of it; leave one of the two blank: "
        "'Address' or 'address.zip'"
    )
    assert (second.row, second.code) == (6, "whole_and_part")


def test_rows_for_one_record_are_merged_where_only_members_are_set() -> None:
    assert names(laid("id", "address.city", on_duplicate="merge"))


# ---- decimal commas ----


def test_a_comma_can_not_part_items_and_begin_decimals() -> None:
    declared = TARGET.model_dump(mode="json", exclude_unset=True)
    del declared["fields"]["profile.prices"]["separator"]
    target = Target.model_validate(declared)
    with pytest.raises(BatchUpdateError) as caught:
        laid("id", "profile.prices", target=target, decimal=",")
    assert str(caught.value) == (
        "With 'decimal: \",\"', a comma in 'profile.prices' would separate both items and decimals. "
        "Give the field another 'separator', or the file a column for each item: profile.prices[0]."
    )
    assert names(laid("id", "profile.prices[0]", target=target, decimal=","))
    assert names(laid("id", "profile.prices", target=target))


def test_items_of_a_list_are_read_with_the_decimal_comma() -> None:
    for columns, cells in (
        (("profile.prices[0]", "profile.prices[1]"), ("1,5", "2")),
        (("profile.prices",), ("1,5; 2",)),
    ):
        assert exact_json.dumps(record(columns, *cells, decimal=",")["profile.prices"]) == "[1.5,2]"
