"""Makes samples/messy: small files, each with one known mess, and what `check` must say about it (expected.json).

    python benchmarks/make_messy.py

Run it again after changing it; tests/integration/test_messy_samples.py checks every file against its expectation. The
writers are the csv module, XlsxWriter, openpyxl, pandas and LibreOffice, which write files, and spoil cells, in ways of
their own. What needs one that is not installed stays as it is: `pip install 'batchupdate[bench]'`, `apt-get install
libreoffice-calc`.
"""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime
from html import escape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import openpyxl
import xlsxwriter
from libreoffice import PACKAGE, UTF_8, WINDOWS_1252, flat_sheet, libreoffice, program

from batchupdate.sandbox import make_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOLDER = Path(__file__).parent.parent / "samples" / "messy"
LANGDOCK, NAIRI = "langdock-integration", "nairi-llm-integration"
RECORDS = make_records()
IDS = [record.id for record in RECORDS.langdock]
HEAD = ["id", "name"]


@dataclass
class Sample:
    """One file: its name, its rows, and the problems of `check` as (code, row, column).

    `index` names the columns that a data frame has for its index; `opened_as` is how LibreOffice opens a CSV. Rows of
    the writer "flat" are cells in XML, which LibreOffice calculates and saves.
    """

    name: str
    rows: Sequence[Sequence[Any]]
    problems: Sequence[tuple[str, int, str]] = ()
    notice: str = ""
    error: str = ""
    encoding: str = "utf-8"
    delimiter: str = ","
    target: str = LANGDOCK
    input: dict[str, Any] = field(default_factory=dict)
    writer: str = "csv"
    merge: str = ""
    index: Sequence[str] = ()
    opened_as: str = UTF_8


def named(*names: object) -> list[list[Any]]:
    """Rows of good ids with these names, below a header."""
    return [HEAD, *([record, name] for record, name in zip(IDS, names, strict=False))]


def text(words: str) -> str:
    """A text cell of an OpenDocument sheet."""
    return typed("string", "", words)


def typed(kind: str, value: str, shown: str = "", more: str = "") -> str:
    """A cell of an OpenDocument sheet: its type, its value as an attribute, and what is shown."""
    inside = f"<text:p>{escape(shown)}</text:p>"
    return f'<table:table-cell office:value-type="{kind}" {value} {more}>{inside}</table:table-cell>'


def formula(expression: str) -> str:
    """A cell that is yet to be calculated."""
    return f'<table:table-cell table:formula="of:={escape(expression)}"/>'


def flat(*names: str) -> list[list[str]]:
    """Rows of good ids with these cells, below a header."""
    return [list(map(text, HEAD)), *([text(record), name] for record, name in zip(IDS, names, strict=False))]


