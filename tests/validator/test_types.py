from __future__ import annotations

import json
import sqlite3
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from batchupdate.config import Input, Secrets
from batchupdate.model import Level, Problem, Row
from batchupdate.targets import FieldRule, Target
from batchupdate.util import json as exact_json
from batchupdate.util.json import ExactNumber, exact
from batchupdate.validator import CheckedRows, Validator, map_columns


def target_of(**rule: Any) -> Target:
    declared = {"name": "t", "title": "", "path": "/{id}", "auth": {"scheme": "none"}, "id": {"id": {}}}
    return Target.model_validate(declared | {"fields": {"value": rule, "note": {}}})


def check(cell: str, **rule: Any) -> CheckedRows:
    target = target_of(**rule)
    return Validator(target, map_columns(["id", "Value", "note"], target, Input()), Secrets()).check(
        [Row(2, ("1", cell, "x"))]
    )


def sent(cell: str, **rule: Any) -> str:
    """The JSON that goes out for a cell, as the journal writes it."""
    checked = check(cell, **rule)
    assert not checked.problems, checked.problems
    assert checked.records[0] is not None
    return exact_json.dumps(checked.records[0]["value"])


def refused(cell: str, **rule: Any) -> Problem:
    checked = check(cell, **rule)
    assert checked.records == [None]
    assert checked.ids == [("1",)]
    (problem,) = checked.problems
    assert (problem.row, problem.column, problem.cell) == (2, "Value", cell)
    return problem


