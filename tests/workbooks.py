"""Workbooks for tests of the reader."""

from __future__ import annotations

import io
import struct
import zipfile
from html import escape
from typing import TYPE_CHECKING, Any

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Sequence

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
MACROS = "http://schemas.microsoft.com/office/excel/2006/main"


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


def with_macro_sheet(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    """A workbook whose last sheet holds macros of Excel 4 ([MS-OFFMACRO2], section 2.2.1.4)."""
    out = io.BytesIO()
    last = f"sheet{len(sheets)}.xml"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
    with zipfile.ZipFile(io.BytesIO(book(*sheets))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name).decode()
            if name.endswith(last):
                content = content.replace("worksheet", "xm:macrosheet")
                content = content.replace("<xm:macrosheet ", f'<xm:macrosheet xmlns:xm="{MACROS}" ')
            elif name.endswith("workbook.xml.rels"):
                macros = "http://schemas.microsoft.com/office/2006/relationships/xlMacrosheet"
                content = content.replace(
                    f'{kind}" Target="worksheets/{last}"', f'{macros}" Target="macrosheets/sheet1.xml"'
                )
            new.writestr("xl/macrosheets/sheet1.xml" if name.endswith(last) else name, content)
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


def xlsb(
    rows: list[list[Any]],
    sheet: str = "changes",
    *,
    hidden_rows: Sequence[int] = (),
    hidden_columns: Sequence[int] = (),
    merged: Sequence[tuple[int, int, int, int]] = (),
    formats: Sequence[str] = (),
) -> bytes:
    """A binary workbook; texts, numbers, truth values, and an error for None ([MS-XLSB], sections 2.1.4 and 2.4).

    Rows and columns are counted from 0; merged cells are their first and last row, then columns. A cell `(number, n)`
    is a number with the n-th of the formats, from 1.
    """
    cells = b"".join(
        _record(0, struct.pack("<IIHBBBI", number, 0, 300, 0, 0x10 if number in hidden_rows else 0, 0, 0))
        + b"".join(_xlsb_cell(place, cell) for place, cell in enumerate(row))
        for number, row in enumerate(rows)
    )
    extent = struct.pack("<IIII", 0, max(len(rows) - 1, 0), 0, max(map(len, rows), default=1) - 1)
    columns = [(60, struct.pack("<IIIIH", place, place, 2304, 0, 1)) for place in hidden_columns]
    merges = [(176, struct.pack("<IIII", *one)) for one in merged]
    codes = [(44, struct.pack("<H", 164 + at) + _wide(code)) for at, code in enumerate(formats)]
    styles = [(47, struct.pack("<HH12x", 0xFFFF, number)) for number in (0, *range(164, 164 + len(formats)))]
    name = struct.pack("<II", 0, 1) + _wide("rId1") + _wide(sheet)
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "xl/_rels/workbook.bin.rels": (
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="rId1" '
            'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
            'Target="worksheets/sheet1.bin"/></Relationships>'
        ),
        "xl/workbook.bin": _records((131, b""), (143, b""), (156, name), (144, b""), (132, b"")),
        "xl/worksheets/sheet1.bin": _records((129, b""), (148, extent))
        + (_records((390, b""), *columns, (391, b"")) if columns else b"")
        + _record(145, b"")
        + cells
        + _record(146, b"")
        + (_records((177, struct.pack("<I", len(merges))), *merges, (178, b"")) if merges else b"")
        + _record(130, b""),
        "xl/styles.bin": _records(
            (278, b""),
            (615, struct.pack("<I", len(codes))),
            *codes,
            (616, b""),
            (626, struct.pack("<I", 1)),
            (47, struct.pack("<HH12x", 0xFFFF, 2)),
            (627, b""),
            (617, struct.pack("<I", len(styles))),
            *styles,
            (618, b""),
            (279, b""),
        ),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return out.getvalue()


def _xlsb_cell(place: int, cell: Any) -> bytes:
    cell, style = cell if isinstance(cell, tuple) else (cell, 0)
    begin = struct.pack("<II", place, style)
    if cell is None:
        return _record(3, begin + b"\x2a")
    if isinstance(cell, bool):
        return _record(4, begin + bytes([cell]))
    return _record(5, begin + struct.pack("<d", cell)) if isinstance(cell, float) else _record(6, begin + _wide(cell))


def _records(*records: tuple[int, bytes]) -> bytes:
    return b"".join(_record(number, content) for number, content in records)


def _record(number: int, content: bytes) -> bytes:
    kind = bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])
    size, length = len(content), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return kind + length + bytes([size]) + content


