from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.config import Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.model import Level, Row
from batchupdate.targets import Target
from batchupdate.validator import Validator, map_columns

if TYPE_CHECKING:
    from batchupdate.validator import CheckedRows
    from batchupdate.validator.checks.suspicious_text import Strictness

TARGET = parse(
    b"""
name: things
title: Things
path: /things/{id}
auth: {scheme: none}
id: {id: {aliases: [object number]}}
fields: {name: {}, note: {}, unit_price: {type: number, aliases: [Cost]}}
""",
    Target,
    "target",
    "t.yaml",
)


def check(
    *rows: tuple[str, ...], headings: tuple[str, ...] = ("id", "name", "cost"), strictness: Strictness = "normal"
) -> CheckedRows:
    validator = Validator(TARGET, map_columns(headings, TARGET, Input()), Secrets(), strictness)
    return validator.check([Row(number, cells) for number, cells in enumerate(rows, 2)])


def codes(checked: CheckedRows) -> list[tuple[str, int]]:
    return [(problem.code, problem.row) for problem in checked.problems]


@pytest.mark.parametrize(
    "again",
    [
        ("id", "name", "cost"),
        ("ID", "", "Cost"),
        ("Object Number", "Name", "Unit Price"),
        ("Record ID", "Name", "Price in EUR"),
        ("Record ID", "Full name", "Cost"),
        (" id ", "NAME ", ""),
    ],
)
def test_the_headings_again_stop_their_row_and_name_no_record(again: tuple[str, ...]) -> None:
    checked = check(("k1", "A", "1"), again, ("k2", "B", "2"), again)
    assert codes(checked) == [("repeated_header", 3), ("repeated_header", 5)]
    assert [record is None for record in checked.records] == [False, True, False, True]
    assert len(checked.sightings()) == 2


def test_the_headings_as_typed_count_where_they_are_no_name_of_a_field() -> None:
    headings = ("Kennung", "Bezeichnung")
    options = Input.model_validate({"columns": {"Kennung": "id", "Bezeichnung": "name"}})
    validator = Validator(TARGET, map_columns(headings, TARGET, options), Secrets())
    assert codes(validator.check([Row(9, ("Kennung", "Bezeichnung"))])) == [("repeated_header", 9)]


@pytest.mark.parametrize(
    "genuine", [("k1", "Name", ""), ("k1", "id", ""), ("id", "Anna", "5"), ("paid-id-7", "name", ""), ("id", "", "3")]
)
def test_a_record_that_is_called_like_a_heading_passes(genuine: tuple[str, ...]) -> None:
    assert codes(check(genuine)) == []


@pytest.mark.parametrize(
    "label",
    ["Total", "TOTAL:", "Grand total", "Subtotal", "Sub-Total (3)", "Total 30.00", "Summe", "Zwischensumme", "Итого"],
)
def test_a_total_is_a_warning(label: str) -> None:
    checked = check(("k1", "A", "30"), (label, "", "30"))
    assert codes(checked) == [("total_row", 3)]
    assert checked.problems[0].level is Level.WARNING
    assert checked.records[1] == {"unit_price": 30}


@pytest.mark.parametrize("rule", ["---", "=====", "──────", "-+-", "***"])
def test_a_rule_of_dashes_is_a_warning(rule: str) -> None:
    assert codes(check(("k1", "A", "1"), (rule, "x", ""))) == [("ruled_line", 3)]


@pytest.mark.parametrize("record", ["totalenergies", "sum-7", "k-1", "-", "1--", "Totals2", "summer", "1.5", "SUMA1"])
def test_an_id_that_only_begins_so_passes(record: str) -> None:
    assert codes(check((record, "Total", "1"))) == []


def test_strictness_says_how_much_they_weigh() -> None:
    rows = [("id", "name", ""), ("Total", "", "1"), ("----", "-", "")]
    assert check(*rows, strictness="strict").records == [None, None, None]
    assert None not in check(*rows, strictness="lenient").records
