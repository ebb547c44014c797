"""Rows are matched with the one record that they mean, or stopped: never a wrong id."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config import Input, Secrets
from batchupdate.engine.matching.record_index import RecordIndex
from batchupdate.model import Row
from batchupdate.targets import FieldRule, find_target
from batchupdate.validator import Validator, map_columns
from batchupdate.validator.matches import Candidate, KeyField, key_of
from batchupdate.validator.pulled_cells import PulledCell
from batchupdate.validator.types import RefusedError, parser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.validator.matches import Key, Match

TARGET = find_target("langdock-integration")
NAMES = st.one_of(
    st.text(st.sampled_from(["a", "A", "b", " ", "é", "e", "\u0301", "ß", "\x00", "\ud800", '"', "\\"]), max_size=4),
    st.sampled_from(["Sales", "sales", "Sales ", "Sale", "Slaes", "<null>", "<empty>"]),
)


class Records:
    """An index of integrations with these names; the ids count them."""

    def __init__(self, names: Sequence[Any]) -> None:
        self.index = RecordIndex()
        self.ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(len(names))]
        fields = [KeyField("name", TARGET.fields["name"])]
        keys = ((one, key_of(fields, {"name": name})) for one, name in zip(self.ids, names, strict=True))
        self.index.add([(one, Candidate((one,), key, "")) for one, key in keys if key])

    def find(self, keys: Sequence[Key]) -> list[Match]:
        return [self.index.match(key) for key in keys]


def plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


@given(st.lists(NAMES, max_size=12), st.lists(NAMES, min_size=1, max_size=8))
def test_every_row_gets_the_id_of_the_only_record_that_it_means_or_a_problem(
    names: list[str], cells: list[str]
) -> None:
    records = Records(names)
    columns = map_columns(["old name", "name"], TARGET, Input(match={"name": None}))
    validator = Validator(TARGET, columns, Secrets(), finder=records)
    checked = validator.check([Row(number, (cell, "new")) for number, cell in enumerate(cells, 2)])
    times = Counter(map(plain, names))
    codes = {problem.row: problem.code for problem in checked.problems}
    for row, ids, record in zip(checked.rows, checked.ids, checked.records, strict=True):
        wanted = plain(row.cells[0])
        if wanted and times[wanted] == 1:
            assert ids == (records.ids[[*map(plain, names)].index(wanted)],)
            assert record == {"name": "new"}
        else:
            code = "blank_match" if not wanted else "several_matches" if times[wanted] else "no_match"
            assert (ids, record, codes[row.number]) == (None, None, code)


RULES = [
    FieldRule(type="integer"),
    FieldRule(type="number"),
    FieldRule(type="boolean"),
    FieldRule(type="date"),
    FieldRule(type="datetime", timezone="Europe/Berlin"),
    FieldRule(type="enum", enum=("Red", "green"), ignore_case=True),
]
TEXTS = st.sampled_from(
    [
        *("0", "-0", "12", "012", "+12", "12.0", "12.50", "12.5", "125e-1", "1e60", "10e59", "0.1", "1e-60"),
        *("true", "yes", "1", "no", "2026-11-29", "2026-11-29T08:00:00Z", "2026-11-29T09:00:00+01:00"),
        *("2026-11-29T09:00:00", "red", "Red", "GREEN", "x", "0001-01-01T00:00:00+14:00"),
    ]
)


@given(st.sampled_from(RULES), TEXTS, TEXTS)
def test_typed_cells_match_values_that_mean_the_same_and_no_others(rule: FieldRule, cell: str, text: str) -> None:
    parse, field = parser("f", rule), KeyField("f", rule)
    assert parse is not None
    try:
        wanted, value = parse(cell), parse(text)
    except RefusedError:
        return
    assert (field.of_cell(cell) == field.of_value(value)) == PulledCell("f", rule).equal(wanted, value)


@pytest.mark.parametrize("value", [None, "", "  ", [], ["Sales"], {"a": 1}])
def test_no_cell_means_a_record_without_a_value(value: Any) -> None:
    assert key_of([KeyField("name", FieldRule())], {"name": value}) is None


def test_of_a_long_list_those_with_the_same_beginning_are_near() -> None:
    records = Records([f"Team {number}" for number in range(3000)] + ["Slack Sales"])
    (match,) = records.find([("Slack Slaes",)])
    assert match.nearest is not None
    assert match.nearest.key == ("Slack Sales",)


def test_of_many_candidates_five_are_named_and_all_counted() -> None:
    (match,) = Records(["Twin"] * 9).find([("Twin",)])
    assert (match.count, len(match.candidates)) == (9, 5)