def _wide(text: str) -> bytes:
    encoded = text.encode("utf-16-le")
    return struct.pack("<I", len(encoded) // 2) + encoded


def ole2(**streams: bytes) -> bytes:
    """A compound file with these streams at its root ([MS-CFB], sections 2.2, 2.3 and 2.6), each of 4,096 bytes."""
    entries = [_ole2_entry("Root Entry", 5, child=1 if streams else -1, start=-2, size=0)]
    for number, name in enumerate(streams, 1):
        right = number + 1 if number < len(streams) else -1
        entries.append(_ole2_entry(name, 2, right=right, start=2 + 8 * (number - 1), size=4096))
    content = b"".join(stream.ljust(4096, b"\0") for stream in streams.values())
    chains = [index + 1 if index % 8 < 7 else -2 for index in range(8 * len(streams))]
    table = [-3, -2, *[link + 2 if link >= 0 else link for link in chains]]
    sectors = struct.pack("<128i", *table, *[-1] * (128 - len(table))) + b"".join(entries).ljust(512, b"\0") + content
    header = struct.pack(
        "<8s16xHHHHH6xIIiIIiIiI",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        0,
        1,
        1,
        0,
        4096,
        -2,
        0,
        -2,
        0,
    )
    return header + struct.pack("<109i", 0, *[-1] * 108) + sectors


def _ole2_entry(name: str, kind: int, *, right: int = -1, child: int = -1, start: int, size: int) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    return struct.pack("<64sHBBiii16x4x16xiQ", encoded, len(encoded), kind, 1, -1, right, child, start, size)


def xls(*cells: bytes, before: bytes = b"") -> bytes:
    """A workbook of Excel 97 whose sheet `s` has these cells; see `xls_cell` ([MS-XLS], sections 2.1.7 and 2.4)."""
    begin = biff(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0x0DBB, 0x07CC, 0, 6)) + before
    bound = biff(0x0085, struct.pack("<IBBBB", len(begin) + 4 + 9 + 4, 0, 0, 1, 0) + b"s")
    sheet = biff(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0x0DBB, 0x07CC, 0, 6))
    return begin + bound + biff(0x000A, b"") + sheet + b"".join(cells) + biff(0x000A, b"")


def xls_cell(row: int, column: int, value: Any, *, formula: int = 0) -> bytes:
    """A text, a number, a truth value, or for bytes an error; the result of a formula if its record is given."""
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):
        encoded = value.encode("utf-16-le")
        return biff(0x0204, place + struct.pack("<HB", len(value), 1) + encoded)
    if formula:
        result = b"\x02\0" + value + b"\0\0\0\xff\xff" if isinstance(value, bytes) else struct.pack("<d", value)
        return biff(formula, place + result + bytes(6) + struct.pack("<H", 3) + b"\x1e\x01\0")
    if isinstance(value, bool | bytes):
        return biff(0x0205, place + (value + b"\x01" if isinstance(value, bytes) else bytes([value, 0])))
    return biff(0x0203, place + struct.pack("<d", value))


def biff(number: int, content: bytes) -> bytes:
    """A record of an .xls."""
    return struct.pack("<HH", number, len(content)) + content
