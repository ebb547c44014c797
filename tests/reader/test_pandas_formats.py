"""Files of every format that comes as DataFrames, each written by pandas or by the format's own library."""

from __future__ import annotations

import datetime as dt
import io
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
from pyarrow import feather, orc, parquet

from batchupdate.reader import ReadOptions, open_table
from batchupdate.spreadsheet.typed_text import FloatText

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[dict[str, Any]], Path]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes long to start the process in which a file is tried."""
    monkeypatch.setattr("batchupdate.reader.probe.MIN_SECONDS", 120)


@pytest.fixture(params=["parquet", "feather", "orc"])
def arrow(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    def write(columns: dict[str, Any]) -> Path:
        path, table = tmp_path / f"a.{request.param}", pa.table(columns)
        match request.param:
            case "parquet":
                parquet.write_table(table, path, row_group_size=2)
            case "feather":
                feather.write_feather(table, path, chunksize=2)
            case _:
                orc.write_table(table, path)
        return path

    return write


VALUES = [
    (pa.array([2**63 - 1]), "9223372036854775807"),
    (pa.array([0.1], pa.float32()), "0.1"),
    (pa.array([123.0]), "123"),
    (pa.array([True]), "TRUE"),
    (pa.array([Decimal("1.10")]), "1.10"),
    (pa.array([dt.date(2026, 11, 21)]), "2026-11-21"),
    (pa.array([0], pa.timestamp("ns")), "1970-01-01"),
    (pa.array([1_500_000_001], pa.timestamp("ns")), "1970-01-01T00:00:01.500000001"),
    (pa.array([["a", None]]), '["a", null]'),
    (pa.array([float("nan")]), ""),
    (pa.array([None], pa.int64()), ""),
    (pa.array(["NA"]), "NA"),
]
NOT_IN_ORC = [
    (pa.array([1], pa.timestamp("s", tz="Europe/Berlin")), "1970-01-01T00:00:01Z"),
    (pa.array([dt.time(7, 5)]), "07:05:00"),
    (pa.array([dt.timedelta(hours=30)]), "30:00:00"),
    (pa.array(["x"]).dictionary_encode(), "x"),
    (pa.array(["x"], pa.large_string()), "x"),
    (pa.array([Decimal("1E+5")]), "100000"),
    (pa.nulls(1), ""),
]


def test_a_value_becomes_the_text_that_the_guide_says(read: Callable[..., Any], arrow: Write) -> None:
    columns = {f"v{number}": value for number, (value, _) in enumerate(VALUES)}  # every file is tried in a new process
    assert read(arrow({"id": ["1"], **columns})).cells == [("1", *(text for _, text in VALUES))]


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_so_does_a_value_that_orc_does_not_know(read: Callable[..., Any], tmp_path: Path, name: str) -> None:
    columns = {f"v{number}": value for number, (value, _) in enumerate(NOT_IN_ORC)}
    write: Callable[..., None] = parquet.write_table if name == "a.parquet" else feather.write_feather
    write(pa.table({"id": ["1"], **columns}), tmp_path / name)
    assert read(tmp_path / name).cells == [("1", *(text for _, text in NOT_IN_ORC))]


def test_rows_are_counted_from_1_and_whole_numbers_beside_blanks_stay_whole(
    read: Callable[..., Any], arrow: Write
) -> None:
    got = read(arrow({"id": ["007", "8", "9"], "n": pa.array([1, None, 2**53 + 1])}), size=2)
    assert got.columns == ("id", "n")
    assert [(row.number, row.cells) for row in got.rows] == [
        (1, ("007", "1")),
        (2, ("8", "")),
        (3, ("9", "9007199254740993")),
    ]


def test_nested_columns_are_dotted(read: Callable[..., Any], arrow: Write) -> None:
    got = read(arrow({"id": ["1"], "a": [{"b": {"c": 1}, "d": "x"}]}))
    assert got.columns == ("id", "a.b.c", "a.d")
    assert got.cells == [("1", "1", "x")]


def test_only_floating_point_numbers_are_marked(read: Callable[..., Any], arrow: Write) -> None:
    ((number, whole, text),) = read(arrow({"f": [7.0], "n": [7], "s": ["7.0"]})).cells
    assert [number, whole, text] == ["7", "7", "7.0"]
    assert [type(cell) is FloatText for cell in (number, whole, text)] == [True, False, False]


def test_infinity_is_a_problem_of_its_row(arrow: Write) -> None:
    with open_table(arrow({"id": ["a", "b"], "n": [1.5, float("inf")]}), ReadOptions()) as table:
        problems = [problem for batch in table.batches() for problem in batch.problems]
    assert [(problem.code, problem.row, problem.column) for problem in problems] == [("infinite_number", 2, "n")]


def test_a_column_of_bytes_is_refused_by_name(refused: Callable[..., str], arrow: Write) -> None:
    assert "the column 'v' holds binary" in refused(arrow({"id": ["1"], "v": [b"x"]}))


@pytest.mark.parametrize("kept", [8, 50, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(refused: Callable[..., str], arrow: Write, kept: float) -> None:
    path = arrow({"id": ["1"] * 99})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    assert "is a damaged" in refused(path)


def test_a_file_is_not_in_memory_as_a_whole(arrow: Write) -> None:
    with open_table(arrow({"id": ["a", "b", "c"]}), ReadOptions()) as table:
        first = next(table.batches(1))
    assert [row.cells for row in first] == [("a",)]


PEOPLE = pd.DataFrame(
    {
        "id": ["007", "8", "NA"],
        "n": [1, None, 3],
        "f": [1.5, None, 2.0],
        "day": pd.to_datetime(["2026-11-21", None, "2026-11-22"]),
    }
)


def stata(path: Path) -> None:
    PEOPLE.astype({"n": "Int32"}).to_stata(path, write_index=False)


def spss(path: Path) -> None:
    pyreadstat.write_sav(PEOPLE, path)


def sas(path: Path) -> None:
    pyreadstat.write_xport(PEOPLE, path, file_format_version=5)


def new_sas(path: Path) -> None:
    pyreadstat.write_xport(PEOPLE, path, file_format_version=8)


STATISTICS = [(stata, "a.dta"), (spss, "a.sav"), (sas, "a.xpt"), (new_sas, "b.xpt")]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of pyreadstat's own writers
@pytest.mark.parametrize(("write", "name"), STATISTICS)
def test_files_of_statistics_programs_are_read(
    read: Callable[..., Any], tmp_path: Path, write: Callable[[Path], None], name: str
) -> None:
    write(tmp_path / name)
    got = read(tmp_path / name, size=2)
    assert got.columns == ("id", "n", "f", "day")
    assert got.cells == [
        ("007", "1", "1.5", "2026-11-21"),
        ("8", "", "", ""),
        ("NA", "3", "2", "2026-11-22"),
    ]
    assert type(got.cells[0][1]) is str
    assert type(got.cells[0][2]) is FloatText


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(("write", "name"), STATISTICS)
def test_such_a_file_that_is_cut_off_is_refused(
    refused: Callable[..., str], tmp_path: Path, write: Callable[[Path], None], name: str
) -> None:
    write(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 3])
    assert "is a damaged" in refused(tmp_path / name)


def test_a_table_that_sas_itself_wrote_is_read(read: Callable[..., Any], data: Path) -> None:
    got = read(data / "sample.sas7bdat.gz")  # of pyreadstat's own tests (Apache License 2.0): no library writes these
    assert got.columns == ("mychar", "mynum", "mydate", "dtime", "mylabl", "myord", "mytime")
    assert got.cells[0] == ("a", "1.1", "2018-05-06", "2018-05-06T10:10:10", "1", "1", "10:10:10")
    assert got.cells[4] == ("e", "1000.3", "", "", "1", "1", "")
    assert [type(cell) is FloatText for cell in got.cells[0]] == [False, True, False, False, False, False, False]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_value_with_a_label_is_its_label(read: Callable[..., Any], tmp_path: Path) -> None:
    pyreadstat.write_sav(
        pd.DataFrame({"id": ["a"], "team": [1.0]}), tmp_path / "a.sav", variable_value_labels={"team": {1.0: "Sales"}}
    )
    pd.DataFrame({"id": ["a"], "team": pd.Categorical(["Sales"])}).to_stata(tmp_path / "a.dta", write_index=False)
    assert read(tmp_path / "a.sav").cells == [("a", "Sales")]
    assert read(tmp_path / "a.dta").cells == [("a", "Sales")]


@pytest.mark.parametrize(
    ("write", "name", "library", "extra"),
    [
        (lambda path: parquet.write_table(pa.table({"id": ["1"]}), path), "a.parquet", "pyarrow", "parquet"),
        (stata, "a.dta", "pyreadstat", "formats"),
        (lambda path: path.write_text("<table><tr><td>1</td></tr></table>"), "a.html", "lxml", "formats"),
    ],
)
def test_without_its_library_the_extra_is_named(
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    name: str,
    library: str,
    extra: str,
) -> None:
    write(tmp_path / name)
    monkeypatch.setitem(sys.modules, library, None)
    assert f"pip install 'batchupdate[{extra}]'" in refused(tmp_path / name)


@pytest.mark.parametrize("option", ["sheet", "encoding", "delimiter", "widths"])
def test_options_of_other_formats_are_refused(refused: Callable[..., str], arrow: Write, option: str) -> None:
    value = (1,) if option == "widths" else "x"
    assert f"--{option} means nothing" in refused(arrow({"id": ["1"]}), **{option: value})


FIXED = 'id  name      n\n007 "A"\n\n8   NA     1,00\n'


def test_columns_of_fixed_width_are_cut_where_the_user_says(read: Callable[..., Any]) -> None:
    got = read(FIXED, "a.fwf", widths=(4, 7, 5))
    assert (got.columns, got.cells, got.numbers) == (
        ("id", "name", "n", ""),
        [("007", '"A"', "", ""), ("8", "NA", "1,00", "")],
        [2, 4],
    )


def test_what_stands_beyond_the_widths_is_not_lost(read: Callable[..., Any]) -> None:
    assert read("id  name\n7   A    B\n", "a.txt", widths=(4, 5)).cells == [("7", "A", "B")]


def test_without_widths_the_option_is_named(refused: Callable[..., str]) -> None:
    assert "--widths 8,20,5" in refused(FIXED, "a.fwf")


PAGE = """<html><body><table>
<tr><th>id</th><th>name</th><th>n</th></tr>
<tr><td>007</td><td>NA</td><td>1,000</td></tr>
<tr><td>8</td><td></td><td>1.10</td></tr>
</table>{more}</body></html>"""


def test_a_table_of_a_web_page_is_read_as_it_is_seen(read: Callable[..., Any]) -> None:
    got = read(PAGE.format(more=""), "a.html")
    assert (got.columns, got.cells) == (("id", "name", "n"), [("007", "NA", "1,000"), ("8", "", "1.10")])


def test_a_table_with_hidden_cells_is_refused(refused: Callable[..., str]) -> None:
    page = PAGE.format(more="").replace("<td></td>", '<td style="display:none">x</td>')
    assert "hidden cells" in refused(page, "a.html")


def test_the_first_row_has_the_headings_where_none_is_marked(read: Callable[..., Any]) -> None:
    got = read("<table><tr><td>id</td></tr><tr><td>007</td></tr></table>", "a.htm")
    assert (got.columns, got.cells) == (("id",), [("007",)])


def test_of_several_tables_one_has_to_be_chosen(read: Callable[..., Any], refused: Callable[..., str]) -> None:
    page = PAGE.format(more="<table><tr><th>key</th></tr><tr><td>01</td></tr></table>")
    assert "2 tables, with these headings: '1: id, name, n; 2: key'" in refused(page, "a.html")
    assert read(page, "a.html", sheet="2").cells == [("01",)]
    assert "2 tables" in refused(page, "a.html", sheet="3")


@pytest.mark.parametrize("page", ["<html><body>Log in</body></html>", "<html></html>", "<"])
def test_a_page_without_a_table_is_refused(refused: Callable[..., str], page: str) -> None:
    assert "holds no table" in refused(page, "a.html")


def test_a_page_that_is_not_called_one_is_still_refused(refused: Callable[..., str]) -> None:
    assert "is a web page (HTML), not a table" in refused(PAGE, "a.csv")


XML = """<?xml version="1.0"?>
<rows xmlns="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <row no="1"><id>007</id><name>NA</name><team><lead>Ann</lead></team></row>
  <row no="2"><id>8</id><name xsi:nil="true"/></row>
