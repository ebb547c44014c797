from __future__ import annotations

import pytest
from declarations import read

from batchupdate.planner.sent_fields import SentFields

DECLARED = """\
name: mine
title: Mine
method: %s
path: /{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
  kind: {required: %s}
  address.city: {}
  address.zip: {}
rules: %s
body: {nested: %s}
"""
ROW = {"name": "A", "kind": "k", "address.city": "Ulm", "address.zip": "89073"}


@pytest.mark.parametrize(
    ("method", "required", "rules", "nesting", "changes", "sent"),
    [
        ("PATCH", "false", "[]", "merge", ["name"], ["name"]),
        ("PATCH", "true", "[]", "merge", ["name"], ["name", "kind"]),
        ("PATCH", "false", "[]", "merge", ["address.city"], ["address.city"]),
        ("PATCH", "false", "[]", "replace", ["address.city"], ["address.city", "address.zip"]),
        ("PATCH", "false", "[]", "replace", ["name"], ["name"]),
        (
            "PATCH",
            "false",
            "[{any_of: [name, kind], message: m}]",
            "merge",
            ["address.zip"],
            ["name", "kind", "address.zip"],
        ),
        ("PATCH", "false", "[{any_of: [name, kind], message: m}]", "merge", ["kind"], ["kind"]),
        ("PUT", "false", "[]", "merge", ["name"], [*ROW]),
    ],
)
def test_only_what_changes_is_sent_and_what_the_api_wants_along(
    method: str, required: str, rules: str, nesting: str, changes: list[str], sent: list[str]
) -> None:
    fields = SentFields(read(DECLARED % (method, required, rules, nesting)))
    assert fields.of(ROW, changes) == {name: ROW[name] for name in sent}


def test_a_row_of_which_everything_changes_is_sent_as_it_is() -> None:
    assert SentFields(read(DECLARED % ("PATCH", "false", "[]", "merge"))).of(ROW, [*ROW]) is ROW
