"""Reading tables: ours beside the libraries that people would take, each with a process of its own for its memory.

    python benchmarks/reader.py [--rows 100000] [--rounds 5]

Ours is the reader and the validator together, as `check` has them; the others only go through all cells. Each round
runs all of them one after the other, and ratios are taken within a round. It needs `pip install 'batchupdate[bench]'`.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rows import write_rows

OURS = """
import batchupdate
seen = batchupdate.check_file(path, batchupdate.Settings(target="langdock-integration"))
assert seen.invalid == 0
count = seen.rows
"""
OURS_IS = "ours, validated"
XLSX = {
    OURS_IS: OURS,
    "ours, read only": """
from batchupdate.reader import open_table
with open_table(path) as table:
    count = sum(map(len, table.batches()))
""",
    "python-calamine": """
from python_calamine import CalamineWorkbook
with open(path, "rb") as file:
    count = sum(1 for row in CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).iter_rows()) - 1
""",
    "openpyxl read-only": """
import openpyxl
book = openpyxl.load_workbook(path, read_only=True)
count = sum(1 for row in book.worksheets[0].iter_rows(values_only=True)) - 1
""",
    "pandas + openpyxl": """
import pandas
count = len(pandas.read_excel(path, dtype=str, keep_default_na=False))
""",
    "pandas + calamine": """
import pandas
count = len(pandas.read_excel(path, dtype=str, keep_default_na=False, engine="calamine"))
""",
    "polars + calamine": """
import polars
count = len(polars.read_excel(path, infer_schema_length=0))
""",
    "frictionless": """
from frictionless import Resource
import os
os.chdir(os.path.dirname(path))
report = Resource(os.path.basename(path)).validate()
assert report.valid
count = report.tasks[0].stats["rows"]
""",
}
CSV = {
    OURS_IS: OURS,
    "ours, read only": XLSX["ours, read only"],
    "csv.reader": """
import csv
with open(path, newline="", encoding="utf-8") as file:
    count = sum(1 for row in csv.reader(file)) - 1
""",
    "pandas": """
import pandas
count = len(pandas.read_csv(path, dtype=str, keep_default_na=False))
""",
    "polars": """
import polars
count = len(polars.read_csv(path, infer_schema_length=0))
""",
    "frictionless": XLSX["frictionless"],
}
NEEDS = {"pandas": "pandas", "polars": "fastexcel", "frictionless": "frictionless"}
"""What some of them need beyond the packages of the tests; left out where it is not installed."""


class Run(NamedTuple):
    """What one process took."""

    seconds: float
    mib: float


def measure(program: str, path: Path, small: Path, rows: int) -> Run:
    """Runs a program in a process of its own: first on a small file, so that imports don't count, then on the one."""
    body = "".join(f"    {line}\n" for line in program.strip().splitlines())
    work = (
        f"import sys, time\ndef work(path):\n{body}    return count\nwork(sys.argv[1])\nbegin = time.perf_counter()\n"
    )
    code = f"{work}print(work(sys.argv[2]), time.perf_counter() - begin)"
    command = [sys.executable, "-W", "ignore", "-c", code, str(small), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        said = child.stdout.read().decode().split() if child.stdout else []
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, program
    assert int(said[0]) == rows, (program, said)
    return Run(float(said[1]), usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024))


def compare(title: str, programs: dict[str, str], path: Path, rows: int, rounds: int) -> dict[str, list[Run]]:
    """Prints the medians of all programs for one file, beside which a small one lies; gives every figure."""
    programs = {
        name: program
        for name, program in programs.items()
        if all(find_spec(need) for word, need in NEEDS.items() if word in name)
    }
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            runs[name].append(measure(program, path, path.with_stem(f"small-{path.stem}"), rows))
    print(f"\n{title}, {path.stat().st_size / 1e6:.1f} MB, median of {rounds}")
    for name, figures in runs.items():
        times, sizes = ratio(runs, name, OURS_IS, "seconds"), ratio(runs, name, OURS_IS, "mib")
        seconds, mib = median(run.seconds for run in figures), median(run.mib for run in figures)
        print(f"  {name:<20} {seconds:7.2f} s  {times:6.2f} × ours  {mib:5.0f} MiB  {sizes:5.2f} × ours")
    return runs


def ratio(runs: dict[str, list[Run]], one: str, other: str, field: str) -> float:
    """How one compares to another, round by round."""
    pairs = zip(runs[one], runs[other], strict=True)
    return median(getattr(left, field) / getattr(right, field) for left, right in pairs)


def write_workbook(path: Path, source: Path, *, formulas: bool = False) -> None:
    """The rows of a CSV as a workbook; in one with formulas, the names and descriptions are the results of some."""
    import xlsxwriter

    with (
        xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book,
        source.open(newline="", encoding="utf-8") as file,
    ):
        sheet = book.add_worksheet("changes")
        for number, row in enumerate(csv.reader(file)):
            for place, cell in enumerate(row):
                if formulas and number and place in {1, 2}:
                    sheet.write_formula(number, place, f'=TRIM("{cell}")', None, cell)
                else:
                    sheet.write_string(number, place, cell)


def make_files(folder: Path, rows: int) -> None:
    """Writes the CSV, the workbook and the one with formulas, each with a small one beside it."""
    for stem, count in (("small-", 10), ("", rows)):
        source = folder / f"{stem}rows.csv"
        write_rows(source, count)
        write_workbook(folder / f"{stem}rows.xlsx", source)
        write_workbook(folder / f"{stem}formulas.xlsx", source, formulas=True)


def main() -> None:
    """Prints the tables and how the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    size = f"{options.rows:,} × 5"
    few = {name: XLSX[name] for name in (OURS_IS, "ours, read only", "python-calamine", "openpyxl read-only")}
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what this one has used would count as the memory of all that it starts.
        maker = get_context("spawn").Process(target=make_files, args=(Path(folder), options.rows))
        maker.start()
        maker.join()
        plain, book, calculated = (Path(folder) / name for name in ("rows.csv", "rows.xlsx", "formulas.xlsx"))
        runs = compare(f"xlsx of {size}", XLSX, book, options.rows, options.rounds)
        heavy = compare(f"xlsx of {size}, formulas in two columns", few, calculated, options.rows, options.rounds)
        compare(f"CSV of {size}", CSV, plain, options.rows, options.rounds)
    print()
    for what, figures in (("plain", runs), ("formulas", heavy)):
        seconds = ratio(figures, OURS_IS, "openpyxl read-only", "seconds")
        mib = ratio(figures, OURS_IS, "python-calamine", "mib")
        print(f"{what}: {seconds:.3f} × the time of openpyxl read-only (goal: at most 0.25)")
        print(f"{what}: {mib:.2f} × the memory of a plain calamine pass (goal: at most 2)")


if __name__ == "__main__":
    main()
