"""A message about a pattern shows its example, and never the pattern."""

from __future__ import annotations

import pytest

from batchupdate.config import Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.model import Row
from batchupdate.targets import Target
from batchupdate.targets.field_help import field_help
from batchupdate.validator import Validator, map_columns

TARGET = parse(
    b"""
name: mine
title: Mine
path: /{id}
auth: {scheme: none}
id: {id: {pattern: '^c[0-9]+$', example: c42}}
fields:
  zip: {pattern: '^[0-9]{5}$', example: '10115'}
  tags: {type: list, items: {pattern: '^#[a-z]+$', example: '#new'}}
  plain: {pattern: '^x'}
  parts: {type: json, json_type: array, example: '[{"id": 1}]'}
""",
    Target,
    "target",
    "t.yaml",
)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("d1", "", "", "x"), "'d1' is not an id such as c42"),
        (("", "", "", "x"), "the id is missing; fill in an id such as c42"),
        (("c1", "123", "", ""), "'123' is not text such as 10115"),
        (("c1", "", "#a, b", ""), "item 2: 'b' is not text such as #new"),
        (("c1", "", "", "y"), "'y' is not text that matches ^x"),
    ],
)
def test_a_message_shows_the_example_of_a_pattern(cells: tuple[str, ...], said: str) -> None:
    columns = map_columns(("id", "zip", "tags", "plain"), TARGET, Input())
    (problem,) = Validator(TARGET, columns, Secrets([])).check([Row(2, cells)]).problems
    assert problem.message == said


def test_help_shows_the_example_too() -> None:
    assert field_help(TARGET.fields["zip"]) == "text such as 10115, or <empty>"
    assert "each text such as #new" in field_help(TARGET.fields["tags"])
    assert field_help(TARGET.fields["parts"]) == 'a JSON array such as [{"id": 1}]'
