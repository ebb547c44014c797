"""A rule with `when` asks something of those rows alone that set one of its fields, or a member of its objects."""

from __future__ import annotations

import pytest

from batchupdate.config import Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.model import Level, Row
from batchupdate.targets import Target
from batchupdate.validator import CheckedRows, Validator, map_columns

DECLARED = """
name: mine
title: Mine
path: /{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
  address.zip: {max_length: 5, nullable: true}
  address.city: {}
  addressee: {}
  end: {}
rules:
  - {when: [address], any_of: [address.zip], message: the API requires address.zip}
  - {when: [end], any_of: [name, addressee], level: warning, message: it may be refused}
"""
TARGET = parse(DECLARED.encode(), Target, "target", "t.yaml")


def check(headings: str, *cells: str) -> CheckedRows:
    columns = map_columns(("id", *headings.split()), TARGET, Input())
    return Validator(TARGET, columns, Secrets([])).check([Row(2, ("1", *cells))])


@pytest.mark.parametrize(
    ("headings", "cells"),
    [
        ("name", ("A",)),
        ("addressee", ("A",)),
        ("address.zip", ("1",)),
        ("address.city address.zip", ("Ulm", "1")),
        ("address.city address.zip", ("Ulm", "<null>")),
        ("end name", ("x", "y")),
    ],
)
def test_a_row_without_what_a_rule_is_about_or_with_what_it_asks_for_is_sent(
    headings: str, cells: tuple[str, ...]
) -> None:
    assert [problem.code for problem in check(headings, *cells).problems if problem.code != "incomplete_object"] == []


def test_a_row_without_what_a_rule_asks_for_is_a_problem_with_its_message() -> None:
    checked = check("address.city", "Ulm")
    (problem,) = [one for one in checked.problems if one.level is Level.ERROR]
    assert (problem.code, problem.message) == ("required", "the API requires address.zip")
    assert checked.records == [None]


def test_a_refused_cell_counts_as_set() -> None:
    checked = check("address.city address.zip", "Ulm", "123456")
    assert [one.code for one in checked.problems if one.level is Level.ERROR] == ["too_long"]


def test_a_warning_can_have_a_condition_too() -> None:
    checked = check("end", "x")
    assert [one.code for one in checked.problems] == ["likely_refused"]
    assert checked.records == [{"end": "x"}]


def test_conditions_alone_do_not_let_an_empty_row_pass() -> None:
    checked = check("name end", "", "")
    assert [one.code for one in checked.problems if one.level is Level.ERROR] == ["nothing_to_change"]
