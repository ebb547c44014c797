from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config import Column, Computed, Input, Secrets
from batchupdate.errors import ConfigError, InputError
from batchupdate.model import Level, Row
from batchupdate.targets import Target, find_target
from batchupdate.validator import CheckedRows, Validator, map_columns
from batchupdate.validator.columns.templates import parse_template
from batchupdate.validator.columns.transforms import CHANGES, truncate

TARGET = Target.model_validate(
    {
        "name": "t",
        "title": "",
        "path": "/{id}",
        "auth": {"scheme": "none"},
        "id": {"id": {}},
        "fields": {
            "name": {"max_length": 10, "min_length": 1},
            "note": {"nullable": True},
            "seats": {"type": "integer", "nullable": True},
            "labels": {"type": "list"},
        },
    }
)
LANGDOCK = find_target("langdock-integration")


def check(headings: list[str], *rows: tuple[str, ...], target: Target = TARGET, **options: Any) -> CheckedRows:
    layout = map_columns(headings, target, Input(**options))
    return Validator(target, layout, Secrets()).check([Row(n, row) for n, row in enumerate(rows, 2)])


def codes(checked: CheckedRows) -> list[str]:
    return [problem.code for problem in checked.problems]


# ---- transforms ----


@pytest.mark.parametrize(
    ("transforms", "cell", "sent"),
    [
        (["trim"], "  a  b ", "a  b"),
        (["collapse_spaces"], "a \n  b", "a b"),
        (["trim", "collapse_spaces"], "  a   b ", "a b"),
        (["lower"], "GRÖSSE", "grösse"),
        (["upper"], "größe", "GRÖSSE"),
        (["title"], "it's a HUB", "It's A Hub"),
        (["title"], "élan vital", "Élan Vital"),
        (["truncate"], "0123456789", "0123456789"),
        (["truncate"], "012345678 longer", "012345678"),
        (["upper"], "<null>", None),
        (["trim"], "", None),
    ],
)
def test_a_column_can_be_transformed_by_a_fixed_list(transforms: list[str], cell: str, sent: str | None) -> None:
    name = "name" if "truncate" in transforms else "note"
    checked = check(["id", name, "seats"], ("1", cell, "1"), columns={name: Column(transforms=transforms)})
    assert checked.records[0] is not None
    assert checked.records[0].get(name) == sent


def test_what_is_cut_off_is_told() -> None:
    checked = check(["id", "name"], ("1", "0123456789ab"), columns={"name": Column(transforms=("truncate",))})
    (problem,) = checked.problems
    assert (problem.code, problem.level, problem.cell) == ("truncated", Level.WARNING, "0123456789ab")
    assert problem.message == "'0123456789ab' was cut to 10 characters: '0123456789'"


@given(st.text(), st.integers(1, 12))
def test_a_cut_is_short_enough_and_splits_no_letter_from_its_accent(text: str, length: int) -> None:
    cut = truncate(text, length)
    assert len(cut) <= length
    assert text.startswith(cut)
    if 0 < len(cut) < len(text) and not all(unicodedata.combining(one) for one in text[1 : length + 1]):
        rest = text[len(cut) :]
        assert rest[0].isspace() or not unicodedata.combining(rest[0]) or len(cut) == length


def test_an_emoji_is_not_cut_in_half() -> None:
    assert truncate("ab\U0001f469\u200d\U0001f467", 4) == "ab"


