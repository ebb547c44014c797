"""What is pulled and read again is the same: values by their field's type, and nothing counts as edited."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate.config import Input, Secrets
from batchupdate.config.yaml_file import parse
from batchupdate.reader import open_table
from batchupdate.roundtrip.pull.cell_writer import CellWriter
from batchupdate.roundtrip.sheet import Columns, Form, open_sheet
from batchupdate.targets import Record, Target
from batchupdate.util.json import dumps, exact
from batchupdate.validator import Validator, map_columns
from batchupdate.validator.checks.suspicious_text import trimmed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TARGET = parse(
    rb"""
name: mine
title: Mine
path: /a/{key}
auth: {scheme: none}
id: {key: {}}
fields:
  text: {nullable: true}
  whole: {type: integer, nullable: true}
  number: {type: number}
  flag: {type: boolean}
  day: {type: date}
  moment: {type: datetime}
  kind: {type: enum, enum: [low, "high, or so", "=x"]}
  tags: {type: list}
  sizes: {type: list, separator: ";", items: {type: integer}}
  extra: {type: json, nullable: true}
  address.city: {}
  locked: {}
list:
  path: /a
  absent: []
  fixed: [{when: 'false', because: never}]
""",
    Target,
    "target",
    "t.yaml",
)
NASTY = ["=1+1", "'=1", "'", "-x", "@a", "007", " a ", "\t", "a\nb", "a\r\nb", "a\rb", '"', ",", "_x0041_", "NA",
         "TRUE", "1e5", "<b>&", "\x01", "a\u2028b", "😀", "null", "  "]  # fmt: skip
# What can't be seen at the ends of a cell is left out by the validator, wherever the cell comes from.
TEXTS = (st.sampled_from(NASTY) | st.text(max_size=12)).filter(lambda text: trimmed(text) == text)
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(
    lambda each: exact(str(each))
)
JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
DAYS = st.dates().map(str)
MOMENTS = st.datetimes().map(lambda each: each.replace(microsecond=0).isoformat()) | st.just(
    "2026-11-21T18:45:00.123456Z"
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXTS | st.none(),
        "whole": st.integers() | st.none() | st.just(10**400),
        "number": NUMBERS,
        "flag": st.booleans(),
        "day": DAYS,
        "moment": MOMENTS,
        "kind": st.sampled_from(["low", "high, or so", "=x"]),
        "tags": st.lists(TEXTS, max_size=3),
        "sizes": st.lists(st.integers(), max_size=3),
        "extra": JSON,
        "address.city": TEXTS,
        "locked": TEXTS,
    },
)


def sheet(path: Path, form: Form, records: Sequence[Record]) -> CellWriter:
    columns = Columns.pulled(TARGET, "mine")
    texts = CellWriter(columns, form, Input())
    with open_sheet(path, form, columns) as writing:
        for found in records:
            writing.add(texts.row(found))
    return texts


def read(path: Path, edit: str = "") -> tuple[list[dict[str, str]], list[Any], int]:
    """The cells of every row, what each would send, and how many are unchanged since the pull."""
    with open_table(path) as table:
        layout = map_columns(table.columns, TARGET, Input())
        rows = [row for batch in table.batches() for row in batch]
        assert layout.ignored == ()
        assert [notice for notice in table.notices if "read" in notice or "header" in notice] == []
        if edit:  # as if it had never been pulled: every cell counts
            keep = [place for place, name in enumerate(table.columns) if not name.startswith(("_old.", "_locked"))]
            rows = [row._replace(cells=tuple(row.cells[place] for place in keep)) for row in rows]
            layout = map_columns([table.columns[place] for place in keep], TARGET, Input())
        checked = Validator(TARGET, layout, Secrets(), "lenient").check(rows)
        cells = [dict(zip(table.columns, row.cells, strict=False)) for row in rows]
        return cells, list(checked.records), checked.untouched


@pytest.mark.slow
@pytest.mark.parametrize("form", list(Form))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(VALUES, min_size=1, max_size=4),
    start=st.sampled_from(["k", "007", "=1", "'=1", "'007", "''", "\t", "1/", "-", "'", "1e5", "tru", " "]),
)
def test_what_was_pulled_is_unchanged_and_gives_the_same_values(
    tmp_path: Path, form: Form, records: list[dict[str, Any]], start: str
) -> None:
    path = tmp_path / f"out.{form}"
    sheet(path, form, [Record((f"{start}{number}",), values, "") for number, values in enumerate(records)])
    cells, _, untouched = read(path)
    assert untouched == len(cells) == len(records)
    _, sent, _ = read(path, edit="all")
    for values, got in zip(records, sent, strict=True):
        for name, value in (got or {}).items():
            assert dumps(value) == dumps(values[name]), name


@pytest.mark.parametrize("form", list(Form))
def test_every_value_that_can_be_sent_comes_back(tmp_path: Path, form: Form) -> None:
    values = {
        "text": "=1+1",
        "whole": 12345678901234567890,
        "number": exact("1.10"),
        "flag": False,
        "day": "2026-11-21",
        "moment": "2026-11-21T18:45:00+01:00",
        "kind": "high, or so",
        "tags": ["a b", "c"],
        "sizes": [1, -2],
        "extra": {"a": [exact("1.10"), None, "x"]},
        "address.city": "Ulm",
        "locked": "'-x",
    }
    texts = sheet(tmp_path / f"out.{form}", form, [Record(("007",), values, "")])
    cells, sent, _ = read(tmp_path / f"out.{form}", edit="all")
    assert texts.unwritable == 0
    assert cells[0]["key"] == "007"
    assert dumps(sent[0]) == dumps(values)


@pytest.mark.parametrize("form", list(Form))
def test_null_and_empty_are_told_apart_by_their_old_cells(tmp_path: Path, form: Form) -> None:
    sheet(tmp_path / f"out.{form}", form, [Record(("1",), {"text": None, "tags": [], "address.city": ""}, "")])
    ((row, *_), _, untouched) = read(tmp_path / f"out.{form}")
    assert [row[name] for name in ("text", "tags", "address.city", "whole")] == ["", "", "", ""]
    old = [row[f"_old.{name}"] for name in ("text", "tags", "address.city", "whole")]
    assert old == ["<null>", "<empty>", "<empty>", ""]
    assert untouched == 1


@pytest.mark.parametrize(
    ("form", "values"),
    [
        (Form.CSV, {"text": "a\0"}),
        (Form.CSV, {"text": "\ud800"}),
        (Form.CSV, {"text": "x" * 131_073}),
        (Form.XLSX, {"text": "x" * 32_768}),
        (Form.XLSX, {"text": "\ufffe"}),
        (Form.JSONL, {"text": "\0"}),
        (Form.CSV, {"text": "<null>"}),
        (Form.CSV, {"text": "<empty>"}),
        (Form.CSV, {"tags": ["a,b"]}),
        (Form.CSV, {"tags": [" a"]}),
        (Form.CSV, {"tags": [""]}),
        (Form.CSV, {"tags": [1]}),
        (Form.CSV, {"tags": [{"a": 1}]}),
        (Form.CSV, {"extra": "\ud800"}),
    ],
)
def test_what_no_cell_can_hold_is_counted_and_left_blank(form: Form, values: dict[str, Any]) -> None:
    texts = CellWriter(Columns.pulled(TARGET, "mine"), form, Input())
    row = texts.row(Record(("k",), values, ""))
    assert (texts.unwritable, set(row.cells), set(row.old)) == (1, {""}, {""})
    assert texts.first_unwritable == f"{next(iter(values))} of k"


def test_a_marker_of_the_users_own_is_no_value() -> None:
    texts = CellWriter(Columns.pulled(TARGET, "mine"), Form.CSV, Input(null_marker="-"))
    assert set(texts.row(Record(("k",), {"text": "-"}, "")).cells) == {""}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("text", 5, "5"), ("text", {"a": 1}, '{"a":1}'), ("whole", "x", "x"), ("flag", 1, "1"), ("day", True, "true"),
     ("tags", "a", "a"), ("whole", exact("5.0"), "5.0")],
)  # fmt: skip
def test_a_value_of_another_type_is_shown_as_it_is(name: str, value: object, text: str) -> None:
    texts = CellWriter(Columns.pulled(TARGET, "mine"), Form.CSV, Input())
    row = texts.row(Record(("k",), {name: value}, ""))
    assert set(row.cells) == {"", text}
    assert texts.unwritable == 0


def test_json_lines_hold_numbers_as_numbers_and_dotted_fields_as_objects(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    values = {"number": exact("1.10"), "flag": True, "whole": 7, "address.city": "Ulm", "text": "7"}
    sheet(path, Form.JSONL, [Record(("1",), values, "why")])
    text = path.read_text("utf-8")
    assert '"number": 1.10, "flag": true' in text
    record = json.loads(text)
    assert (record["whole"], record["text"], record["address"]) == (7, "7", {"city": "Ulm"})
    assert (record["_old"]["address"], record["_locked"]) == ({"city": "Ulm"}, "why")
