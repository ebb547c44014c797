"""Feeds the reader thousands of random and mutated files, and counts what it makes of them.

    python benchmarks/fuzz_reader.py [--files 5000] [--seed 1] [--keep FOLDER]

Each file is read to its end, as `check` reads it, in a process of its own that is forked from one in which everything
is loaded. It must end with 0 (read), 1 (read, with problems) or 2 (refused with a sentence and a way out), without a
traceback, within 300 MB of memory and 60 seconds; its own children (which rehearse damaged workbooks) count too.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import xlsxwriter

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 300 << 20
MAX_SECONDS = 60
TESTS = Path(__file__).parent.parent / "tests"
SAMPLE_XLS = TESTS / "reader" / "data" / "changes.xls"
PACKERS: dict[str, Callable[[bytes], bytes]] = {"a.csv.gz": gzip.compress, "a.csv.zst": zstd.compress}
BUG = 70
SPLINTERS = [b"\0", b'"', b"\r", b"\xff\xff\xff\x7f", b"<", b"{", b"1e999", b"9" * 20, b"\\ud800"]
FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
ODD_ROW = (  # what is gone through cell by cell; see `ods`
    '<table:table-row table:number-rows-repeated="2"><table:table-cell office:value-type="string">'
    '<text:p>a<text:tab/>b<text:s text:c="2"/></text:p></table:table-cell><table:table-cell table:formula="of:=1"/>'
    '<table:table-cell table:number-columns-repeated="3" office:value-type="string" office:string-value="">'
    "<text:p>#N/A</text:p></table:table-cell></table:table-row>"
)
ROWS = [["id", "name", "note"], ["007", "Zürich “Büro”", "=1+1"], ["NA", "two\nlines", ""], ["3", "ok", "x" * 300]]


def main() -> None:
    """Prints how the files ended, the most memory and time one took, and every failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where to keep the files that failed")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    sys.path.insert(0, str(TESTS))  # for the writers that the tests have
    seeds = make_seeds()
    _load_everything()
    ends: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    failures = []
    most_bytes, most_seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        for number in range(options.files):
            name, content = make_file(chance, seeds, number)
            path = Path(folder) / name
            path.write_bytes(content)
            end, used, seconds = read_apart(path)
            most_bytes, most_seconds = max(most_bytes, used), max(most_seconds, seconds)
            ends[end] += 1
            kinds["".join(path.suffixes).lstrip(".")] += 1
            if end not in {"0", "1", "2"} or used > MAX_BYTES:
                failures.append(f"file {number}: {name} ({len(content):,} bytes): {end}, {used >> 20:,} MB")
                if options.keep:
                    options.keep.mkdir(exist_ok=True)
                    shutil.copy(path, options.keep / f"{number}-{name}")
            path.unlink()
    counts = ", ".join(f"{count:,} ended {end}" for end, count in ends.most_common())
    print(f"{options.files:,} files, seed {options.seed}: {counts}")
    print("kinds: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items())))
    print(f"most memory {most_bytes >> 20:,} MB (goal: at most 300), longest {most_seconds:.1f} s")
    print("\n".join(failures) or "no traceback, no crash, no hang")
    sys.exit(bool(failures))


def _load_everything() -> None:
    """Imports here what all the children need, so that each costs a few milliseconds."""
    import python_calamine  # noqa: F401 - see above
    import xlrd  # noqa: F401 - as above

    from batchupdate.reader import csv, json_lines, pandas_formats  # noqa: F401 - see above
    from batchupdate.reader.excel import ods, xls, xlsb, xlsx  # noqa: F401 - as above


def read_apart(path: Path) -> tuple[str, int, float]:
    """Reads a file in a child: how that ended, the most memory in bytes, and the seconds it took."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        signal.alarm(MAX_SECONDS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os._exit(read(path))
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    end = str(code) if code >= 0 else signal.Signals(-code).name
    return end, usage.ru_maxrss * 1024, time.perf_counter() - started


def read(path: Path) -> int:
    """Reads a file to its end, with every problem and notice; gives the exit code that `check` would."""
    from batchupdate.errors import InputError
    from batchupdate.reader import open_table

    try:
        with open_table(path) as table:
            problems = 0
            for batch in table.batches(3000):
                problems += len(batch.problems)
                for row in batch:
                    "\t".join(row.cells).encode()
            "".join([*table.columns, *table.notices]).encode()
    except InputError as error:
        return 2 if str(error).strip() and error.hint else BUG
    except BaseException:  # noqa: BLE001 - whatever it is, it must be counted
        traceback.print_exc()
        return BUG
    return int(problems > 0)


def make_seeds() -> dict[str, bytes]:
    """A sound file of each kind, by name."""
    text = io.StringIO()
    csv.writer(text).writerows(ROWS)
    plain = text.getvalue().encode()
    records = "".join(json.dumps(dict(zip(ROWS[0], row, strict=True))) + "\n" for row in ROWS[1:]).encode()
    nested = b'{"id": 1, "a": {"b": [1.50, null, {"c": "\\ud83d\\ude00"}]}, "n": null}\n' * 5
    seeds = {
        "a.csv": plain,
        "results.csv": _results(),
        "b.csv": plain.decode().encode("utf-16"),
        "c.csv": plain.decode().encode("cp1252"),
        "d.tsv": plain.replace(b",", b"\t") * 20,
        "a.jsonl": records,
        "b.jsonl": nested,
        "a.xlsx": _workbook(ROWS),
        "b.xlsx": _workbook(ROWS, formulas=True),
        "a.zip": _archive({"a.csv": plain}),
        "b.zip": _archive({"a.xlsx": _workbook(ROWS)}),
        "a.xlsm": _with_macros(_workbook(ROWS)),
        "a.ods": _ods(),
        "b.ods": _ods(ODD_ROW),
        "a.xlsb": _xlsb(),
        "a.xls": SAMPLE_XLS.read_bytes(),
        "a.parquet": _parquet(),
    }
    return {**seeds, **{name: pack(plain) for name, pack in PACKERS.items()}}


def _workbook(rows: list[list[str]], *, formulas: bool = False) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("changes")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        if formulas:
            sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!")
            sheet.write_number(2, 3, 45000, book.add_format({"num_format": "d.m.yy"}))
            sheet.merge_range("A6:B9", "merged")
    return out.getvalue()


def _archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def _with_macros(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return _archive({**files, "xl/vbaProject.bin": bytes(range(256)) * 20})


def _ods(row: str = "") -> bytes:
    from workbooks import ods

    made: bytes = ods(ROWS, row)
    return made


def _xlsb() -> bytes:
    from workbooks import xlsb

    made: bytes = xlsb([*ROWS, [1.5, True, "x"]])
    return made


def _results() -> bytes:
    from batchupdate.spreadsheet.reserved_columns import RESULT_COLUMNS

    text = io.StringIO()
    after = ["2", "'007", "failed", "404", "1", "no", "r", "2026-11-21T18:45:00Z", "12"]
    csv.writer(text).writerows([[*ROWS[0], *RESULT_COLUMNS], *([*row, *after] for row in ROWS[1:])])
    return text.getvalue().encode("utf-8-sig")


def _parquet() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out = io.BytesIO()
    columns = dict(zip(ROWS[0], zip(*ROWS[1:], strict=True), strict=True))
    parquet.write_table(pa.table({**columns, "n": [1, 2, 3], "l": [[1], [], None]}), out)
    return out.getvalue()


def make_file(chance: random.Random, seeds: dict[str, bytes], number: int) -> tuple[str, bytes]:
    """One file: a mutation of a sound one, pure chance, or one of the extremes."""
    if number < len(EXTREMES):
        return EXTREMES[number]()
    name = chance.choice(list(seeds))
    content = seeds[name]
    if chance.random() < 0.03:
        return name, chance.randbytes(chance.randrange(1, 5000))
    if zipfile.is_zipfile(io.BytesIO(content)) and chance.random() < 0.6:
        return name, _mutated_part(chance, content)
    if name in PACKERS and chance.random() < 0.6:
        return name, PACKERS[name](_mutated(chance, seeds["a.csv"]))
    return name, _mutated(chance, content)


def _mutated(chance: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 30])):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(7):
            case 0 | 1:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                del data[at:]
            case 3:
                del data[at : at + chance.randrange(1, 50)]
            case 4:
                data[at:at] = chance.choice(SPLINTERS)
            case 5:
                data[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"])
            case 6:
                data[at:at] = data[at : at + chance.randrange(1, 200)] * chance.choice([1, 2, 100])
    return bytes(data)


def _mutated_part(chance: random.Random, content: bytes) -> bytes:
    """A workbook or archive that is sound but for one of its parts: what gets past the checks of zipfile."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([name for name in files if name.endswith(("xml", "rels", "csv", "xlsx", "bin"))])
    files[name] = _mutated(chance, files[name])
    return _archive(files)


def _sheet(xml: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(_workbook(ROWS))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    files["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{main}"><sheetData>{xml}</sheetData></worksheet>'.encode()
    return _archive(files)


def _errors(count: int) -> str:
    return "".join(f'<row r="{n}"><c r="A{n}" t="e"><v>#N/A</v></c></row>' for n in range(1, count))


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><w>&j;</w>"
).encode()

EXTREMES: list[Callable[[], tuple[str, bytes]]] = [
    lambda: ("bomb.csv.gz", gzip.compress(bytes(400 << 20), 9)),
    lambda: ("bomb2.csv.gz", gzip.compress(b"id,name\n" + b"1,A\n" * (50 << 20), 9)),
    lambda: ("bomb.zip", _archive({"a.csv": bytes(300 << 20)})),
    lambda: ("bomb.xlsx", _archive({"xl/workbook.xml": b" " * (400 << 20)})),
    lambda: ("laughs.xlsx", _archive({"xl/workbook.xml": LAUGHS, "xl/worksheets/sheet1.xml": b"<f"})),
    lambda: ("far.xlsx", _sheet(FAR)),
    lambda: ("wide.csv", (",".join(f"h{n}" for n in range(10_000)) + "\n" + ("x," * 10_000 + "\n") * 20).encode()),
    lambda: ("wide.jsonl", b"".join(json.dumps({f"k{n}": 1}).encode() + b"\n" for n in range(10_000))),
    lambda: ("wide.xlsx", _workbook([[f"h{n}" for n in range(10_000)]] * 3)),
    lambda: ("wide_row.csv", b"id,name\n" + b"," * (15 << 20) + b"x\n"),
    lambda: ("wide_rows.csv", b"id,name\n" + (b"," * (1 << 10) + b"x\n") * 5000),
    lambda: ("long.csv", b"id,name\n1," + b"x" * (1 << 20) + b"\n"),
    lambda: ("long.jsonl", b'{"id": "1", "name": "' + b"x" * (1 << 20) + b'"}\n'),
    lambda: ("long.xlsx", _sheet(f'<row r="1"><c r="A1" t="str"><v>{"x" * (1 << 20)}</v></c></row>')),
    lambda: ("longer.xlsx", _sheet(f'<row r="1"><c r="A1" t="str"><f>1</f><v>{"x" * (20 << 20)}</v></c></row>')),
    lambda: ("endless.csv", b"x" * (20 << 20)),
    lambda: ("endless.jsonl", b'{"a":' + b"[" * (20 << 20)),
    lambda: ("deep.jsonl", b'{"a":' * 50_000),
    lambda: ("quote.csv", b'id,name\n1,"' + b"x,\n" * 100_000),
    lambda: ("nuls.csv", bytes(100_000)),
    lambda: ("nul.csv", b"id,name\n1,A\0B\n"),
    lambda: ("errors.xlsx", _sheet(_errors(90_000))),
    lambda: ("too_many_errors.xlsx", _sheet(_errors(110_000))),
    lambda: ("nested.zip", _archive({"a.zip": _archive({"a.zip": b"x"})})),
    lambda: ("many.zip", _archive({f"{n}.csv": b"" for n in range(5000)})),
    lambda: ("empty.csv", b""),
]


if __name__ == "__main__":
    main()