NO_PROBLEM: Sequence[tuple[str, int, str]] = ()
SAMPLES = [
    # ---- ids ----
    Sample("id-scientific.csv", [HEAD, ["1.9E+18", "Sales"], [IDS[1], "Legal"]], [("id_as_number", 2, "id")]),
    Sample("id-with-decimals.csv", [HEAD, ["123.0", "Sales"]], [("id_as_number", 2, "id")]),
    Sample("id-exponent-without-sign.csv", [HEAD, ["219E01", "Sales"]], [("id_as_number", 2, "id")]),
    Sample(
        "id-number-in-workbook.xlsx",
        [HEAD, [1.9e30, "Sales"], [IDS[1], "Legal"]],
        [("id_as_number", 2, "id")],
        writer="xlsxwriter",
    ),
    Sample("id-short-by-one.csv", [HEAD, [IDS[0][:-1], "Sales"]], [("bad_id", 2, "id")]),
    Sample("id-missing.csv", [HEAD, ["", "Sales"], [IDS[1], "Legal"]], [("missing_id", 2, "id")]),
    Sample("id-with-no-break-space.csv", [HEAD, [IDS[0] + "\u00a0", "Sales"]], [("trimmed", 2, "id")]),
    Sample(
        "id-with-zero-width-space.xlsx", [HEAD, ["\u200b" + IDS[0], "Sales"]], [("trimmed", 2, "id")], writer="openpyxl"
    ),
    Sample(
        "id-twice-in-other-case.csv",
        [HEAD, [IDS[0], "Sales"], [IDS[0].upper(), "Legal"]],
        [("duplicate_id", 2, "id"), ("duplicate_id", 3, "id")],
    ),
    Sample(
        "columns-shifted-by-one.csv",
        [HEAD, [IDS[0], "Sales"], *(["", record] for record in IDS[1:6])],
        [("shifted_row", row, "id") for row in range(3, 8)],
        notice="5 rows, from row 3 on, have their id in the column beside it",
    ),
    # ---- texts ----
    Sample("mojibake.csv", named("MÃ¼ller", "Fine"), [("mojibake", 2, "name")]),
    Sample("mojibake-of-quotes.xlsx", named("itâ€™s", "Fine"), [("mojibake", 2, "name")], writer="xlsxwriter"),
    Sample("replacement-character.csv", named("M\ufffdller"), [("replacement_character", 2, "name")]),
    Sample("zero-width-inside.csv", named("Sa\u200bles"), [("invisible_character", 2, "name")]),
    Sample("soft-hyphen.xlsx", named("Inte\u00adgration"), [("invisible_character", 2, "name")], writer="openpyxl"),
    Sample("no-break-space-at-the-end.csv", named("Sales\u00a0"), [("trimmed", 2, "name")]),
    Sample("only-white-space.csv", named("   "), [("white_space", 2, "name")]),
    Sample("only-unseen.csv", named("\u200b\ufeff"), [("white_space", 2, "name")]),
    Sample("control-character.csv", named("Sa\x07les"), [("control_character", 2, "name")]),
    Sample("formula-as-text.csv", named('=HYPERLINK("http://a.example","x")'), [("formula", 2, "name")]),
    Sample("formula-as-text.xlsx", named("=A1&B1"), [("formula", 2, "name")], writer="xlsxwriter"),
    Sample("rounded-number.csv", named("1.23457E+18"), [("number_rounded", 2, "name")]),
    Sample("name-too-long.csv", named("x" * 41), [("too_long", 2, "name")]),
    Sample("null-where-none-may-be.csv", named("<null>"), [("null_not_allowed", 2, "name")]),
    Sample("colour-in-words.csv", [["id", "name", "color"], [IDS[0], "Sales", "green"]], [("bad_format", 2, "color")]),
    Sample("nothing-to-change.csv", named("Fine", ""), [("nothing_to_change", 3, "")]),
    Sample("ai-prefix-lost.csv", [HEAD, ["01KFRX8K1CKQGCV2W5J9C9Z37", "x"]], [("bad_id", 2, "id")], target=NAIRI),
    # ---- the table ----
    Sample("delimiter-in-a-cell.csv", [HEAD, [IDS[0], "Sales", "EMEA"]], [("ragged_row", 2, "")]),
    Sample("semicolons-and-windows-1252.csv", named("Größe"), notice="1252", encoding="cp1252", delimiter=";"),
    Sample("byte-order-mark.csv", named("Größe"), encoding="utf-8-sig"),
    Sample("utf-16.csv", named("Größe"), encoding="utf-16"),
    Sample("heading-misspelt.csv", [["Integraton ID", "name"], [IDS[0], "A"]], error="looks like it. To use that"),
    Sample(
        "field-misspelt.csv",
        [["id", "name", "Descripton"], [IDS[0], "Sales", "x"]],
        notice="The column 'Descripton' looks like 'description'",
    ),
    Sample(
        "blank-rows.csv", [HEAD, ["", ""], [IDS[0], "Sales"], ["", ""], [IDS[1], "x" * 41]], [("too_long", 5, "name")]
    ),
    Sample("a-date-as-name.xlsx", named(date(2026, 11, 21)), writer="openpyxl"),  # comes over as 2026-11-21
    # ---- what only a workbook can hold; openpyxl writes #N/A as an error, and = as a formula without a result ----
    Sample("error-cell.xlsx", named("Fine", "#N/A"), [("error_cell", 3, "name")], writer="openpyxl"),
    Sample("error-as-id.xlsx", [HEAD, ["#REF!", "Sales"]], [("error_cell", 2, "id")], writer="openpyxl"),
    Sample("formula-without-result.xlsx", named('="a"&"b"'), [("formula_without_value", 2, "name")], writer="openpyxl"),
    Sample(
        "error-in-a-column-of-no-matter.xlsx",
        [[*HEAD, "Cost"], [IDS[0], "Sales", "#DIV/0!"]],
        writer="openpyxl",
    ),
    Sample(
        "merged-names.xlsx",
        named("Sales", ""),
        [("merged_cell", 3, "name"), ("nothing_to_change", 3, "")],
        writer="openpyxl",
        merge="B2:B3",
    ),
    # ---- pandas ----
    Sample(
        "pandas-ids-as-floats.csv",
        [HEAD, [123, "Sales"], [None, "Legal"]],
        [("id_as_number", 2, "id"), ("missing_id", 3, "id")],
        writer="pandas",
    ),
    Sample(
        "pandas-ids-as-floats.xlsx",
        [HEAD, [123, "Sales"], [None, "Legal"]],
        [("bad_id", 2, "id"), ("missing_id", 3, "id")],
        writer="pandas",
    ),
    Sample("pandas-long-ids.csv", [HEAD, [1.9e18, "Sales"]], [("id_as_number", 2, "id")], writer="pandas"),
    Sample("pandas-index.csv", [["", *HEAD], [0, IDS[0], "Sales"]], index=[""], writer="pandas"),
    Sample("pandas-index-again.csv", [["Unnamed: 0", *HEAD], [0, IDS[0], "Sales"]], writer="pandas"),
    Sample("pandas-index.xlsx", [["", *HEAD], [0, IDS[0], "Sales"]], index=[""], writer="pandas"),
    Sample("pandas-nan.xlsx", named("Sales", float("nan")), [("nothing_to_change", 3, "")], writer="pandas"),
    Sample("pandas-nan-as-text.csv", named("Sales", "nan"), writer="pandas"),  # as typed: it may be a name
    Sample("pandas-times.csv", named(datetime(2026, 11, 21), datetime(2026, 11, 21, 18, 45)), writer="pandas"),  # noqa: DTZ001 - as in a sheet
    Sample(
        "pandas-times.xlsx",
        named(datetime(2026, 11, 21), datetime(2026, 11, 21, 18, 45)),  # noqa: DTZ001 - as above
        [("number_format", 2, "name"), ("number_format", 3, "name")],
        writer="pandas",
    ),
    Sample(
        "pandas-grouped.xlsx",
        [["id", "name", "description"], [IDS[0], "Sales", "x"], [IDS[0], "Sales", "y"]],
        [("merged_cell", 3, "id"), ("missing_id", 3, "id")],
        index=["id", "name"],
        writer="pandas",
    ),
    # ---- LibreOffice ----
    Sample(
        "libreoffice-ids-as-numbers.csv",
        [HEAD, ["12345678901234567890", "Sales"], ["007", "Legal"]],
        [("id_as_number", 2, "id"), ("bad_id", 3, "id")],
        writer="libreoffice",
    ),
    Sample(
        "libreoffice-ids-as-numbers.xlsx",
        [HEAD, ["12345678901234567890", "Sales"], ["007", "Legal"]],
        [("id_as_number", 2, "id"), ("bad_id", 3, "id")],
        writer="libreoffice",
    ),
    Sample("libreoffice-formula-is-run.csv", named("=1+1"), writer="libreoffice"),  # nobody can tell: the name is 2
    Sample(
        "libreoffice-wrong-encoding.ods",
        named("Größe"),
        [("mojibake", 2, "name")],
        writer="libreoffice",
        opened_as=WINDOWS_1252,
    ),
    Sample(
        "libreoffice-types.ods",
        flat(
            typed("date", 'office:date-value="2026-11-21"'),
            typed("percentage", 'office:value="0.5"'),
            typed("currency", 'office:value="12.5" office:currency="EUR"'),
            typed("boolean", 'office:boolean-value="true"'),
            typed("time", 'office:time-value="PT18H45M00S"'),
            typed("float", 'office:value="123"'),
        ),
        writer="flat",
    ),
    *(
        Sample(
            f"libreoffice-errors.{suffix}",
            flat(text("Sales"), formula("NA()"), formula("1/0"), formula("SQRT(-1)"), formula("[.B3]")),
            [("error_cell", row, "name") for row in (3, 4, 5, 6)],
            writer="flat",
        )
        for suffix in ("ods", "xlsx")
    ),
    *(
        Sample(
            f"libreoffice-formulas.{suffix}",
            [
                *flat(formula('"a"&"b"'), formula("1/4"), formula('""')),
                *[[formula('IF(1;"";"x")'), formula('IF(1;"";"x")')]] * 3,  # filled down beyond the data
            ],
            [("nothing_to_change", 4, "")],
            writer="flat",
        )
        for suffix in ("ods", "xlsx")
    ),
    *(
        Sample(
            f"libreoffice-merged.{suffix}",
            [
                [*map(text, HEAD), typed("string", "", "note", 'table:number-columns-spanned="2"')],
                [text(IDS[0]), typed("string", "", "Sales", 'table:number-rows-spanned="2"')],
                [text(IDS[1]), "<table:covered-table-cell/>"],
            ],
            [("merged_cell", 3, "name"), ("nothing_to_change", 3, "")],
            notice="is part of the merged cell C1:D1",
            writer="flat",
        )
        for suffix in ("ods", "xlsx")
    ),
    Sample("libreoffice-tab-in-a-name.ods", flat(text("Sales\tEMEA")), writer="flat"),
    Sample("formula-without-result.ods", flat(formula("1+1")), [("formula_without_value", 2, "name")], writer="zip"),
    # ---- settings ----
    Sample("strict.csv", named("Sales\u00a0", "Legal"), [("trimmed", 2, "name")], input={"strictness": "strict"}),
    Sample("lenient.csv", named("MÃ¼ller"), [("mojibake", 2, "name")], input={"strictness": "lenient"}),
    Sample(
        "only-some-rows.csv",
        [[*HEAD, "action"], [IDS[0], "Sales", "update"], ["total", "", ""]],
        input={"when": {"action": "update"}},
    ),
    Sample(
        "template-with-a-gap.csv",
        [["id", "team", "kind"], [IDS[0], "Sales", "Jira"], [IDS[1], "Legal", ""]],
        [("incomplete_template", 3, "name (computed)")],
        input={"computed": {"name": "{team} – {kind}"}},
    ),
]


