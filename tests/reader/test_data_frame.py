"""DataFrames as inputs: what each value becomes, what is a column, and where problems stand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions, Table
from batchupdate.reader.column_text import column_texts
from batchupdate.reader.multi_file import open_tables
from batchupdate.reader.sources import local_copies
from batchupdate.spreadsheet.reserved_columns import RESULT_COLUMNS
from batchupdate.spreadsheet.typed_text import FloatText

BERLIN = "Europe/Berlin"
FIRST, LAST = (pd.Timestamp(year, 1, 1).to_pydatetime() for year in (1900, 2200))


def texts(values: Any, dtype: Any = None) -> list[str]:
    found, refused = column_texts(pd.Series(values, dtype=dtype))
    assert not refused
    assert all(isinstance(text, str) for text in found)
    return list(found)


def arrow(kind: pa.DataType) -> pd.ArrowDtype:
    return pd.ArrowDtype(kind)


@pytest.mark.parametrize(
    ("values", "dtype", "wanted"),
    [
        (["007", "NA", " a ", None], "str", ["007", "NA", " a ", ""]),
        (["007", None, pd.NA, np.nan], object, ["007", "", "", ""]),
        (["007", None], "string", ["007", ""]),
        ([1, -2, 2**63 - 1], "int64", ["1", "-2", "9223372036854775807"]),
        ([2**64 - 1], "uint64", ["18446744073709551615"]),
        ([1, None, 2**53 + 1], "Int64", ["1", "", "9007199254740993"]),
        ([1, None], arrow(pa.int64()), ["1", ""]),
        ([2**70, 7], object, ["1180591620717411303424", "7"]),
        ([1.5, np.nan, 7.0, -0.0, 1e22, 0.1], "float64", ["1.5", "", "7", "0", "1e+22", "0.1"]),
        ([0.1, None], "Float32", ["0.1", ""]),
        ([0.1], "float16", ["0.1"]),
        ([0.1, None], arrow(pa.float32()), ["0.1", ""]),
        ([True, False], "bool", ["TRUE", "FALSE"]),
        ([True, None], "boolean", ["TRUE", ""]),
        ([Decimal("1.10"), Decimal("1E5"), Decimal("NaN")], object, ["1.10", "100000", ""]),
        (["b", None, "a"], "category", ["b", "", "a"]),
        ([7, None], pd.CategoricalDtype([7]), ["7", ""]),
        (
            [dt.date(2026, 11, 21), dt.time(7, 5), dt.timedelta(hours=30)],
            object,
            ["2026-11-21", "07:05:00", "30:00:00"],
        ),
        ([UUID(int=1)], object, ["00000000-0000-0000-0000-000000000001"]),
        ([[1, None], {"a": Decimal("1.1")}, (1, "x")], object, ["[1, null]", '{"a": "1.1"}', '[1, "x"]']),
        ([np.array([1, 2]), np.int64(3), np.bool_(1), np.float32(0.1)], object, ["[1, 2]", "3", "TRUE", "0.1"]),
        ([np.datetime64("2026-11-21"), pd.NaT, pd.Timedelta(hours=1)], object, ["2026-11-21", "", "01:00:00"]),
        ([{"b": "x"}], arrow(pa.struct([("b", pa.string())])), ['{"b": "x"}']),
    ],
)
def test_a_value_becomes_the_text_that_the_guide_says(values: Any, dtype: Any, wanted: list[str]) -> None:
    assert texts(values, dtype) == wanted


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_iso_8601_and_keep_their_zone(unit: Any) -> None:
    times = pd.Series(pd.to_datetime(["2026-11-21", None, "2026-07-01T10:00:30"], format="ISO8601")).dt.as_unit(unit)
    assert texts(times) == ["2026-11-21", "", "2026-07-01T10:00:30"]
    assert texts(times.dt.tz_localize(BERLIN)) == ["2026-11-21T00:00:00+01:00", "", "2026-07-01T10:00:30+02:00"]
    assert texts(times.dt.tz_localize("UTC")) == ["2026-11-21T00:00:00Z", "", "2026-07-01T10:00:30Z"]
    assert texts(times.dt.tz_localize(BERLIN).astype(object)) == texts(times.dt.tz_localize(BERLIN))


@given(st.lists(st.datetimes(FIRST, LAST), min_size=1), st.booleans())
def test_a_column_of_times_has_the_texts_of_its_values(times: list[dt.datetime], zoned: bool) -> None:
    column = pd.Series(pd.to_datetime(pd.Series(times, dtype="datetime64[us]")))
    if zoned:
        column = column.dt.tz_localize("UTC").dt.tz_convert(BERLIN)
    assert texts(column) == texts(column.astype(object))
    assert [pd.Timestamp(text) for text in texts(column)] == column.tolist()


@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_a_number_is_the_same_number_again(numbers: list[float]) -> None:
    column = texts(pd.Series(numbers, dtype="float64"))
    assert [float(text or "nan") for text in column] == pytest.approx(numbers, abs=0, rel=0, nan_ok=True)
    assert all(text == "" or type(text) is FloatText for text in column)


def test_only_floating_point_numbers_are_marked() -> None:
    frame = pd.DataFrame({"f": [7.0], "i": [7], "s": ["7.0"], "d": [Decimal(7)], "c": pd.Categorical([7.0])})
    marked = [name for name, column in frame.items() if type(column_texts(column)[0][0]) is FloatText]
    assert marked == ["f", "c"]


@pytest.mark.parametrize(
    ("value", "code", "cell"),
    [
        (float("inf"), "infinite_number", "inf"),
        (Decimal("-Infinity"), "infinite_number", "-inf"),
        (b"x", "unreadable_value", "<bytes>"),
        ({1}, "unreadable_value", "<set>"),
        (1 + 2j, "unreadable_value", "<complex>"),
        ([float("nan")], "unreadable_value", "<list>"),
        ({("a",): 1}, "unreadable_value", "<dict>"),
        (object(), "unreadable_value", "<object>"),
        ("a\0", "unreadable_value", "a\ufffd"),
        ("a\ud800", "unreadable_value", "a?"),
    ],
)
def test_a_value_without_a_text_is_a_problem_of_its_cell(value: Any, code: str, cell: str) -> None:
    found, refused = column_texts(pd.Series(["a", value, "b"], dtype=object))
    assert [(one.position, one.code, one.cell) for one in refused] == [(1, code, cell)]
    assert found == ["a", cell, "b"]
    assert type(found[1]) is str


def test_a_category_without_a_text_is_a_problem_of_every_row_that_has_it() -> None:
    _, refused = column_texts(pd.Series(pd.Categorical([1.0, np.inf, None, np.inf])))
    assert [one.position for one in refused] == [1, 3]


def table_of(*frames: pd.DataFrame, **options: Any) -> Table:
    with local_copies(list(frames)) as sources:
        return open_tables(sources, ReadOptions(**options))  # type: ignore[return-value] # one frame is a Table


def refused(frame: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        table_of(frame, **options)
    return f"{caught.value.message} {caught.value.hint}"


def cells(table: Table) -> list[tuple[str, ...]]:
    return [row.cells for batch in table.batches(2) for row in batch]


def test_the_first_row_is_row_1_and_a_default_index_is_no_column() -> None:
    table = table_of(pd.DataFrame({"id": ["a", "b", "c"], 7: [1, 2, 3]}))
    assert (table.columns, table.notices) == (("id", "7"), ())
    assert [(row.number, row.cells) for batch in table.batches(2) for row in batch] == [
        (1, ("a", "1")),
        (2, ("b", "2")),
        (3, ("c", "3")),
    ]
    assert table.address(3, 1) == "df.loc[2, 7]"


def test_an_index_with_a_name_is_a_column_and_that_is_said() -> None:
    table = table_of(pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="id")))
    assert (table.columns, cells(table)) == (("id", "n"), [("a", "1"), ("b", "2")])
    assert table.notices == ("The index 'id' is read as a column.",)
    assert [table.address(2, 0), table.address(2, 1), table.address(2, None)] == [
        "df.index[1]",
        "df.loc['b', 'n']",
        "df.loc['b']",
    ]


def test_a_range_index_with_a_name_is_a_column_too() -> None:
    assert cells(table_of(pd.DataFrame({"n": [5]}, index=pd.RangeIndex(3, 4, name="id")))) == [("3", "5")]


def test_an_index_without_a_name_only_says_where_a_problem_is() -> None:
    table = table_of(pd.DataFrame({"n": [1, 2, 3]}).loc[[0, 2]])
    assert (table.columns, cells(table)) == (("n",), [("1",), ("3",)])
    assert "df.index.name = 'id'" in table.notices[0]
    assert table.address(2, 0) == "df.loc[2, 'n']"


def test_the_levels_of_an_index_that_have_names_are_columns() -> None:
    index = pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=[0, "id"])
    table = table_of(pd.DataFrame({"n": [1, 2]}, index=index))
    assert (table.columns, cells(table)) == (("0", "id", "n"), [("x", "1", "1"), ("y", "2", "2")])
    assert table.address(2, 1) == "df.index.get_level_values(1)[1]"
    assert table.address(2, 2) == "df.loc[('y', 2), 'n']"
    half = pd.MultiIndex.from_tuples([("x", 1)], names=[None, "id"])
    assert cells(table_of(pd.DataFrame({"n": [1]}, index=half))) == [("1", "1")]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame({"id": [1]}, index=pd.Index([1], name="id")), "the index and a column are named 'id'"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "have 2 levels (a MultiIndex)"),
        (
            pd.DataFrame([[1]], columns=pd.Index([b"x"], dtype=object)),
            "the name of a column is a value of the type bytes",
        ),
        (pd.DataFrame([[1, 2]], columns=["New name", "new_name"]), "have the same heading"),
        (pd.DataFrame(), "is empty"),
    ],
)
def test_columns_that_cannot_be_headings_are_refused(frame: pd.DataFrame, sentence: str) -> None:
    assert sentence in refused(frame)


@pytest.mark.parametrize("option", ["sheet", "encoding", "delimiter", "header_row", "widths"])
def test_options_of_files_mean_nothing(option: str) -> None:
    assert "means nothing for the DataFrame" in refused(pd.DataFrame({"a": ["x"]}), **{option: 1})


def test_a_frame_without_rows_has_none() -> None:
    assert cells(table_of(pd.DataFrame({"id": []}))) == []


def test_problems_stand_in_their_batch_and_name_the_label() -> None:
    frame = pd.DataFrame({"id": list("abcd"), "n": [1.0, np.inf, 2.0, np.inf]}, index=list("wxyz"))
    batches = list(table_of(frame).batches(3))
    assert [[problem.row for problem in batch.problems] for batch in batches] == [[2], [4]]
    assert batches[1].problems[0].message.startswith("df.loc['z', 'n'] is infinite")


def test_results_of_an_earlier_run_are_read_again_and_their_cells_found() -> None:
    ours = {name: [""] for name in RESULT_COLUMNS[1:]}
    frame = pd.DataFrame({"_row": [1], "name": ["Ann"], **ours, "id": ["007"]})
    table = table_of(frame)
    assert (table.columns, cells(table)) == (("name", "id"), [("Ann", "007")])
    assert [table.address(1, 0), table.address(1, 1)] == ["df.loc[0, 'name']", "df.loc[0, 'id']"]


def test_frames_and_files_can_stand_side_by_side(tmp_path: Any) -> None:
    (tmp_path / "a.csv").write_text("id,n\n007,1\n")
    frame = pd.DataFrame({"n": [2], "id": ["8"]})
    with local_copies([tmp_path / "a.csv", frame]) as sources, open_tables(sources, ReadOptions()) as table:
        assert [row.cells for batch in table.batches() for row in batch] == [("007", "1"), ("8", "2")]
        assert table.labels.names == ("a.csv", "DataFrame 2")
    with pytest.raises(InputError, match="named twice"), local_copies([frame, frame]):
        pass


def digest(frame: pd.DataFrame) -> str:
    with local_copies(frame) as (source,):
        return source.digest()


def test_the_digest_is_that_of_what_is_read() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "n": [1, 2]})
    assert digest(frame) == digest(frame.copy())
    others = [
        frame.rename(columns={"n": "m"}),
        frame.iloc[::-1],
        frame.astype({"n": float}),
        frame.rename_axis(index="row"),
        frame.replace({"a": "c"}),
        frame[["n", "id"]],
    ]
    assert len({digest(frame), *map(digest, others)}) == len(others) + 1
