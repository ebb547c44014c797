from __future__ import annotations

from typing import Any

import pytest
from declarations import read

from batchupdate.planner.comparison import ALREADY_SO, Comparison, Finding
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen

DECLARED = """\
name: mine
title: Mine
path: /{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {trimmed: true}
  note: {nullable: true}
  price: {type: number}
  at: {type: datetime}
  tags: {type: list, unordered: true}
"""
COMPARISON = Comparison(read(DECLARED))


def compared(
    wanted: dict[str, Any], known: Pulled, values: dict[str, Any], absent: tuple[str, ...] = (), *, guarded: bool = True
) -> tuple[Finding, list[str], str]:
    found = COMPARISON.compare(wanted, known, Seen(values, absent), guarded=guarded)
    return found.finding, list(found.changes), found.message


@pytest.mark.parametrize(
    ("wanted", "present", "is_so"),
    [
        ({"name": "A"}, {"name": "A"}, True),
        ({"name": "A"}, {"name": " A "}, True),
        ({"name": "A"}, {"name": "a"}, False),
        ({"price": 1.5}, {"price": 1.50}, True),
        ({"at": "2026-11-29T10:00:00+00:00"}, {"at": "2026-11-29T11:00:00+01:00"}, True),
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, True),
        ({"tags": ["a", "b"]}, {"tags": ["a"]}, False),
        ({"note": None}, {"note": None}, True),
        ({"note": None}, {"note": ""}, False),
        ({"note": None}, {}, False),
    ],
)
def test_a_record_is_unchanged_only_if_every_value_means_the_same_as_that_which_is_to_be_set(
    wanted: dict[str, Any], present: dict[str, Any], *, is_so: bool
) -> None:
    finding, changes, message = compared(wanted, Pulled(), present)
    assert (finding, changes) == ((Finding.UNCHANGED, []) if is_so else (Finding.CHANGES, [*wanted]))
    assert message == (ALREADY_SO if is_so else "")


def test_a_field_of_which_nothing_is_known_counts_as_changed_and_is_no_conflict() -> None:
    assert compared({"name": "B"}, Pulled(old={"name": "A"}), {}) == (Finding.CHANGES, ["name"], "")


def test_a_foreign_change_is_a_conflict_that_names_both_values_and_the_other_fields() -> None:
    known = Pulled(old={"name": "A", "note": "old"})
    wanted = {"name": "B", "note": "new", "price": 2}
    finding, changes, message = compared(wanted, known, {"name": "C", "note": "other", "price": 1})
    assert (finding, changes) == (Finding.CONFLICT, ["name", "note", "price"])
    assert message == (
        "nothing was sent: name was 'A' when it was pulled, and is 'C' now (note changed as well); "
        "pull the records again"
    )


def test_a_field_that_has_its_new_value_already_is_no_conflict_whoever_has_set_it() -> None:
    known = Pulled(old={"name": "A", "note": "old"})
    finding, changes, _ = compared({"name": "B", "note": "new"}, known, {"name": "B", "note": "old"})
    assert (finding, changes) == (Finding.CHANGES, ["note"])


def test_what_is_not_guarded_is_compared_and_never_a_conflict() -> None:
    known = Pulled(old={"name": "A"}, expected={"note": "x"})
    assert compared({"name": "B"}, known, {"name": "C", "note": "y"}, guarded=False)[0] is Finding.CHANGES


def test_what_the_sheet_expects_must_be_so_unless_nothing_is_left_to_be_set() -> None:
    known = Pulled(expected={"note": "draft"})
    finding, _, message = compared({"name": "B"}, known, {"name": "A", "note": "final"})
    assert finding is Finding.CONFLICT
    assert message == "nothing was sent: note should be 'draft' (expected.note), and is 'final'"
    assert compared({"name": "B"}, known, {"name": "A", "note": "draft"})[0] is Finding.CHANGES
    own = Pulled(expected={"name": "A"})
    assert compared({"name": "B"}, own, {"name": "B"})[0] is Finding.UNCHANGED


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("plan", " in the plan, and is 'C' now; make a new plan"),
        ("diff", " when the rows were compared, and is 'C' now; run it again"),
        ("read", " just before, and is 'C' now; run it again"),
        ("run", " after that run, and is 'C' now"),
    ],
)
def test_a_conflict_says_when_the_value_was_seen_and_what_to_do(by: str, said: str) -> None:
    message = compared({"name": "B"}, Pulled(seen=Seen({"name": "A"}), by=by), {"name": "C"})[2]
    assert message == f"nothing was sent: name was 'A'{said}"


def test_a_record_that_was_not_there_and_is_there_now_is_a_conflict_unless_it_has_the_values() -> None:
    gone = Pulled(seen=Seen(gone=True), by="plan")
    finding, _, message = compared({"name": "B"}, gone, {"name": "C"})
    assert finding is Finding.CONFLICT
    assert message.startswith("nothing was sent: there was no such record in the plan, and there is one now: name is")
    assert compared({"name": "B"}, gone, {"name": "B"})[0] is Finding.UNCHANGED


def test_null_an_empty_value_and_a_field_that_is_not_there_are_the_same_in_two_states_of_a_record() -> None:
    same = COMPARISON.same
    nothing = [Seen({"note": None}), Seen({"note": ""}), Seen({}, ("note",))]
    assert all(same("note", one, other) for one in nothing for other in nothing)
    assert not any(same("note", one, Seen({"note": "x"})) for one in nothing)
    assert same("note", Seen(), Seen({"note": "x"}))  # of the first, nothing is known
