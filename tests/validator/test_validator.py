from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from batchupdate.config import Column, Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.model import Change, Level, Problem, Row
from batchupdate.targets import Target, find_target
from batchupdate.validator import CheckedRows, Validator, map_columns

KEY = "sk-ld-0123456789-" + "abcdefghij" * 6
TARGET = parse(
    b"""
name: mine
title: Mine
path: /a/{x}/b/{y}
auth: {scheme: none}
id:
  x: {max_length: 8}
  y: {pattern: '^[^!]+$'}
fields:
  name: {min_length: 2, max_length: 5}
  class: {enum: [low, high]}
  code: {pattern: '^[0-9]+$', nullable: true}
  site: {format: url, pattern: 'example'}
  ref: {format: uuid}
  note: {nullable: true}
  from: {}
""",
    Target,
    "target",
    "t.yaml",
)
HEADINGS = ("X", "y", "Name", "class", "code", "site", "ref", "Note", "from", "ignored")
BLANK = dict.fromkeys(HEADINGS, "")


def validator(
    target: Target = TARGET, headings: tuple[str, ...] = HEADINGS, *, secrets: tuple[str, ...] = (), **options: Any
) -> Validator:
    return Validator(target, map_columns(headings, target, Input(**options)), Secrets(map(SecretStr, secrets)))


def row(number: int = 2, **cells: str) -> Row:
    return Row(number, tuple((BLANK | {"X": "1", "y": "2"} | cells).values()))


def check(*rows: Row, **options: Any) -> CheckedRows:
    return validator(**options).check(rows)


def only(checked: CheckedRows) -> Problem:
    (problem,) = checked.problems
    return problem


def fields(**cells: str) -> Any:
    """What one row sets."""
    checked = check(row(**cells))
    assert checked.problems == []
    return checked.records[0]


# ---- what a valid row sets ----


def test_a_blank_cell_leaves_its_field_out() -> None:
    assert fields(Name="abc", Note="", **{"class": "low"}) == {"name": "abc", "class": "low"}


@pytest.mark.parametrize(
    "cell", ["007", "NA", "1/2", " x ", "null", "None", "TRUE", "1e5", "nan", "<NULL>", "< null>", "'=1", "ä\n\tb", "0"]
)
def test_nothing_typed_is_changed(cell: str) -> None:
    assert fields(**{"from": cell}) == {"from": cell}


def test_markers_send_null_and_the_empty_text() -> None:
    assert fields(Note="<null>", **{"from": "<empty>"}) == {"note": None, "from": ""}


def test_fields_stand_in_the_order_of_the_file_also_beside_markers() -> None:
    assert list(fields(Name="abc", code="<null>", Note="x", **{"from": "<empty>"})) == ["name", "code", "note", "from"]


def test_an_ignored_column_sets_nothing() -> None:
    assert fields(Note="x", ignored="<null>") == {"note": "x"}


def test_a_column_can_have_markers_of_its_own() -> None:
    checked = check(
        row(Note="-", code="NIL", **{"from": "<null>"}),
        columns={"Note": Column(null_marker="-"), "from": Column(null_marker="~")},
        null_marker="NIL",
    )
    assert checked.problems == []
    assert checked.records == [{"code": None, "note": None, "from": "<null>"}]


def test_a_marker_of_white_space_is_a_marker() -> None:
    assert check(row(Note=" "), null_marker=" ").records == [{"note": None}]


def test_a_batch_gives_changes_with_the_ids_in_the_order_of_the_path() -> None:
    swapped = ("y", "X", "note")
    checked = check(Row(7, ("b", "a", "n")), headings=swapped)
    assert checked.ids == [("a", "b")]
    assert list(checked.changes()) == [Change(7, ("a", "b"), {"note": "n"})]


def test_an_empty_batch_is_fine() -> None:
    checked = check()
    assert (list(checked.records), list(checked.ids), list(checked.problems)) == ([], [], [])
    assert checked.sightings() == []


# ---- every problem ----


