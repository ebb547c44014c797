"""What a file is, by its content. A name can be wrong, and a file that is something else deserves a sentence."""

from __future__ import annotations

import json
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn
from xml.etree.ElementTree import ParseError

from batchupdate.errors import InputError
from batchupdate.reader.registry import FORMATS, Format
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD_BYTES = 4096


_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
UNPACK = "Unpack it, and give the file inside."
EXPORT = "Export the table as .csv or .xlsx, and give that file."
_SAVE_AS = "Open it in your spreadsheet program and save it as .xlsx."

_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", EXPORT),
    (b"\x89PNG", "a PNG picture", EXPORT),
    (b"\xff\xd8\xff", "a JPEG picture", EXPORT),
    (b"GIF8", "a GIF picture", EXPORT),
    (b"\x1f\x8b", "compressed twice (gzip)", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed twice (Zstandard)", UNPACK),
    (b"BZh", "compressed (bzip2)", UNPACK),
    (b"\xfd7zXZ\x00", "compressed (xz)", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", EXPORT),
    (b"SQLite format 3\x00", "an SQLite database", EXPORT),
    (b"\x7fELF", "a program", EXPORT),
    (b"MZ\x90\x00", "a program", EXPORT),
    (b"{\\rtf", "a rich-text document", EXPORT),
)
_MARKUP = (
    (b"<!doctype html", "a web page (HTML)"),
    (b"<html", "a web page (HTML)"),
    (b"<table", "a web page (HTML)"),
    (b"<?xml", "an XML file"),
)
_CONTROL = frozenset(range(32)) - set(b"\t\n\v\f\r\x1a\x1b")

_WORKBOOK_SUFFIXES = frozenset(suffix for each in FORMATS.values() if each.workbook for suffix in each.suffixes)
_TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})
_BY_NAME_ALONE = ("html", "xml", "fwf", "stata")
"""A page or a document is mostly no table, so that it is read as one only where its name says what it is; old Stata
files and columns of fixed width begin with nothing that tells."""
_FIRST_LINE_BYTES = 16 << 20


def find_format(path: Path, source: str) -> Format:
    """Finds out what a file is, and refuses what can't be read as a table.

    Args:
        path: a regular file.
        source: what to call it in a sentence.

    Raises:
        InputError: the file is empty, is something else, or is not what its name says.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{source} is empty (0 bytes).", "Check that it was exported or downloaded completely.")
    found = FORMATS[_name_of_format(path, head, source)]
    _compare_name(path.suffix.lower(), found, source)
    return found


def _name_of_format(path: Path, head: bytes, source: str) -> str:
    if head.startswith(_OLE2):
        return "xls"
    if head.startswith(_ZIP):
        return _format_of_zip(path, source)
    for each in FORMATS.values():
        if each.magic and head.startswith(each.magic):
            return each.name
    if _is_json_lines(path, head):
        return "jsonl"
    for name in _BY_NAME_ALONE:
        if path.suffix.lower() in FORMATS[name].suffixes:
            return name
    _refuse_others(head, source)
    return "csv"


def refuse_password(source: str) -> NoReturn:
    """Says that a workbook is protected.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"{source} is protected with a password, so it can't be read.",
        "Open it in your spreadsheet program and save it without a password. In Excel: File > Info > Protect Workbook; "
        "in LibreOffice: File > Save As, without 'Save with password'.",
    )


def refuse_damaged(source: str, cause: BaseException | None = None) -> NoReturn:
    """Says that a workbook can't be read, and why as far as a library said it.

    Raises:
        InputError: always.
    """
    reason = str(cause).strip().rstrip(".") if cause is not None else ""
    detail = f" ({quoted(reason, 120)})" if reason else ""
    raise InputError(
        f"{source} is a damaged workbook: it is cut off, or was changed on the way{detail}.",
        "Open it in your spreadsheet program and save it again as .xlsx; or download it again.",
    ) from cause


