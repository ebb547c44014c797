from __future__ import annotations

import sqlite3
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config import Input, Secrets
from batchupdate.model import Row, RowLabels, RowRef
from batchupdate.targets import find_target
from batchupdate.targets.precondition import Pulled
from batchupdate.validator import DuplicateFinder, Sighting, Validator, map_columns
from batchupdate.validator.duplicates import differing_problems, duplicate_problem, merge

KEYS = st.sampled_from(
    ["a", "A", "b", "007", "7", "1e5", "100000", "ä", "😀", "a\x1fb", "'; --", "null", ""]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)


@given(st.lists(st.lists(st.tuples(KEYS, st.booleans()), max_size=8), max_size=4), st.integers(0, 20))
def test_the_finder_finds_what_a_dictionary_would(batches: list[list[tuple[str, bool]]], held: int) -> None:
    rows: dict[str, list[Sighting]] = defaultdict(list)
    number = 1
    with DuplicateFinder(held) as finder:
        for batch in batches:
            sightings = []
            for key, valid in batch:
                number += 1
                sightings.append(Sighting(key, number, valid))
                rows[key].append(sightings[-1])
            finder.add(sightings)
        found = list(finder.groups())
    assert sorted(found) == sorted(group for group in rows.values() if len(group) > 1)


def test_keys_that_differ_only_in_how_numbers_are_written_are_two() -> None:
    with DuplicateFinder() as finder:
        finder.add([Sighting("007", 2, valid=True), Sighting("7", 3, valid=True), Sighting("7.0", 4, valid=True)])
        assert list(finder.groups()) == []


def test_what_goes_wrong_behind_is_told() -> None:
    finder = DuplicateFinder(0)
    with finder:
        pass
    with pytest.raises((sqlite3.ProgrammingError, RuntimeError)):
        finder.add([Sighting("a", 2, valid=True)])


@pytest.mark.parametrize(
    ("target", "one", "other", "same"),
    [
        (
            "langdock-integration",
            "550E8400-E29B-41D4-A716-446655440000",
            "550e8400-e29b-41d4-a716-446655440000",
            True,
        ),
        (
            "langdock-integration",
            "550e8400-e29b-41d4-a716-446655440000",
            "550e8400-e29b-41d4-a716-446655440001",
            False,
        ),
        ("nairi-llm-integration", "ai_01KFRX8K1CKQGCV2W5J9C9Z37H", "01KFRX8K1CKQGCV2W5J9C9Z37H", True),
        ("nairi-llm-integration", "ai_01KFRX8K1CKQGCV2W5J9C9Z37H", "ai_01kfrx8k1ckqgcv2w5j9c9z37h", True),
        ("nairi-llm-integration", "01KFRX8K1CKQGCV2W5J9C9Z37H", "01KFRX8K1CKQGCV2W5J9C9Z37J", False),
    ],
)
def test_two_spellings_of_one_id_are_one_record(target: str, one: str, other: str, *, same: bool) -> None:
    declared = find_target(target)
    validator = Validator(declared, map_columns(["id", "name"], declared, Input()), Secrets())
    checked = validator.check([Row(2, (one, "x")), Row(3, (other, "y"))])
    with DuplicateFinder() as finder:
        finder.add(checked.sightings())
        groups = [[sighting.row for sighting in group] for group in finder.groups()]
    assert groups == ([[2, 3]] if same else [])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([2, 3], "the same record is in row 3, too; keep one of them, or combine them with -"),
        ([2, 3, 4], "the same record is in rows 3, 4, too; keep one of th"),
        ([2, 3, 4, 5, 6, 7], "the same record is in rows 3, 4, 5, 6, 7, too; keep one of th"),
        ([2, 3, 4, 5, 6, 7, 8, 9], "the same record is in rows 3, 4, 5, 6, 7 and 2 more, too; keep one of th"),
    ],
)
def test_a_duplicate_is_told_with_the_other_rows_and_the_way_out(rows: list[int], said: str) -> None:
    problem = duplicate_problem(2, [Sighting("k", row, valid=True) for row in rows], "ID")
    assert (problem.code, problem.row, problem.column) == ("duplicate_id", 2, "ID")
    assert problem.message.startswith(said)
    assert problem.message.endswith(" them with --on-duplicate last or --on-duplicate merge")


def test_a_duplicate_in_another_file_is_told_with_that_file() -> None:
    rows = [2, RowRef(1, 2).key, RowRef(1, 3).key]
    group = [Sighting("k", row, valid=True) for row in rows]
    problem = duplicate_problem(rows[1], group, "ID", RowLabels(("a.csv", "b.csv")))
    assert problem.message.startswith("the same record is in a.csv row 2, b.csv row 3, too; keep one of th")


GROUP = [Sighting("k", row, valid=True) for row in (2, 3, 5)]


def test_merged_rows_are_sent_with_the_last_of_them_and_what_a_later_row_sets_stands() -> None:
    made = merge(GROUP, [{"name": "A", "note": None}, {"name": "B"}, {"tags": ["x"]}])
    assert (made.carrier, made.carried) == (5, [2, 3])
    assert made.fields == {"name": "B", "note": None, "tags": ["x"]}
    assert not made.known
    assert merge(GROUP, [{"name": "A"}, None, {"name": "C"}]).fields == {"name": "C"}


@pytest.mark.parametrize(
    ("versions", "version"), [(["v1", "v1", "v1"], "v1"), (["v1", "v2", "v1"], ""), (["v1", "", ""], "")]
)
def test_merged_rows_keep_the_version_of_their_record_only_if_all_have_the_same(
    versions: list[str], version: str
) -> None:
    known = [Pulled(one, {"name": f"old {number}"}) for number, one in enumerate(versions)]
    made = merge(GROUP, [{"name": "A"}] * 3, known)
    assert made.known == Pulled(version, {"name": "old 2"})


def test_merged_rows_that_expect_the_same_or_nothing_of_a_field_agree_and_others_are_each_a_problem() -> None:
    known = [Pulled(expected={"name": "A", "note": "x"}), Pulled(expected={"name": "A"}), Pulled()]
    made = merge(GROUP, [{"name": "B"}] * 3, known)
    assert (made.differing, made.known.expected) == ([], {"name": "A", "note": "x"})
    differing = merge(GROUP, [{"name": "B"}] * 3, [*known[:2], Pulled(expected={"name": "C", "note": "x"})]).differing
    assert differing == ["name"]
    problems = differing_problems(GROUP, differing, "ID")
    assert [(one.row, one.code, one.column) for one in problems] == [
        (row, "differing_expectations", "ID") for row in (2, 3, 5)
    ]
    assert problems[0].message == "rows 2, 3, 5 for the same record expect different values of name; keep one of them"