@pytest.mark.parametrize(
    ("rule", "cell", "json_text"),
    [
        ({"type": "integer"}, "12", "12"),
        ({"type": "integer"}, "-12", "-12"),
        ({"type": "integer"}, "+012", "12"),
        ({"type": "integer"}, "9" * 60, "9" * 60),
        ({"type": "integer", "minimum": 1, "maximum": 3}, "3", "3"),
        ({"type": "integer", "enum": ["-1", "0", "12"]}, "012", "12"),
        ({"type": "number"}, "12", "12"),
        ({"type": "number"}, "1.10", "1.10"),
        ({"type": "number"}, "-0.5", "-0.5"),
        ({"type": "number"}, "00.5", "0.5"),
        ({"type": "number"}, "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ({"type": "number"}, "12345678901234567890.123", "12345678901234567890.123"),
        ({"type": "number"}, "1E+400", "1e+400"),
        ({"type": "number", "maximum": 0.1}, "0.1", "0.1"),
        ({"type": "boolean"}, "TRUE", "true"),
        ({"type": "boolean"}, "yes", "true"),
        ({"type": "boolean"}, "1", "true"),
        ({"type": "boolean"}, "No", "false"),
        ({"type": "boolean"}, "0", "false"),
        ({"type": "boolean", "true_words": ["WAHR", "ja"]}, "wahr", "true"),
        ({"type": "boolean", "false_words": ["FALSCH"]}, "Falsch", "false"),
        ({"type": "date"}, "2024-02-29", '"2024-02-29"'),
        ({"type": "date", "input_formats": ["%d.%m.%Y"]}, "21.11.2026", '"2026-11-21"'),
        ({"type": "datetime"}, "2026-11-21T18:45:00", '"2026-11-21T18:45:00"'),
        ({"type": "datetime"}, "2026-11-21 18:45", '"2026-11-21T18:45:00"'),
        ({"type": "datetime"}, "2026-11-21", '"2026-11-21T00:00:00"'),
        ({"type": "datetime"}, "2026-11-21T18:45:00.123456789Z", '"2026-11-21T18:45:00.123456789Z"'),
        ({"type": "datetime"}, "2026-11-21T18:45:00+0130", '"2026-11-21T18:45:00+01:30"'),
        ({"type": "datetime", "timezone": "Europe/Berlin"}, "2026-11-21T18:45:00", '"2026-11-21T18:45:00+01:00"'),
        ({"type": "datetime", "timezone": "Europe/Berlin"}, "2026-07-21T18:45", '"2026-07-21T18:45:00+02:00"'),
        ({"type": "datetime", "timezone": "Europe/Berlin"}, "2026-07-21T18:45:00Z", '"2026-07-21T18:45:00Z"'),
        ({"type": "datetime", "timezone": "UTC"}, "2026-07-21T18:45", '"2026-07-21T18:45:00+00:00"'),
        ({"type": "datetime", "input_formats": ["%d.%m.%Y %H:%M"]}, "21.11.2026 18:45", '"2026-11-21T18:45:00"'),
        (
            {"type": "datetime", "input_formats": ["%d.%m.%Y %H:%M %z"]},
            "21.11.2026 18:45 +0100",
            '"2026-11-21T18:45:00+01:00"',
        ),
        ({"type": "enum", "enum": ["low", "high"]}, "low", '"low"'),
        ({"type": "enum", "enum": ["low", "HIGH"], "ignore_case": True}, "High", '"HIGH"'),
        ({"type": "list"}, "a, b ,c", '["a","b","c"]'),
        ({"type": "list"}, "<empty>", "[]"),
        ({"type": "list", "separator": "|", "items": {"type": "number"}}, "1|2.50", "[1,2.50]"),
        ({"type": "list", "items": {"type": "boolean"}}, "yes,no", "[true,false]"),
        ({"type": "list", "items": {"enum": ["a", "b"]}}, "b", '["b"]'),
        ({"type": "json"}, '{"a": [1.10, true, null]}', '{"a":[1.10,true,null]}'),
        ({"type": "json", "json_type": "array"}, "[]", "[]"),
        ({"type": "json", "nullable": True}, "null", "null"),
        ({"type": "json"}, "12345678901234567890.5", "12345678901234567890.5"),
        ({"type": "integer", "nullable": True}, "<null>", "null"),
    ],
)
def test_what_is_sent_is_the_json_value_that_the_target_wants(rule: dict[str, Any], cell: str, json_text: str) -> None:
    assert sent(cell, **rule) == json_text
    assert json.loads(json_text) is not ...


@pytest.mark.parametrize(
    ("rule", "cell", "code", "said"),
    [
        ({"type": "integer", "enum": ["1", "12"]}, "2", "not_in_list", "'2' is none of: 1, 12"),
        ({"type": "integer"}, "12.0", "not_an_integer", "'12.0' is not a whole number such as 12; remove the dec"),
        ({"type": "integer"}, "1.9E+18", "not_an_integer", "remove the decimals or the exponent"),
        ({"type": "integer"}, "1_000", "not_an_integer", "'1_000' is not a whole number such as 12"),
        ({"type": "integer"}, "١٢", "not_an_integer", "is not a whole number"),
        ({"type": "integer"}, " 12", "not_an_integer", "is not a whole number"),
        ({"type": "integer"}, "9" * 4001, "too_long", "value has 4,001 digits, but at most 4,000 can be sent"),
        ({"type": "integer", "minimum": 1}, "0", "too_small", "value is '0', but must be at least 1"),
        ({"type": "number", "maximum": 0.1}, "0.10000000000000000001", "too_large", "must be at most 0.1"),
        ({"type": "number"}, "1,5", "not_a_number", "write it with a point for the decimals"),
        ({"type": "number"}, "1.234.567,89", "not_a_number", "and nothing between thousands"),
        ({"type": "number"}, "50%", "not_a_number", "write 50 % as 0.5, or as 50 if that is what the API wants"),
        ({"type": "number"}, "NaN", "not_a_number", "'NaN' is not a number such as 12.5"),
        ({"type": "number"}, "Infinity", "not_a_number", "is not a number"),
        ({"type": "number"}, "0x10", "not_a_number", "is not a number"),
        ({"type": "number"}, "1e99999", "not_a_number", "is not a number"),
        ({"type": "boolean"}, "maybe", "not_a_boolean", "does not say whether value is true (true, yes, 1) or false ("),
        ({"type": "boolean"}, "WAHR", "not_a_boolean", "false (false, no, 0)"),
        ({"type": "date"}, "2023-02-29", "not_a_date", "'2023-02-29' is not a day in the calendar"),
        ({"type": "date"}, "0000-01-01", "not_a_date", "is not a day in the calendar"),
        ({"type": "date"}, "11/21/2026", "not_a_date", "'11/21/2026' is not a date such as 2026-11-21"),
        ({"type": "date", "input_formats": ["%d.%m.%Y"]}, "11/21/2026", "not_a_date", "2026-11-21, or 21.11.2026"),
        ({"type": "date"}, "2026-11-21T00:30:00", "not_a_date", "has a time of day, but value is a date; remove the"),
        ({"type": "datetime"}, "2026-11-31T10:00", "not_a_datetime", "is not a valid date and time"),
        ({"type": "datetime"}, "2026-11-21T25:00", "not_a_datetime", "is not a valid date and time"),
        ({"type": "datetime"}, "tomorrow", "not_a_datetime", "is not a time such as 2026-11-21T18:45:00"),
        (
            {"type": "datetime", "timezone": "required"},
            "2026-11-21T10:00",
            "no_time_zone",
            "add Z or an offset such as +01:00",
        ),
        ({"type": "datetime", "timezone": "Europe/Berlin"}, "2026-03-29T02:30", "no_time_zone", "does not exist in Eu"),
        (
            {"type": "datetime", "timezone": "Europe/Berlin"},
            "2026-10-25T02:30",
            "no_time_zone",
            "occurs twice in Europ",
        ),
        ({"type": "enum", "enum": ["low", "high"]}, "hihg", "not_in_list", "none of: low, high; did you mean high?"),
        ({"type": "enum", "enum": ["low", "high"]}, "LOW", "not_in_list", "did you mean low?"),
        ({"type": "enum", "enum": ["low"]}, "<empty>", "empty_not_allowed", "value can't be empty"),
        ({"type": "integer"}, "<empty>", "empty_not_allowed", "value can't be empty"),
        ({"type": "integer"}, "<null>", "null_not_allowed", "value can't be null"),
        ({"type": "list"}, "a,,b", "bad_item", "item 2 of 'a,,b' is empty; remove one ','"),
        ({"type": "list", "items": {"type": "integer"}}, "1,x", "bad_item", "item 2: 'x' is not a whole number"),
        (
            {"type": "list", "items": {"max_length": 2}},
            "abc",
            "bad_item",
            "item 1: 'abc' has 3 characters, but at most 2",
        ),
        ({"type": "list", "items": {"min_length": 2}}, "a", "bad_item", "at least 2 are needed"),
        ({"type": "list", "items": {"pattern": "^a"}}, "b", "bad_item", "item 1: 'b' is not text that matches ^a"),
        ({"type": "list", "items": {"format": "url"}}, "b", "bad_item", "is not a web address"),
        ({"type": "list", "items": {"enum": ["x"]}}, "y", "bad_item", "'y' is none of: x"),
        ({"type": "list", "min_items": 2}, "a", "too_few", "value has 1 items, but at least 2 are needed"),
        ({"type": "list", "max_items": 1}, "a,b", "too_many", "value has 2 items, but at most 1 are allowed"),
        ({"type": "list", "min_items": 1}, "<empty>", "empty_not_allowed", "value can't be empty"),
        ({"type": "json"}, "{a: 1}", "not_json", "value is not JSON (Expecting property name enclosed in double quot"),
        ({"type": "json"}, "[NaN]", "not_json", "NaN is not JSON"),
        ({"type": "json"}, '{"a":1,"a":2}', "not_json", "'a' occurs twice in one object"),
        ({"type": "json"}, '"\\ud800"', "not_json", "half of a character"),
        ({"type": "json"}, "[" * 100_000, "not_json", "is nested too "),
        ({"type": "json"}, "9" * 5000, "not_json", "a number that is too long"),
        ({"type": "json"}, "null", "null_not_allowed", "value can't be null"),
        ({"type": "json", "json_type": "object"}, "[1]", "wrong_json_type", "'[1]' is not an object such as"),
    ],
)
def test_a_cell_of_another_type_is_refused_with_the_way_out(
    rule: dict[str, Any], cell: str, code: str, said: str
) -> None:
    problem = refused(cell, **rule)
    assert problem.code == code
    assert said in problem.message
    assert len(problem.message) < 300


def with_comma(cell: str, **rule: Any) -> CheckedRows:
    target = target_of(type="number", **rule)
    layout = map_columns(["id", "Value", "note"], target, Input(decimal=","))
    return Validator(target, layout, Secrets()).check([Row(2, ("1", cell, "x"))])


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1234,5", "1234.5"),
        ("1.234,5", "1234.5"),
        ("1.234.567,80", "1234567.80"),
        ("1.234.567", "1234567"),
        ("12", "12"),
        ("-0,10", "-0.10"),
        ("+1,5", "1.5"),
        ("007,5", "7.5"),
        ("1,5E+03", "1.5e+03"),
        ("12345678901234567890,123", "12345678901234567890.123"),
    ],
)
def test_a_decimal_comma_is_read_exactly_where_the_settings_say_so(cell: str, number: str) -> None:
    checked = with_comma(cell)
    assert checked.records[0] is not None, checked.problems
    assert exact_json.dumps(checked.records[0]["value"]) == number


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("1.234", "with 'decimal: \",\"' the decimal separator is a comma: write 1234 or 1,234"),
        ("-1.234", "write -1234 or -1,234"),
        ("1234.5", "the decimal separator is a comma: write 1234,5"),
        ("0.5", "the decimal separator is a comma: write 0,5"),
        ("0.123", "the decimal separator is a comma: write 0,123"),
        ("0.123,5", "with 'decimal: \",\"' write a comma before the decimals, and points or nothing between thousan"),
        ("1.23,5", "write a comma before the decimals, a"),
        ("1234.567,8", "write a comma before the decimals, a"),
        ("1.234.56", "write a comma before the decimals, a"),
        ("1,234,567", "write a comma before the decimals, a"),
        ("1,234.5", "write a comma before the decimals, a"),
        ("1 234,5", "write a comma before the decimals, a"),
        ("1,", "write a comma before the decimals, a"),
        (",5", "write a comma before the decimals, a"),
        ("1,5 %", "write 50 % as 0,5, or as 50"),
        ("\u0661,\u0665", "write a comma before the decimals, a"),
    ],
)
def test_with_a_decimal_comma_what_could_mean_two_things_is_refused(cell: str, said: str) -> None:
    (problem,) = with_comma(cell).problems
    assert problem.code == "not_a_number"
    assert said in problem.message