def main() -> None:
    """Writes the files and their expectations."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        if write := WRITERS.get(sample.writer):
            write(FOLDER / sample.name, sample)
    if find_spec("pandas"):
        for sample in SAMPLES:
            if sample.writer == "pandas":
                _pandas(FOLDER / sample.name, sample)
    if program():
        _libreoffice([sample for sample in SAMPLES if sample.writer in {"libreoffice", "flat"}])
    else:
        print(f"The files of LibreOffice stay as they are: apt-get install {PACKAGE}")
    expected = {
        sample.name: {
            "target": sample.target,
            "input": sample.input,
            "problems": [list(problem) for problem in sample.problems],
            "notice": sample.notice,
            "error": sample.error,
        }
        for sample in SAMPLES
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{len(SAMPLES)} files in {FOLDER}")


def _csv(path: Path, sample: Sample) -> None:
    with path.open("w", newline="", encoding=sample.encoding) as file:
        csv.writer(file, delimiter=sample.delimiter, lineterminator="\n").writerows(sample.rows)


def _xlsxwriter(path: Path, sample: Sample) -> None:
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_numbers": False}) as book:
        book.set_properties({"created": date(2026, 11, 21)})
        sheet = book.add_worksheet("changes")
        for number, row in enumerate(sample.rows):
            sheet.write_row(number, 0, row)


def _openpyxl(path: Path, sample: Sample) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "changes"
    for row in sample.rows:
        sheet.append(row)
    if sample.merge:
        sheet.merge_cells(sample.merge)
    book.save(path)


def _pandas(path: Path, sample: Sample) -> None:
    import pandas as pd

    frame = pd.DataFrame(sample.rows[1:], columns=sample.rows[0])
    if sample.index:
        frame = frame.set_index(list(sample.index))
    if path.suffix == ".csv":
        frame.to_csv(path, index=bool(sample.index))
    else:
        frame.to_excel(path, index=bool(sample.index), sheet_name="changes")


def _libreoffice(samples: Sequence[Sample]) -> None:
    with TemporaryDirectory() as folder, libreoffice() as office:
        for sample in samples:
            path = FOLDER / sample.name
            source = Path(folder) / f"{path.stem}.{'csv' if sample.writer == 'libreoffice' else 'fods'}"
            if sample.writer == "libreoffice":
                _csv(source, sample)
            else:
                source.write_text(flat_sheet(sample.rows), "utf-8")
            office.save_as(
                path.suffix[1:], [source], FOLDER, sample.opened_as if sample.writer == "libreoffice" else ""
            )


def _zip(path: Path, sample: Sample) -> None:
    """An .ods as a program writes it that does not calculate."""
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = flat_sheet(sample.rows).replace("office:document ", "office:document-content ", 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in [
            ("mimetype", kind),
            ("content.xml", content.replace("</office:document>", "</office:document-content>")),
            (
                "META-INF/manifest.xml",
                '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            ),
        ]:
            archive.writestr(zipfile.ZipInfo(name), part)


WRITERS: dict[str, Callable[[Path, Sample], None]] = {
    "csv": _csv,
    "xlsxwriter": _xlsxwriter,
    "openpyxl": _openpyxl,
    "zip": _zip,
}

if __name__ == "__main__":
    main()
