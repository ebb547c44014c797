"""Workbooks for tests of the reader."""

from __future__ import annotations

import io
import zipfile
from html import escape
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


def ods(rows: list[list[str]], cell: str = "") -> bytes:
    """An OpenDocument sheet `s` of texts; `cell` is raw XML for one more row (OASIS OpenDocument 1.3, part 3)."""
    ns = "urn:oasis:names:tc:opendocument:xmlns:"
    body = "".join(f"<table:table-row>{''.join(map(_ods_cell, cells))}</table:table-row>" for cells in rows)
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{ns}office:1.0" '
        f'xmlns:table="{ns}table:1.0" xmlns:text="{ns}text:1.0" office:version="1.3"><office:body>'
        f'<office:spreadsheet><table:table table:name="s">{body}{cell}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    manifest = f'<manifest:manifest xmlns:manifest="{ns}manifest:1.0"/>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return out.getvalue()


def _ods_cell(text: str) -> str:
    """A text cell; a line is a paragraph, and white space that XML would fold has elements of its own."""
    paragraphs = [
        escape(line).replace(" ", "<text:s/>").replace("\t", "<text:tab/>").replace("\r", "&#13;")
        for line in text.split("\n")
    ]
    inside = "".join(f"<text:p>{paragraph}</text:p>" for paragraph in paragraphs)
    return (
        f'<table:table-cell office:value-type="string">{inside}</table:table-cell>' if text else "<table:table-cell/>"
    )