@pytest.mark.parametrize("cell", ["1234,5", "1.234,5", "0,5", "1,234"])
def test_without_the_setting_a_decimal_comma_is_refused_and_the_setting_named(cell: str) -> None:
    said = "; or, if the whole file is written with commas, set 'decimal: \",\"' under 'input' in the config"
    assert refused(cell, type="number").message.endswith(said)


def test_what_can_be_no_decimal_comma_does_not_name_the_setting() -> None:
    assert "decimal:" not in refused("1 234", type="number").message
    assert "decimal:" not in refused("x", type="number").message


def test_a_limit_is_told_with_the_number_as_typed() -> None:
    (problem,) = with_comma("1.234,5", maximum=1000).problems
    assert problem.message == "value is '1.234,5', but must be at most 1000"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_any_number_in_german_spelling_keeps_its_value(number: Decimal) -> None:
    cell = f"{number:,}".translate(str.maketrans(",.", ".,"))
    checked = with_comma(cell)
    assert checked.records[0] is not None
    assert Decimal(exact_json.dumps(checked.records[0]["value"])) == number


def test_a_refused_cell_keeps_back_its_own_row_alone() -> None:
    target = target_of(type="integer")
    validator = Validator(target, map_columns(["id", "value", "note"], target, Input()), Secrets())
    checked = validator.check([Row(2, ("1", "1", "")), Row(3, ("2", "x", "")), Row(4, ("3", "", "n"))])
    assert checked.records == [{"value": 1}, None, {"note": "n"}]
    assert [problem.code for problem in checked.problems] == ["not_an_integer"]