@pytest.mark.parametrize(
    ("cells", "code", "column", "cell", "message"),
    [
        ({"X": ""}, "missing_id", "X", "", "the id is missing; fill in an id"),
        ({"y": ""}, "missing_id", "y", "", "the id is missing; fill in text that matches ^[^!]+$"),
        ({"X": "<null>"}, "bad_id", "X", "<null>", "an id can't be cleared"),
        ({"X": "<empty>"}, "bad_id", "X", "<empty>", "an id can't be cleared"),
        ({"X": "."}, "bad_id", "X", ".", "'.' is a special path segment, not an id"),
        ({"y": ".."}, "bad_id", "y", "..", "'..' is a special path segment, not an id"),
        ({"X": "a\nb"}, "bad_id", "X", "a\nb", "'a\\nb' contains an invisible character; type the id again"),
        ({"X": "a\u00a0b"}, "bad_id", "X", "a\u00a0b", "'a\\xa0b' contains an invisible character; type the id agai"),
        ({"X": "a\x1fb"}, "bad_id", "X", "a\x1fb", "'a\\x1fb' contains an invisible character; typ"),
        ({"X": "123456789"}, "bad_id", "X", "123456789", "the id has 9 characters, but at most 8 are allowed"),
        ({"y": "a!"}, "bad_id", "y", "a!", "'a!' is not text that matches ^[^!]+$"),
        ({"X": "  "}, "white_space", "X", "  ", "the cell contains only white space; clear it, or enter a value"),
        ({"Note": "\t\n"}, "white_space", "Note", "\t\n", "the cell contains only white space; cl"),
        (
            {"Name": "abcdef"},
            "too_long",
            "Name",
            "abcdef",
            "name has 6 characters, but at most 5 are allowed; shorten it by",
        ),
        ({"Name": "a"}, "too_short", "Name", "a", "name has 1 characters, but at least 2 are needed"),
        ({"class": "mid"}, "not_in_list", "class", "mid", "'mid' is none of: low, high"),
        ({"code": "1a"}, "bad_format", "code", "1a", "'1a' is not text that matches ^[0-9]+$"),
        ({"code": "1\n"}, "bad_format", "code", "1\n", "'1\\n' is not text that matches ^[0-9]+$"),
        ({"site": "example"}, "bad_format", "site", "example", "'example' is not a web address such as https://exam"),
        (
            {"site": "https://a.b"},
            "bad_format",
            "site",
            "https://a.b",
            "'https://a.b' is not text that matches example",
        ),
        (
            {"ref": "1-2"},
            "bad_format",
            "ref",
            "1-2",
            "'1-2' is not a UUID such as 550e8400-e29b-41d4-a716-446655440000",
        ),
        ({"Name": "<null>"}, "null_not_allowed", "Name", "<null>", "name can't be null; leave the cell blank to keep"),
        ({"class": "<null>"}, "null_not_allowed", "class", "<null>", "class can't be null; leave the cell blank"),
        ({"Name": "<empty>"}, "empty_not_allowed", "Name", "<empty>", "name can't be empty; leave the cell blank to"),
        ({"class": "<empty>"}, "empty_not_allowed", "class", "<empty>", "class can't be empty; leave the cell blank"),
        (
            {"from": ""},
            "nothing_to_change",
            "",
            "",
            "the row sets nothing; fill in at least one of: name, class, code,",
        ),
    ],
)
def test_a_problem_has_a_code_a_row_a_column_the_cell_and_a_sentence(
    cells: dict[str, str], code: str, column: str, cell: str, message: str
) -> None:
    cells = ({"from": "x"} if "from" not in cells else {}) | cells
    checked = check(row(17, **cells))
    problem = only(checked)
    assert (problem.code, problem.row, problem.column, problem.cell) == (code, 17, column, cell)
    assert problem.level is Level.ERROR
    assert problem.message.startswith(message)
    assert checked.records == [None]


def test_a_long_cell_is_shown_in_part() -> None:
    problem = only(check(row(code="x" * 500)))
    assert problem.message == f"'{'x' * 59}…' is not text that matches ^[0-9]+$"
    assert problem.cell == "x" * 500


def test_every_problem_of_a_row_is_told() -> None:
    checked = check(row(X="", Name="abcdef", code="x", ref="y", Note="  "))
    assert sorted(problem.code for problem in checked.problems) == [
        "bad_format",
        "bad_format",
        "missing_id",
        "too_long",
        "white_space",
    ]


def test_problems_are_told_in_the_order_of_the_rows() -> None:
    checked = check(row(5, code="x"), row(6, Note="<null>"), row(8, X="<null>"), row(9, Note=" "), row(12))
    assert [problem.row for problem in checked.problems if problem.code != "nothing_to_change"] == [5, 8, 9]
    assert [problem.row for problem in checked.problems] == sorted(problem.row for problem in checked.problems)


@pytest.mark.parametrize(
    ("cells", "code"),
    [(("1", ""), "required"), (("1", "<null>"), "null_not_allowed"), (("1", " "), "white_space"), (("1", "x"), None)],
)
def test_a_required_field_has_to_be_there(cells: tuple[str, str], code: str | None) -> None:
    declared = {"name": "t", "title": "", "path": "/{id}", "auth": {"scheme": "none"}, "id": {"id": {}}}
    target = Target.model_validate(declared | {"fields": {"name": {"required": True}, "more": {}}})
    problems = check(Row(2, cells), target=target, headings=("id", "Name")).problems
    assert [problem.code for problem in problems] == ([code] if code else [])
    if code == "required":
        assert problems[0].sentence() == "column 'Name': name is required; fill it in"


