"""Workbooks for tests of the reader."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import xlsxwriter

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(*sheets: tuple[str, list[list[Any]]], at: tuple[int, int] = (0, 0), hidden: str = "") -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as made:
        for name, rows in sheets:
            sheet = made.add_worksheet(name)
            for number, cells in enumerate(rows, at[0]):
                for place, cell in enumerate(cells, at[1]):
                    if isinstance(cell, str):
                        sheet.write_string(number, place, cell)
                    else:
                        sheet.write(number, place, cell)
            if name == hidden:
                sheet.hide()
            else:
                sheet.activate()  # the first sheet can't be hidden as long as it is the active one
                sheet.set_first_sheet()
    return out.getvalue()


def with_sheet(xml: str) -> bytes:
    """A workbook whose only sheet holds these rows, as raw XML."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book(("s", [["id"]])))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{xml}</sheetData></worksheet>'
            new.writestr(name, sheet if name.endswith("sheet1.xml") else old.read(name))
    return out.getvalue()
