from __future__ import annotations

import pytest
from declarations import read

from batchupdate.errors import InputError
from batchupdate.targets import find_target
from batchupdate.validator.columns.proposal import propose

TARGET = read(
    """
name: t
title: T
path: /{id}
auth: {scheme: none}
id: {id: {aliases: [record], pattern: "^k[0-9]+$", example: k7}}
fields:
  name: {aliases: [title]}
  email: {}
  lastname: {}
  address.city: {}
  labels: {type: list}
"""
)
LANGDOCK = find_target("langdock-integration")
UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("headings", "found"),
    [
        (["ID", "Name"], ["id!", "name!"]),
        (["record", "Title"], ["id!", "name!"]),
        (["id", "Nmae"], ["id!", "name"]),
        (["id", "City"], ["id!", "address.city"]),
        (["id", "labels[0]", "labels[1]"], ["id!", "labels[0]!", "labels[1]!"]),
        (["id", "label[0]"], ["id!", "!"]),  # an item alone is no guess: its neighbours would have to be there
        (["id", "Customer e-mail"], ["id!", "email"]),
        (["id", "E-mail of the customer"], ["id!", "email"]),
        (["id", "Emails"], ["id!", "email"]),
        (["Name", "New name", "id"], ["!", "name", "id!"]),
        (["New title", "id", "name"], ["name", "id!", "!"]),
        (["id", "Nmae", "Naem"], ["id!", "name", "!"]),  # one field, one column
        (["id", "Nmae", "name"], ["id!", "!", "name!"]),
        (["id", "Remarks"], ["id!", "!"]),
        (["Customer id", "name"], ["id", "name!"]),
        (["id", "Old name", "New name"], ["id!", "!", "name"]),
        (["id", "New title", "Old name"], ["id!", "name", "!"]),
        (["id", "Old name", "New title"], ["id!", "!", "name"]),
        (["id", "Current name", "Updated name"], ["id!", "!", "name"]),
        (["id", "name_before", "name_after"], ["id!", "!", "name"]),
        (["id", "oldName", "newName"], ["id!", "!", "name"]),
        (["id", "Name (old)", "Name (new)"], ["id!", "!", "name"]),
        (["id", "Alter Name", "Neuer Name"], ["id!", "!", "name"]),
        (["id", "Name bisher", "Name neu"], ["id!", "!", "name"]),
        (["id", "Bisheriger Name", "Neu: Name"], ["id!", "!", "name"]),
        (["id", "Name alt", "Name"], ["id!", "!", "name!"]),
        (["id", "Previous name"], ["id!", "!"]),
        (["id", "Old lastname", "New lastname"], ["id!", "!", "lastname"]),  # near spellings, too
        (["id", "Customer name", "New name"], ["id!", "!", "name"]),
        (["id", "Nmae", "New name"], ["id!", "!", "name"]),
        (["id", "Name", "Name (new)"], ["id!", "!", "name"]),
        (["id", "Name", "Neuer Name", "Updated name"], ["id!", "!", "name", "!"]),
        (["Current id", "name"], ["id", "name!"]),  # by the present id the record is found
    ],
)
def test_each_column_is_proposed_for_what_its_heading_says(headings: list[str], found: list[str]) -> None:
    proposed = propose(headings, [], TARGET)
    assert [f"{one.name}{'!' if one.sure else ''}" for one in proposed] == found


def test_a_field_that_is_called_new_or_old_itself_is_guessed_as_any_other() -> None:
    text = "name: t\ntitle: T\npath: /{id}\nauth: {scheme: none}\nid: {id: {}}\n"
    target = read(f"{text}fields: {{current_stage: {{}}, alt: {{}}, new_owner: {{}}, news: {{}}}}\n")
    headings = ["id", "Old stage", "Current stages", "Image alt", "New owners", "Newss"]
    made = [one.name for one in propose(headings, [], target)]
    assert made == ["id", "", "current_stage", "alt", "new_owner", "news"]


def test_an_id_is_recognised_by_its_cells_where_one_column_alone_has_such() -> None:
    rows = [("x", UUID, "a"), ("", "", ""), ("y", UUID.upper(), "b")]
    assert [one.name for one in propose(["No.", "Ref", "Name"], rows, LANGDOCK)] == ["", "integrationId", "name"]
    twice = [(UUID, UUID, "a")]
    assert [one.name for one in propose(["No.", "Ref", "Name"], twice, LANGDOCK)] == ["", "", "name"]
    mixed = [("x", UUID, "a"), ("x", "n/a", "b")]
    assert [one.name for one in propose(["No.", "Ref", "Name"], mixed, LANGDOCK)] == ["", "", "name"]
    assert [one.name for one in propose(["No.", "Ref", "Name"], [], LANGDOCK)] == ["", "", "name"]


def test_what_somebody_has_said_is_proposed_and_no_guess_gets_in_its_way() -> None:
    proposed = propose(["id", "name", "New name", "Nmae"], [], TARGET, {3: "name"})
    assert [(one.name, one.sure) for one in proposed] == [("id", True), ("", True), ("", True), ("name", True)]


def test_columns_that_pull_has_added_are_no_proposals() -> None:
    assert [one.heading for one in propose(["id", "name", "_old.name", "_locked", ""], [], TARGET)] == ["id", "name"]


def test_a_list_and_an_item_of_it_are_a_contradiction() -> None:
    with pytest.raises(InputError, match="both set the list 'labels'"):
        propose(["id", "labels", "labels[0]"], [], TARGET)