_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, LookupError, NotImplementedError, EOFError, ParseError)
"""What the libraries for ZIP and XML raise where a file is no sound workbook."""


@contextmanager
def damage_as_sentence(source: str) -> Iterator[None]:
    """Turns what the libraries raise for a damaged workbook into a sentence.

    Raises:
        InputError: one of them raised something.
    """
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        LookupError,
        NotImplementedError,
        EOFError,
        ParseError,
    ) as error:
        refuse_damaged(source, error)


def _names_in_zip(path: Path, source: str) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        what = "workbook" if path.suffix.lower() in _WORKBOOK_SUFFIXES else "workbook or ZIP archive"
        raise InputError(
            f"{source} is a damaged {what}: it is cut off or was changed on the way.",
            "Download or save it again.",
        ) from error


def is_zipped_document(path: Path, source: str) -> bool:
    """Whether a ZIP archive is one document, such as a workbook, and not a folder of files.

    Raises:
        InputError: it is damaged.
    """
    names = _names_in_zip(path, source)
    return (
        "[Content_Types].xml" in names
        or "mimetype" in names
        or any(name.startswith(("xl/", "word/", "ppt/")) for name in names)
    )


def _format_of_zip(path: Path, source: str) -> str:
    names = _names_in_zip(path, source)
    if "xl/workbook.bin" in names:
        return "xlsb"
    if any(name.startswith("xl/") for name in names):
        return "xlsx"
    if "encrypted-package" in names and "mimetype" in names:  # OpenDocument 1.3, part 2, section 3.4
        refuse_password(source)
    if "content.xml" in names and "mimetype" in names:
        return "ods"
    if any(name.startswith("word/") for name in names):
        raise InputError(f"{source} is a Word document, not a table.", EXPORT)
    raise InputError(f"{source} is a ZIP archive.", UNPACK)


def _is_json_lines(path: Path, head: bytes) -> bool:
    """Whether the first line that is not blank is a JSON object, or the name says so and nothing speaks against it."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"{"):
        return False
    if path.suffix.lower() in FORMATS["jsonl"].suffixes:
        return True
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as text:
        line = "\n"
        while line.isspace():
            line = text.readline(_FIRST_LINE_BYTES)
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_others(head: bytes, source: str) -> None:
    for signature, what, hint in _OTHERS:
        if head.startswith(signature):
            raise InputError(f"{source} is {what}, not a table.", hint)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    for signature, what in _MARKUP:
        if start.startswith(signature):
            raise InputError(f"{source} is {what}, not a table.", _SAVE_AS)
    if start.startswith((b'{"', b"[{", b"{\n", b"{\r\n", b"[\n", b"[\r\n")):
        raise InputError(
            f"{source} is a JSON file that is not written one record a line.",
            "Write one object on each line (jq -c '.[]' does), or export the table as .csv.",
        )


def looks_binary(head: str) -> bool:
    """Whether the beginning of a file, decoded, has so many control characters that it is no text."""
    found = sum(ord(character) in _CONTROL for character in head)
    return found >= 8 and found * 20 > len(head)  # noqa: PLR2004 - a few can slip into any text; 5 % can't


def refuse_binary(source: str) -> NoReturn:
    """Says that a file is no text.

    Raises:
        InputError: always.
    """
    raise InputError(f"{source} is a binary file, not a table.", "Give a .csv, .xlsx or .xls file.")


def _compare_name(suffix: str, found: Format, source: str) -> None:
    if found.name == "csv" and suffix in _WORKBOOK_SUFFIXES:
        raise InputError(
            f"{source} is no Excel workbook, although its name ends in {suffix}: it holds plain text.",
            "If it is a CSV file, rename it to end in .csv; otherwise save it again from Excel.",
        )
    if found.name not in {"csv", "jsonl"} and suffix in _TEXT_SUFFIXES:
        raise InputError(
            f"{source} is {found.what}, although its name ends in {suffix}.",
            f"Rename it to end in .{found.name}.",
        )