@given(st.sampled_from(["trim", "collapse_spaces", "lower"]), st.text())
def test_a_transform_done_twice_is_done_once(name: str, text: str) -> None:
    once = CHANGES[name](text)
    assert CHANGES[name](once) == once


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"note": Column(transforms=("truncate",))}, "'truncate' has no length to cut to: note has no max_length"),
        (
            {"id": Column(transforms=("truncate",))},
            "In the column 'id', 'truncate' would change the id. Remove it.",
        ),
        ({"id": Column(transforms=("title",))}, "'title' would change the id."),
        ({"name": Column(blank="null")}, "a blank cell can't mean null: name can't be null. Use 'blank: leave'."),
        ({"name": Column(blank="empty")}, "a blank cell can't mean empty"),
        ({"id": Column(blank="null")}, "a blank cell can't mean null"),
    ],
)
def test_an_impossible_column_is_refused(columns: dict[str, Column], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(["id", "name", "note"], columns=columns)
    assert said in str(caught.value)


# ---- blank ----


def test_a_blank_cell_can_mean_null_or_empty_by_column_and_is_counted() -> None:
    checked = check(
        ["id", "name", "note", "seats", "labels"],
        ("1", "a", "", "", ""),
        ("2", "", "x", "3", "p,q"),
        ("3", "0123456789x", "", "", ""),
        ("4", "b", "<empty>", "<null>", "<empty>"),
        columns={"note": Column(blank="null"), "seats": Column(blank="null"), "labels": Column(blank="empty")},
    )
    assert checked.records == [
        {"name": "a", "note": None, "seats": None, "labels": []},
        {"note": "x", "seats": 3, "labels": ["p", "q"]},
        None,
        {"name": "b", "note": "", "seats": None, "labels": []},
    ]
    assert codes(checked) == ["too_long"]
    assert checked.cleared == {"note": 2, "seats": 2, "labels": 2}  # not those of the row that is not sent


# ---- when ----


def test_rows_that_do_not_meet_the_condition_are_left_alone() -> None:
    checked = check(
        ["id", "name", "Action"],
        ("1", "a", "update"),
        ("", "far too long for a name", "skip"),
        ("3", "c", " Update "),
        ("4",),
        when={"action": ("update",)},
    )
    assert checked.records == [{"name": "a"}, None, {"name": "c"}, None]
    assert checked.ids == [("1",), None, ("3",), None]
    assert checked.problems in ([], ())
    assert checked.skipped == {3: "skipped by 'when': column 'Action' is 'skip' (when)", 5: checked.skipped[5]}
    assert [row for _, row, _ in checked.sightings()] == [2, 4]
    assert [change is not None for change in checked.changes()] == [True, False, True, False]


def test_every_condition_has_to_hold_and_one_of_several_values_is_enough() -> None:
    rows = [("1", "a", "x", "n"), ("2", "b", "y", "n"), ("3", "c", "z", "n"), ("4", "d", "x", "m")]
    checked = check(["id", "name", "p", "q"], *rows, when={"P": ("x", "Y"), "q": ("N",)})
    assert list(checked.skipped) == [4, 5]


def test_no_row_may_be_left() -> None:
    checked = check(["id", "name", "a"], ("1", "x", ""), when={"a": ("update",)})
    assert (checked.records, list(checked.skipped)) == ([None], [2])


# ---- fields without a column ----


def test_a_field_can_be_made_of_cells() -> None:
    checked = check(
        ["id", "Team", "name", "note"],
        ("1", "Ops", "Hub", "x"),
        ("2", "", "", "x"),
        ("3", "Ops", "", "x"),
        ("4", "Ops", "<null>", "x"),
        computed={"name": "{team}: {NAME}"},
    )
    assert checked.records == [{"note": "x", "name": "Ops: Hub"}, {"note": "x"}, None, None]
    assert codes(checked) == ["incomplete_template"] * 2
    assert "the column 'name', from which name is computed, is blank; fill it in" in checked.problems[0].message


def test_what_is_computed_is_checked_and_transformed_like_any_cell() -> None:
    told = {"name": Computed(template="{a}{{{b}}}", transforms=("upper", "truncate"))}
    checked = check(["id", "a", "b"], ("1", "x", "y"), ("2", "long enough", "y"), computed=told)
    assert checked.records == [{"name": "X{Y}"}, {"name": "LONG ENOUG"}]
    assert codes(checked) == ["truncated"]
    assert checked.problems[0].column == "name (computed)"
    assert codes(check(["id", "a"], ("1", "12345678901"), computed={"name": "{a}"})) == ["too_long"]


def test_a_constant_sets_a_field_in_every_row_as_if_typed() -> None:
    checked = check(["id", "note"], ("1", "x"), ("2", ""), constants={"seats": "12", "labels": "a,b"})
    assert checked.records == [{"note": "x", "seats": 12, "labels": ["a", "b"]}, {"seats": 12, "labels": ["a", "b"]}]
    assert check(["id"], ("1",), constants={"note": "<null>"}).records == [{"note": None}]


def test_a_required_field_may_be_computed() -> None:
    nairi = find_target("nairi-llm-integration")
    checked = check(["id", "a"], ("01KFRX8K1CKQGCV2W5J9C9Z37H", "x"), target=nairi, computed={"name": "{a}"})
    assert checked.records == [{"name": "x"}]


def test_a_ragged_row_does_not_trip_a_template() -> None:
    assert codes(check(["id", "a", "b"], ("1",), computed={"name": "{a}{b}"})) == ["ragged_row"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"computed": {"name": "{tema}"}}, "names a column 'tema' that the file does not have. The file has: id, team"),
        ({"computed": {"name": "{team"}}, "The template of 'name' can't be read"),
        ({"computed": {"name": "{team!r}"}}, "can contain only columns in braces"),
        ({"computed": {"name": "{team:>99}"}}, "can contain only columns in braces"),
        ({"computed": {"name": "{team.__class__}"}}, "names a column 'team.__class__' that the file does not have"),
        ({"computed": {"nmae": "{team}"}}, "There is no field 'nmae' to set."),
        ({"constants": {"name": "x"}, "computed": {"Name": "{team}"}}, "'name' is both computed and constant"),
        ({"constants": {"name": "x"}, "columns": {"team": Column(field="name")}}, "both set 'name'"),
        ({"when": {"acton": ("x",)}}, "'when' names a column 'acton' that the file does not have"),
    ],
)
def test_a_wrong_mapping_is_refused_before_anything_is_read(options: dict[str, Any], said: str) -> None:
    kind = InputError if "that the file does not have" in said else ConfigError
    with pytest.raises(kind) as caught:
        check(["id", "team", "note"], **options)
    assert said in str(caught.value)


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: bool(text.strip()))


@given(
    st.lists(CELLS, min_size=3, max_size=3), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"))
)
def test_a_template_only_puts_cells_into_a_text(cells: list[str], between: str) -> None:
    template = parse_template("name", "{a}" + between + "{b}{c}", ["a", "b", "c"])
    assert template.fill(cells) == cells[0] + between + cells[1] + cells[2]


# ---- near misses ----


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            ["Integraton ID", "name"],
            "The column 'Integraton ID' looks like it. To use that column, add: --map \"Integraton ID=",
        ),
        (["id", "Descripton"], 'Do you mean --map "Descripton=description"?'),
    ],
)
def test_a_near_miss_is_told_with_the_option_to_use(columns: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        map_columns(columns, LANGDOCK, Input())
    assert said in str(caught.value)


def test_an_ignored_column_that_is_nearly_a_field_is_pointed_out() -> None:
    layout = map_columns(["id", "name", "Descripton", "Owner", "Icon-URLs"], LANGDOCK, Input())
    assert [hint[:45] for hint in layout.hints] == [
        "The column 'Descripton' looks like 'descripti",
        "The column 'Icon-URLs' looks like 'iconUrl', ",
    ]