def test_an_empty_text_in_a_list_can_be_sent() -> None:
    declared = {"name": "t", "title": "", "path": "/{id}", "auth": {"scheme": "none"}, "id": {"id": {}}}
    target = Target.model_validate(declared | {"fields": {"size": {"enum": ["", "S"]}}})
    assert check(Row(2, ("1", "<empty>")), target=target, headings=("id", "size")).records == [{"size": ""}]


# ---- rules ----

LANGDOCK = find_target("langdock-integration")
UUID = "550e8400-e29b-41d4-a716-446655440000"


def langdock(*cells: str, number: int = 2) -> Row:
    return Row(number, (UUID, *cells))


def test_a_warning_is_told_and_keeps_no_row_back() -> None:
    checked = check(langdock("", "#fff"), target=LANGDOCK, headings=("id", "name", "color"))
    problem = only(checked)
    assert (problem.code, problem.level, problem.column) == ("likely_refused", Level.WARNING, "")
    assert "said to refuse" in problem.message
    assert checked.records == [{"color": "#fff"}]


def test_a_row_that_is_broken_anyway_gets_no_warning() -> None:
    checked = check(langdock("", "blue"), target=LANGDOCK, headings=("id", "name", "color"))
    assert [problem.code for problem in checked.problems] == ["bad_format"]


def test_a_ragged_row_silences_no_other_row() -> None:
    checked = check(Row(2, (UUID,)), Row(3, ("bad", "")), target=LANGDOCK, headings=("id", "name"))
    assert [(problem.row, problem.code) for problem in checked.problems] == [
        (2, "ragged_row"),
        (3, "bad_id"),
        (3, "nothing_to_change"),
    ]


def test_a_marker_counts_as_setting_a_field() -> None:
    headings = ("id", "name", "description")
    assert check(langdock("", "<null>"), target=LANGDOCK, headings=headings).problems == []


# ---- ragged rows ----


@pytest.mark.parametrize(
    ("cells", "cell", "message"),
    [
        (("1",), "", "the row has 1 cells, but the header row has 3; is a line broken in two?"),
        ((), "", "the row has 0 cells, but the header row has 3; is a line broken in two?"),
        (
            ("1", "2", "n", "over", "more"),
            "over",
            "the row has 5 cells, but the header row has 3; put quotes around a cell that contains the delimiter",
        ),
    ],
)
def test_a_row_of_another_width_is_told_once_and_names_no_record(
    cells: tuple[str, ...], cell: str, message: str
) -> None:
    checked = check(row_of(cells), Row(3, ("1", "2", "n")), headings=("x", "y", "note"))
    problem = only(checked)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("ragged_row", 2, "", cell)
    assert problem.message == message
    assert checked.records == [None, {"note": "n"}]
    assert checked.ids == [None, ("1", "2")]


def row_of(cells: tuple[str, ...]) -> Row:
    return Row(2, cells)


def test_of_a_ragged_row_nothing_else_is_told_for_its_cells_may_stand_under_wrong_headings() -> None:
    checked = check(Row(2, ("", "<null>", " ", "<null>", "x")), headings=("x", "y", "note", "name"))
    assert [problem.code for problem in checked.problems] == ["ragged_row"]


def test_in_a_report_of_ours_a_row_is_ragged_only_if_its_extra_cells_are_filled() -> None:
    headings = ("x", "y", "note", "_extra_1", "_extra_2")
    checked = check(Row(2, ("1", "2", "n", "", "")), Row(3, ("1", "2", "n", "", "over")), headings=headings)
    problem = only(checked)
    assert (problem.code, problem.row, problem.cell) == ("ragged_row", 3, "over")
    assert problem.message.startswith("the row has more cells, but the header row has 3; put quotes around")
    assert checked.records == [{"note": "n"}, None]


# ---- the key in a cell ----


