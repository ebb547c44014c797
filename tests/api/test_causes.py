"""Errors grouped by cause."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.api.causes import MOST_CAUSES, Causes
from batchupdate.api.error_group import Example
from batchupdate.model import Outcome


def grouped(*errors: str, status: int | None = 400, names: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    causes = Causes(names)
    for key, error in enumerate(errors, 2):
        causes.add(key, f"r-{key}", Outcome.FAILED, status, error)
    return [(group.message, group.count) for group in causes.groups(99)]


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        (["400 name 'Ann' is taken", "400 name 'Bob' is taken"], "400 name … is taken"),
        (['400 name "it\'s" is taken', '400 name "a \\" b" is taken'], "400 name … is taken"),
        (["400 no owner ann@example.com", "400 no owner bob@example.com"], "400 no owner …"),
        (["400 trace 550e8400-e29b-41d4: slow", "400 trace 6fa459ea-ee8a: slow"], "400 trace …: slow"),
        (
            ["400 name has 55 letters, at most 40 allowed", "400 name has 61 letters, at most 40 allowed"],
            "400 name has … letters, at most 40 allowed",
        ),
        (["400 can't be 'x'; it's wrong", "400 can't be 'y'; it's wrong"], "400 can't be …; it's wrong"),
        (["400 by 10.0.0.1:80.", "400 by 10.0.0.2:80."], "400 by …."),
    ],
)  # fmt: skip
def test_sentences_that_differ_in_a_number_an_id_or_a_quoted_value_are_one_group(
    errors: list[str], message: str
) -> None:
    assert grouped(*errors) == [(message, 2)]


@pytest.mark.parametrize(
    "errors",
    [
        ["400 name is too long", "400 description is too long"],
        ["400 column 'Name': too long", "400 column 'Colour': too long"],
        ["400 'name' is required", "400 'colour' is required"],
    ],
)
def test_sentences_about_other_fields_or_columns_are_other_groups(errors: list[str]) -> None:
    assert len(grouped(*errors, names=("Name", "Colour", "name", "colour"))) == 2


def test_a_sentence_that_stands_alone_is_shown_as_it_is() -> None:
    error = "400 name 'Ann' has 55 characters: see https://api.example/e/1234"
    assert grouped(error, error) == [(error, 2)]


def test_statuses_and_outcomes_are_groups_of_their_own() -> None:
    causes = Causes()
    for key, (outcome, status) in enumerate(
        [(Outcome.FAILED, 500), (Outcome.FAILED, 502), (Outcome.UNKNOWN, 502), (Outcome.FAILED, 502)]
    ):
        causes.add(key, "", outcome, status, f"{status} the API failed")
    found = [(group.outcome, group.http_status, group.message, group.count) for group in causes.groups(9)]
    assert found == [
        ("failed", 502, "502 the API failed", 2),
        ("failed", 500, "500 the API failed", 1),
        ("unknown", 502, "502 the API failed", 1),
    ]


def test_a_group_has_its_first_rows_and_the_way_out() -> None:
    causes = Causes()
    for key in range(2, 20):
        causes.add(key, f"record-{key}", Outcome.FAILED, 404, f"404 there is no record-{key}")
    [group] = causes.groups(9)
    assert (group.message, group.count, group.example_row) == ("404 there is no <id>", 18, 2)
    assert group.examples[:2] == (Example(2, "record-2"), Example(3, "record-3"))
    assert len(group.examples) == 5
    assert group.way_out == "check the ids; leave rows out whose records are gone"


@pytest.mark.parametrize(
    ("outcome", "status", "way_out"),
    [
        (Outcome.FAILED, 422, "correct these cells in failed.csv, and run that file"),
        (Outcome.FAILED, 418, "correct these cells in failed.csv, and run that file"),
        (Outcome.FAILED, 520, "the API failed; send these rows again later"),
        (Outcome.FAILED, 308, "check the base URL"),
        (Outcome.FAILED, 200, "see what the API's answer says"),
        (Outcome.FAILED, None, "send these rows again"),
        (Outcome.UNKNOWN, 502, "look at these records, or send the rows again"),
        (Outcome.INVALID, None, ""),
    ],
)
def test_the_way_out_follows_from_outcome_and_status(outcome: Outcome, status: int | None, way_out: str) -> None:
    causes = Causes()
    causes.add(2, "", outcome, status, "no")
    assert causes.groups(1)[0].way_out == way_out


def test_memory_does_not_grow_with_rows_whose_errors_are_all_different() -> None:
    causes, words = Causes(), "abcdefghij"

    def add(start: int, stop: int) -> None:
        for key in range(start, stop):
            word = "".join(words[int(digit)] for digit in str(key))
            causes.add(key, "", Outcome.FAILED, 400, f"400 unlike {word}")

    tracemalloc.start()
    add(0, 10_000)
    before = tracemalloc.get_traced_memory()[0]
    add(10_000, 30_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000
    first, second = causes.groups(2)
    assert (first.message, first.count) == ("other errors, all different", 30_000 - MOST_CAUSES)
    assert second.count == 1


@given(st.lists(st.text(max_size=60), min_size=1, max_size=20))
def test_every_row_is_in_exactly_one_group_whatever_the_sentences_are(errors: list[str]) -> None:
    causes = Causes()
    numbers = [causes.add(key, "", Outcome.FAILED, None, error).number for key, error in enumerate(errors)]
    found = {cause.number: cause for cause in causes.largest(99)}
    assert sum(cause.count for cause in found.values()) == len(errors)
    for number, error in zip(numbers, errors, strict=True):
        fixed = found[number].message.split("…")
        assert all(part in error for part in fixed if "…" not in error)