def test_a_required_typed_field_has_to_be_there() -> None:
    assert check("", type="integer", required=True).problems[0].code == "required"


# ---- declarations ----


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"type": "integer", "max_length": 3}, "max_length is for type string, not integer"),
        ({"minimum": 3}, "minimum is for type integer or number, not string"),
        ({"type": "enum"}, "type enum needs the list of its values in enum"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "minimum must not be larger than maximum"),
        ({"type": "boolean", "false_words": ["Yes"]}, "'yes' would mean both true and false"),
        ({"type": "enum", "enum": ["a", "A"], "ignore_case": True}, "two values differ only in their letter case"),
        ({"type": "list", "items": {"type": "list"}}, "an item can't be a list or JSON, a"),
        ({"type": "list", "items": {"nullable": True}}, "can't be required or nullable"),
        ({"type": "date", "input_formats": ["%d.%m."]}, "must contain the year, the month and the day"),
        ({"type": "date", "input_formats": ["%Q"]}, "can't be used to read a date"),
        ({"type": "datetime", "timezone": "Mars/Base"}, "is neither 'required' nor a time zone such as Europe/Berlin"),
        ({"type": "datetime", "timezone": "../etc"}, "is neither 'required' nor a time zone"),
    ],
)
def test_an_impossible_rule_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FieldRule.model_validate(rule)
    assert said in str(caught.value)