def test_a_row_that_holds_the_key_is_refused_without_showing_it() -> None:
    checked = check(row(Note=f"see {KEY}!"), row(3, Note="fine"), secrets=(KEY,))
    problem = only(checked)
    assert (problem.code, problem.row, problem.column, problem.cell) == ("holds_key", 2, "Note", "see [redacted]!")
    assert problem.message == "the cell contains your API key; remove it from the file, and change the key"
    assert checked.records == [None, {"note": "fine"}]
    assert checked.ids == [("1", "2"), ("1", "2")]


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_key_is_found_in_every_column_and_no_other_problem_shows_it(heading: str) -> None:
    checked = check(row(**{"Name": "abcdefgh", heading: KEY}), secrets=(KEY,))
    assert [problem.code for problem in checked.problems] == ["holds_key"]
    assert checked.problems[0].column == ("" if heading == "ignored" else heading)
    assert KEY[:20] not in repr((checked.problems, checked.ids, checked.records))


def test_the_key_is_found_in_a_ragged_row_too() -> None:
    checked = check(Row(2, ("1", "2", "n", KEY)), Row(3, (KEY,)), headings=("x", "y", "note"), secrets=(KEY,))
    assert [(problem.code, problem.row) for problem in checked.problems] == [("holds_key", 2), ("holds_key", 3)]
    assert KEY[:20] not in repr((checked.problems, checked.ids, checked.records))
    assert checked.ids == [None, None]


def test_a_key_that_only_neighbouring_cells_make_up_is_none() -> None:
    assert check(row(Note="sk-ld-", **{"from": "0123456789"}), secrets=("sk-ld-0123456789",)).problems == []


# ---- sightings ----


def test_an_invalid_row_with_a_good_id_is_sighted_too() -> None:
    checked = check(row(2, Note="x"), row(3, code="bad"), row(4, X="", Note="x"), row(5, X="..", Note="x"))
    assert [(row, valid) for _, row, valid in checked.sightings()] == [(2, True), (3, False)]
    assert [change is not None for change in checked.changes()] == [True, False, False, False]


# ---- random batches ----

CELLS = st.sampled_from(
    [
        "",
        "",
        "x",
        "ab",
        "abcdef",
        "low",
        "12",
        "<null>",
        "<empty>",
        " ",
        "..",
        "\n",
        KEY,
        "https://example.com",
        "!",
        "é",
    ]
)
ROWS = st.lists(
    st.tuples(*[CELLS for _ in HEADINGS]) | st.lists(CELLS, max_size=len(HEADINGS) + 2).map(tuple), max_size=6
)


@given(ROWS)
def test_what_is_told_about_a_batch_is_consistent(cells: list[tuple[str, ...]]) -> None:
    rows = [Row(number, each) for number, each in enumerate(cells, start=2)]
    checked = check(*rows, secrets=(KEY,))
    broken = {problem.row for problem in checked.problems if problem.level is Level.ERROR}
    assert list(checked.rows) == rows
    assert len(checked.records) == len(checked.ids) == len(rows)
    assert {each.number for each, record in zip(rows, checked.records, strict=True) if record is None} == broken
    assert KEY not in repr((checked.problems, checked.ids, checked.records))
    names = [one.name for one in map_columns(HEADINGS, TARGET, Input()).mapped]
    for each, ids, record, change in zip(rows, checked.ids, checked.records, checked.changes(), strict=True):
        assert (change is None) == (record is None)
        if ids is not None:
            assert ids == each.cells[:2]
            assert all(ids)
        if record is not None:
            assert ids is not None
            typed = {name: cell for name, cell in zip(names, each.cells, strict=False) if cell and name not in "xy"}
            markers = {"<null>": None, "<empty>": ""}
            assert list(record.items()) == [(name, markers.get(cell, cell)) for name, cell in typed.items()]


@pytest.mark.slow
@given(ROWS)
def test_a_row_fares_the_same_alone_and_in_a_batch(cells: list[tuple[str, ...]]) -> None:
    rows = [Row(number, each) for number, each in enumerate(cells, start=2)]
    together = check(*rows, secrets=(KEY,))
    alone = [check(each, secrets=(KEY,)) for each in rows]
    assert list(together.records) == [record for one in alone for record in one.records]
    assert list(together.ids) == [ids for one in alone for ids in one.ids]
    assert sorted(map(repr, together.problems)) == sorted(repr(problem) for one in alone for problem in one.problems)


@pytest.mark.parametrize(
    "name", ["class", "from", "self", "model_config", "__pydantic_config__", "_x", "a b", "$id", "ä"]
)
def test_a_field_can_have_any_name(name: str) -> None:
    declared = {"name": "t", "title": "", "path": "/{id}", "auth": {"scheme": "none"}, "id": {"id": {}}}
    target = Target.model_validate(declared | {"fields": {name: {"max_length": 2}}})
    checked = check(Row(2, ("1", "ab")), Row(3, ("1", "abc")), target=target, headings=("id", name))
    assert checked.records == [{name: "ab"}, None]
    assert only(checked).code == "too_long"
