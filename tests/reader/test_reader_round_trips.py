"""Any table of any text, written by somebody else's writer, comes back cell by cell the same."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING

import openpyxl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from workbooks import book, ods, xlsb

from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = ["id", "name", "note"]

# Lone surrogates are no characters, and NUL is refused in every format.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
# XML can't hold the two non-characters, nor control characters but these (XML 1.0, section 2.2).
xml_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.just("\n"), max_size=12
)
# In an .ods, tabs are elements of their own, and other control characters can't be.
ods_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\n\t"),
    max_size=12,
)
# openpyxl does not mark white space alone as to be kept, which Excel then drops, too.
openpyxl_text = xml_text.filter(lambda cell: not cell or bool(cell.strip()))
# Excel writes control characters as _x0001_, and so do XlsxWriter and calamine, if not openpyxl.
excel_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffe\uffff"), max_size=12)


def as_csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def as_gzip(rows: list[list[str]]) -> bytes:
    return gzip.compress(as_csv(rows))


def as_xlsx(rows: list[list[str]]) -> bytes:
    return book(("s", rows))


def as_openpyxl(rows: list[list[str]]) -> bytes:
    made = openpyxl.Workbook()
    for number, cells in enumerate(rows, 1):
        for place, cell in enumerate(cells, 1):
            made.active.cell(number, place).value = cell
            made.active.cell(number, place).data_type = "s"
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def as_jsonl(rows: list[list[str]]) -> bytes:
    return "".join(json.dumps(dict(zip(rows[0], cells, strict=True))) + "\n" for cells in rows[1:]).encode()


def as_plain_jsonl(rows: list[list[str]]) -> bytes:
    records = [dict(zip(rows[0], cells, strict=True)) for cells in rows[1:]]
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def as_parquet(rows: list[list[str]]) -> bytes:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415 - an extra

    out = io.BytesIO()
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(rows[0])
    parquet.write_table(pa.table([pa.array(column, pa.string()) for column in columns], names=rows[0]), out)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write", "cells", "examples"),
    [
        ("t.csv", as_csv, text, 150),
        ("t.csv.gz", as_gzip, text, 50),
        ("t.xlsx", as_xlsx, excel_text, 60),
        ("u.xlsx", as_openpyxl, openpyxl_text, 30),
        ("t.jsonl", as_jsonl, text, 150),
        ("u.jsonl", as_plain_jsonl, text, 150),
        ("t.ods", ods, ods_text, 15),
        ("t.xlsb", xlsb, text, 15),
        ("t.parquet", as_parquet, text, 8),
    ],
)
def test_any_table_of_any_text_comes_back_the_same(
    tmp_path: Path,
    name: str,
    write: Callable[[list[list[str]]], bytes],
    cells: st.SearchStrategy[str],
    examples: int,
) -> None:
    path = tmp_path / name
    first = 1 if name.endswith(("jsonl", "parquet")) else 2

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=5))
    def comes_back(rows: list[list[str]]) -> None:
        assume("\ufeff" not in "".join(map("".join, rows)) or not name.startswith("t.csv"))
        path.write_bytes(write([HEADER, *rows]))
        with open_table(path) as table:
            assert table.columns == tuple(HEADER)
            got = {row.number: row.cells for batch in table.batches() for row in batch}
        assert got == {n: tuple(cells) for n, cells in enumerate(rows, first) if "".join(cells).strip()}

    comes_back()


def test_an_ods_with_a_forgotten_repetition_of_cells_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.ods"
    cells = '<table:table-cell table:number-columns-repeated="16384"/>'
    blank = f'<table:table-row table:number-rows-repeated="1048570">{cells}</table:table-row>'
    path.write_bytes(ods([HEADER, ["1", "A", "x"]], blank))
    with open_table(path) as table:
        assert [row.cells for batch in table.batches() for row in batch] == [("1", "A", "x")]
