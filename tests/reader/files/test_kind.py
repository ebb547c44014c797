from __future__ import annotations

import gzip
import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import book, ole2

from batchupdate.errors import InputError
from batchupdate.reader.files.kind import refuse_password

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path


TABLE = [["id", "name"], ["007", "A"], ["", ""], ["NA", "B"]]


def test_content_decides_between_xls_and_xlsx_and_where_the_name_says_nothing(
    read: Callable[..., Any], data: Path
) -> None:
    assert read(book(("s", TABLE)), "a.xls").table.format == "xlsx"
    assert read((data / "changes.xls").read_bytes(), "a.xlsx").table.format == "xls"
    assert read(book(("s", TABLE)), "download").table.format == "xlsx"


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"%PDF-1.7\n", "a.csv", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a.csv", "a PNG picture"),
        (gzip.compress(gzip.compress(b"id\n1\n", mtime=0), mtime=0), "a.csv.gz.gz", "compressed twice (gzip)"),
        (b"BZh9", "a.csv.bz2", "compressed (bzip2)"),
        (zipped("a.csv", "b.csv"), "a.zip", "a ZIP archive with 2 files (a.csv, b.csv); exactly one table can be read"),
        (zipped(), "a.zip", "an empty ZIP archive"),
        (zipped("word/document.xml"), "a.docx", "a Word document"),
        (zipped("mimetype", "content.xml"), "a.ods", "damaged workbook"),
        (zipped("xl/workbook.bin"), "a.xlsb", "damaged workbook"),
        (zipped("xl/workbook.xml"), "a.csv", "is an Excel workbook, although its name ends in .csv"),
        (zipped("xl/workbook.xml"), "a.xlsx", "damaged workbook"),
        (b"PK\x03\x04 and then nothing", "a.csv", "damaged workbook or ZIP archive"),
        (b"PK\x03\x04 and then nothing", "a.xlsx", "damaged workbook"),
        (OLE2, "a.tsv", "is an Excel workbook, although its name ends in .tsv"),
        (OLE2, "a.xls", "damaged workbook"),
        (ole2(WordDocument=b"x"), "a.xls", "a Word document"),
        (b"id,name\n1,A\n", "a.xlsx", "is no Excel workbook, although its name ends in .xlsx"),
        (b"\xef\xbb\xbf <HTML><table>", "a.xls", "a web page (HTML)"),
        (b"<?xml version='1.0'?>", "a.csv", "an XML file"),
        (b'{\n  "id": 1\n}\n', "a.json", "a JSON file that is not written one record a line"),
        (b'[{"id": 1}]\n', "a.json", "a JSON file that is not written one record a line"),
        (b"", "a.csv", "is empty (0 bytes)"),
    ],
)
def test_a_file_that_is_something_else_is_named_for_what_it_is(
    refused: Callable[..., str], content: bytes, name: str, sentence: str
) -> None:
    assert sentence in refused(content, name)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.CSV", "a.data"])
def test_a_text_file_is_known_by_its_content(read: Callable[..., Any], name: str) -> None:
    assert read("id\tname\n1\tA\n", name).cells == [("1", "A")]


def damaged(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(0, 8)):
        changed[rng.randrange(len(changed))] = rng.choice([0, 10, 13, 34, 44, 60, 128, 255, rng.randrange(256)])
    if rng.random() < 0.3:
        del changed[rng.randrange(len(changed)) :]
    if rng.random() < 0.1:
        changed += rng.randbytes(50)
    return bytes(changed)


@pytest.mark.parametrize("name", ["a.ods", "a.xlsx"])
def test_what_is_said_of_a_protected_workbook_names_the_way_out_of_libreoffice_too(name: str) -> None:
    with pytest.raises(InputError, match=r"In Excel: .*; in LibreOffice: ") as caught:
        refuse_password(name)
    assert caught.value.message == f"{name} is protected with a password, so it can't be read."
