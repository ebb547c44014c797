"""Makes samples/messy: small files, each with one known mess, and what `check` must say about it (expected.json).

    python benchmarks/make_messy.py

Run it again after changing it; tests/test_messy.py checks every file against its expectation. The writers are the csv
module, XlsxWriter and openpyxl, which write workbooks in different ways.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import xlsxwriter

from batchupdate.sandbox import make_records

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent.parent / "samples" / "messy"
LANGDOCK, NAIRI = "langdock-integration", "nairi-llm-integration"
RECORDS = make_records()
IDS = [record.id for record in RECORDS.langdock]
HEAD = ["id", "name"]


@dataclass
class Sample:
    """One file: its name, its rows, and the problems of `check` as (code, row, column)."""

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


def named(*names: object) -> list[list[Any]]:
    """Rows of good ids with these names, below a header."""
    return [HEAD, *([record, name] for record, name in zip(IDS, names, strict=False))]


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
    Sample("heading-misspelt.csv", [["Integraton ID", "name"], [IDS[0], "A"]], error="looks like it. If it is meant"),
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
        path = FOLDER / sample.name
        {"csv": _csv, "xlsxwriter": _xlsxwriter, "openpyxl": _openpyxl}[sample.writer](path, sample)
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


if __name__ == "__main__":
    main()