</rows>"""


def test_each_element_below_the_root_is_a_row(read: Callable[..., Any]) -> None:
    got = read(XML, "a.xml", size=1)
    assert got.columns == ("no", "id", "name", "team.lead")
    assert got.cells == [("1", "007", "NA", "Ann"), ("2", "8", "", "")]


def test_what_pandas_wrote_as_xml_is_read(read: Callable[..., Any], tmp_path: Path) -> None:
    pd.DataFrame({"id": ["007"], "n": [1]}).to_xml(tmp_path / "a.xml", index=False)
    assert read(tmp_path / "a.xml").cells == [("007", "1")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (XML[:200], "damaged XML"),
        ("<rows><a><id>1</id></a><b><id>2</id></b></rows>", "elements of several kinds, 'a' and 'b'"),
        ("<rows><a><id>1</id><id>2</id></a></rows>", "row 1: 'id' stands in it twice"),
        ("<rows/>", "is empty"),
        (
            '<!DOCTYPE r [<!ENTITY a "xxxxxxxxxx">'
            + "".join(
                f'<!ENTITY {one} "{f"&{before};" * 10}">' for before, one in zip("abcdefgh", "bcdefghi", strict=True)
            )
            + "]><r><a><id>&i;</id></a></r>",
            "damaged XML",
        ),
        ('<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r><a><id>&a;</id></a></r>', "damaged XML"),
    ],
)
def test_xml_that_is_no_table_is_refused(refused: Callable[..., str], text: str, sentence: str) -> None:
    assert sentence in refused(text, "a.xml")


def test_a_number_of_numpy_has_its_shortest_text(read: Callable[..., Any], tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"], "n": np.array([0.1], "float32")}).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").cells == [("a", "0.1")]


def test_a_file_in_memory_is_what_pandas_writes(read: Callable[..., Any]) -> None:
    out = io.BytesIO()
    pd.DataFrame({"id": ["a"], "when": pd.to_datetime(["2026-11-21T10:00+01:00"])}).to_parquet(out)
    assert read(out.getvalue(), "a.parquet").cells == [("a", "2026-11-21T09:00:00Z")]
