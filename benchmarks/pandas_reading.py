"""What pandas makes of CSV, workbooks and JSON Lines beside our own readers: speed, and cells that it changes.

    python benchmarks/pandas_reading.py [--rows 100000]

It shows why these three formats keep readers of their own, while all others come through pandas. Each cell of the
second table is what `pandas.read_…` gives when it is asked for texts (`dtype=str, keep_default_na=False`).
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xlsxwriter
from reader import write_workbook
from rows import write_rows

from batchupdate.reader import open_table
from batchupdate.reader.data_frame import frame_records

if TYPE_CHECKING:
    from collections.abc import Callable

EXACT: dict[str, Any] = {"dtype": str, "keep_default_na": False}


def rate(rows: int, read: Callable[[], int]) -> float:
    """Rows per second, the best of three: the machine may be busy with other things."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        assert read() == rows
        best = min(best, time.perf_counter() - start)
    return rows / best


def ours(path: Path) -> int:
    """Reads all rows with our own reader."""
    with open_table(path) as table:
        return sum(map(len, table.batches(5000)))


def in_frames(frame: pd.DataFrame) -> int:
    """Reads all rows of a DataFrame that is there already."""
    records, _ = frame_records(frame, "the DataFrame")
    return sum(map(len, records.chunks(5000))) - 1


def speeds(folder: Path, rows: int) -> None:
    """Prints rows per second for the three formats, and for a DataFrame itself."""
    source = folder / "rows.csv"
    write_rows(source, rows)
    write_workbook(folder / "rows.xlsx", source)
    frame = pd.read_csv(source, **EXACT)
    lines = frame.to_json(orient="records", lines=True)
    (folder / "rows.jsonl").write_text(lines, "utf-8")
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        "rows.csv": lambda path: pd.read_csv(path, **EXACT),
        "rows.xlsx": lambda path: pd.read_excel(path, engine="calamine", **EXACT),
        "rows.jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
    }
    print(f"{rows:,} rows × 5 columns, rows/s:")
    for name, read in readers.items():
        path = folder / name
        theirs = rate(rows, lambda read=read, path=path: in_frames(read(path)))  # type: ignore[misc] # bound at once
        own = rate(rows, lambda path=path: ours(path))  # type: ignore[misc] # as above
        print(f"  {name:<11} ours {own:9,.0f}   pandas and its frame as texts {theirs:9,.0f}   {own / theirs:5.2f} ×")
    print(f"  {'DataFrame':<11} of texts {rate(rows, lambda: in_frames(frame)):9,.0f}")


def changes() -> None:
    """Prints what pandas makes of cells that our readers keep, or stop."""
    book = io.BytesIO()
    with xlsxwriter.Workbook(book) as written:
        sheet = written.add_worksheet()
        sheet.write_row(0, 0, ["id", "name"])
        sheet.write_row(1, 0, ["007", None])
        sheet.write_formula(1, 1, "=NA()", None, "#N/A")
    book.seek(0)
    short = pd.read_csv(io.StringIO("id,name,team\n007,Ann\n8,Bob,Sales\n"), **EXACT)
    error = pd.read_excel(book, engine="calamine", **EXACT)
    number = pd.read_json(io.StringIO('{"id": 9007199254740993, "n": 1.10}\n{"n": 2}'), lines=True, dtype=False)
    blank = pd.read_csv(io.StringIO("id\n1\n\n3\n"), skip_blank_lines=False)
    print("\nWhat pandas makes of:")
    print(f"  a CSV row with two of three cells     {json.dumps(short.iloc[0].tolist())} (no error)")
    print(f"  an error cell (#N/A) of a workbook    {error.iloc[0].tolist()} (the error is gone)")
    print(f"  JSON 9007199254740993 and 1.10        {number.iloc[0].tolist()}")
    print(f"  a column of numbers with one blank    {blank['id'].tolist()}")


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        speeds(Path(folder), options.rows)
    changes()


if __name__ == "__main__":
    main()