# ---- every digit ----

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@pytest.mark.counted("nothing")
@given(NUMBERS)
def test_no_number_loses_a_digit_on_its_way_to_the_wire(text: str) -> None:
    out = sent(text, type="number")
    assert Decimal(out) == Decimal(text)
    assert Decimal(out).as_tuple().digits == Decimal(text).as_tuple().digits
    assert json.loads(out, parse_float=Decimal, parse_int=Decimal) == Decimal(text)


@given(NUMBERS, NUMBERS)
def test_numbers_survive_the_journal_when_rows_are_joined(one: str, other: str) -> None:
    fields = {"a": exact_json.loads(one), "b": [exact_json.loads(other)]}
    text = exact_json.dumps([7, fields])
    (stored,) = sqlite3.connect(":memory:").execute("SELECT json_extract(?, '$[1]')", (text,)).fetchone()
    assert stored == exact_json.dumps(fields)
    assert exact_json.loads(stored) == fields


@given(st.dates(min_value=date(1, 1, 1)), st.sampled_from(["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d"]))
def test_no_date_moves_by_a_day(day: date, form: str) -> None:
    typed = day.strftime(form)
    if len(typed.rpartition(".")[2]) >= 4 and day.year >= 1000:  # some systems write the year 1 without its zeros
        assert sent(typed, type="date", input_formats=[form]) == f'"{day.isoformat()}"'
    assert sent(day.isoformat(), type="date") == f'"{day.isoformat()}"'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_json_in_a_cell_is_sent_as_that_json(value: object) -> None:
    cell = json.dumps(value)
    if cell.strip() and value is not None:
        assert json.loads(sent(cell, type="json")) == value


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_as_any_type_is_a_value_or_a_sentence(cell: str) -> None:
    rules: list[dict[str, Any]] = [
        {"type": name} for name in ("integer", "number", "boolean", "date", "datetime", "list")
    ]
    for rule in [*rules, {"type": "json"}, {"type": "enum", "enum": ["a"]}]:
        checked = check(cell, **rule)
        assert (checked.records == [None]) == any(problem.level is Level.ERROR for problem in checked.problems)
        if checked.records[0]:
            json.loads(exact_json.dumps(checked.records[0]))


def test_exact_numbers_are_equal_by_value() -> None:
    assert ExactNumber("1.10") == ExactNumber("1.1") == 1.1
    assert ExactNumber("1.10") != ExactNumber("1.11")
    assert ExactNumber("1.0") != "1.0"
    assert hash(ExactNumber("1.10")) == hash(ExactNumber("1.1"))
    assert repr(exact("1.10")) == "1.10"
    assert isinstance(exact("1.5"), float)


def test_a_record_that_differs_in_the_last_digit_does_not_show_the_change() -> None:
    target = Target.model_validate(target_of(type="number").model_dump(mode="json") | {"read": {}})
    assert target.shows(b'{"value": 1.1}', '{"value":1.10}')
    assert not target.shows(b'{"value": 12345678901234567.1}', '{"value":12345678901234567.2}')


def test_a_record_that_holds_1_does_not_show_true() -> None:
    target = Target.model_validate(target_of(type="boolean").model_dump(mode="json") | {"read": {}})
    assert target.shows(b'{"value": true}', '{"value":true}')
    assert not target.shows(b'{"value": 1}', '{"value":true}')
