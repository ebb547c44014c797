"""Finds out how a text file is encoded, over the whole file."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from batchupdate.errors import InputError
from batchupdate.model import UncertainNotice
from batchupdate.reader.csv_dialect import SAMPLE_CHARACTERS, count_records, find_delimiter
from batchupdate.reader.encoding_guess import beyond_ascii, is_plausible, likely_encoding
from batchupdate.reader.files.kind import HEAD_BYTES, looks_binary, refuse_binary
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 1 << 20
MAX_LINE = 16 * CHUNK_BYTES
"""Characters. A line is read in one piece, so an endless one would take endless memory."""

BOM = "\ufeff"

# UTF-32's little-endian mark begins with that of UTF-16, so it stands first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_FOR_FILES = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_NOT_ASCII = bytes(range(128, 256))

SAY_ENCODING = "Say how it is written with --encoding, or save it as 'CSV UTF-8'."


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a text file is encoded. `guessed` is true where the bytes alone do not prove it.

    `plausible` is false for a guess whose text does not look like one of a Western language.
    """

    name: str
    guessed: bool = False
    plausible: bool = True


class _NotText(Exception):  # noqa: N818 - it never leaves this file
    """A NUL character, or a line beyond all measure, `offset` bytes into the file."""

    def __init__(self, offset: int, *, nul: bool) -> None:
        super().__init__()
        self.offset = offset
        self.nul = nul


class _Undecodable(Exception):  # noqa: N818 - as above
    """The byte at `offset` is no text in this encoding."""

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset


def find_encoding(path: Path, given: str | None, source: str) -> Encoding:
    """Finds out a text file's encoding, or proves that the given one fits. Reads the whole file once or twice.

    A byte order mark decides; then the NULs that UTF-16 has between Latin letters; then whether everything is valid
    UTF-8; what is left is taken for Windows-1252, which Excel writes in Western Europe and America. Where that is no
    plausible text, it is taken for what charset-normalizer finds most likely.

    Raises:
        InputError: the encoding is unknown or does not fit, or the file is no text.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    known = marked if given is None else _agreed(given, marked, head, source)
    name = known or _utf16_by_nuls(head) or "utf-8"
    by_nuls = known is None and name != "utf-8"
    if by_nuls and looks_binary(head.decode(name, "replace")):
        refuse_binary(source)
    try:
        _scan(path, name)
    except (_NotText, _Undecodable) as problem:
        if known is None and not by_nuls and looks_binary(head.decode("latin-1")):
            refuse_binary(source)
        if isinstance(problem, _NotText):
            _refuse_not_text(path, name, problem, source)
        if known is None and not by_nuls:
            return _not_utf8(path, problem.offset, source)
        row = row_of_byte(path, name, problem.offset)
        way_out = SAY_ENCODING if given is None else "Leave --encoding out to have it found out, or say another one."
        raise InputError(
            f"{source}: row {row:,} (byte {problem.offset + 1:,}) is no text in {name.upper()}.", way_out
        ) from None
    return Encoding(name)


def _agreed(given: str, marked: str | None, head: bytes, source: str) -> str:
    """The encoding that the user named, made more exact by the file's mark, which must not contradict it."""
    name = _lookup(given)
    if marked is not None and name.split("-")[:2] != marked.split("-")[:2]:
        raise InputError(
            f"{source} begins with the mark of {marked.upper()}, so it is not written in {given!r}.",
            "Leave --encoding out.",
        )
    if marked is None and name in {"utf-16", "utf-32"}:
        # These two codecs insist on a mark; without one, the side of the NULs tells, and else what Windows uses.
        return (name == "utf-16" and _utf16_by_nuls(head)) or f"{name}-le"
    return marked or name


def _lookup(given: str) -> str:
    try:
        codec = codecs.lookup(given)
    except (LookupError, ValueError):
        codec = None
    if codec is None or not codec._is_text_encoding or codec.name in _NOT_FOR_FILES:  # noqa: SLF001 - the only way to tell 'hex' from 'utf-8'
        raise InputError(
            f"There is no text encoding named {given!r}.",
            "Usual ones are utf-8, utf-16, cp1252 (Western Europe), cp1250 (Central Europe), cp1251 (Cyrillic), "
            "mac-roman, shift_jis, gb18030.",
        )
    return {"utf-8-sig": "utf-8"}.get(codec.name, codec.name)


def _utf16_by_nuls(head: bytes) -> str | None:
    """UTF-16 without a mark: Latin letters, digits, delimiters and line ends have a NUL on the same side each."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    most = max(even, odd)
    if most * 20 < len(head) or min(even, odd) * 10 > most:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _scan(path: Path, encoding: str) -> None:
    """Decodes the whole file, a piece at a time, and throws the text away."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = since_line_end = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise _Undecodable(offset - pending + error.start) from None
            if "\0" in text:
                before = text[: text.index("\0")].encode(encoding, "replace")
                raise _NotText(offset - pending + len(before), nul=True)
            last = max(text.rfind("\n"), text.rfind("\r"))
            since_line_end = since_line_end + len(text) if last < 0 else len(text) - last - 1
            if since_line_end > MAX_LINE:
                raise _NotText(offset, nul=False)
            if not chunk:
                return
            offset += len(chunk)


def _refuse_not_text(path: Path, encoding: str, problem: _NotText, source: str) -> NoReturn:
    if problem.nul:
        row = row_of_byte(path, encoding, problem.offset)
        raise InputError(
            f"{source}: row {row:,} (byte {problem.offset + 1:,}) holds a NUL character, which no text has.",
            "The file is damaged or is no text: export it again.",
        )
    raise InputError(
        f"{source}: a line is longer than {MAX_LINE:,} characters, so this is not a table.",
        "Give a .csv, .xlsx or .xls file with one record in each row.",
    )


def _not_utf8(path: Path, offset: int, source: str) -> Encoding:
    """A file that is not UTF-8: Windows-1252, unless it is a damaged UTF-8 file or no text at all."""
    if _mostly_utf8(path):
        row = row_of_byte(path, "utf-8", offset)
        raise InputError(
            f"{source} is written in UTF-8, but row {row:,} (byte {offset + 1:,}) is not: the file is damaged, "
            "or was put together from files of different encodings.",
            "Correct that row and save the file as UTF-8, or say --encoding if all of it is written another way.",
        )
    try:
        _scan(path, "cp1252")
    except _Undecodable as problem:
        row = row_of_byte(path, "cp1252", problem.offset)
        raise InputError(
            f"{source}: the encoding can't be found out: row {row:,} (byte {problem.offset + 1:,}) is neither "
            "UTF-8 nor Windows-1252.",
            SAY_ENCODING,
        ) from None
    except _NotText as problem:
        _refuse_not_text(path, "cp1252", problem, source)
    sample = beyond_ascii(path)
    if is_plausible(sample.decode("cp1252", "replace")):
        return Encoding("cp1252", guessed=True)
    likely = likely_encoding(sample)
    name = likely if likely is not None and _fits(path, likely) else "cp1252"
    return Encoding(name, guessed=True, plausible=False)


def _fits(path: Path, encoding: str) -> bool:
    """Whether the whole file is text in this encoding."""
    try:
        _scan(path, encoding)
    except (_NotText, _Undecodable):
        return False
    return True


def _mostly_utf8(path: Path) -> bool:
    """Whether more characters beyond ASCII are valid UTF-8 than are not.

    One such character alone proves little: in Windows-1252, the end of «CAFÉ» happens to be one.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    good = bad = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            text = decoder.decode(chunk)
            broken = text.count("\ufffd")
            bad += broken
            good += len(text) - broken - len(chunk.translate(None, _NOT_ASCII))
    return good > bad


def open_text(path: Path, encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    """Opens a text file for the csv module, past its byte order mark."""
    text = path.open(encoding=encoding, errors=errors, newline="")
    try:
        if text.read(1) != BOM:
            text.seek(0)
    except UnicodeError:
        text.close()
        raise
    return text


def row_of_byte(path: Path, encoding: str, offset: int) -> int:
    """The number of the row that a byte belongs to; quoted line ends are counted as the csv module counts them."""
    with open_text(path, encoding, "replace") as text:
        sample = text.read(SAMPLE_CHARACTERS)
    delimiter, skip = find_delimiter(sample)
    unit = 4 if "32" in encoding else 2 if "16" in encoding else 1
    return max(count_records(_lines_before(path, encoding, offset + unit, skip), delimiter), 1)


def _lines_before(path: Path, encoding: str, end: int, skip: int) -> Iterator[str]:
    """The lines of the first `end` bytes, the last one cut off there."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    left = end
    rest = ""
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(left, CHUNK_BYTES))
            left = left - len(chunk) if chunk else 0
            lines = io.StringIO(rest + decoder.decode(chunk, final=not left), newline="").readlines()
            # The last line may go on in the next chunk, and a lone CR at its end may be half of a line end.
            rest = lines.pop() if lines and left else ""
            yield from lines[skip:]
            skip = max(skip - len(lines), 0)


def first_beyond_ascii(path: Path, encoding: str, delimiter: str, skip: int) -> tuple[int, str] | None:
    """The first row with a character beyond ASCII, and that cell as read; None if the csv module stumbles before."""
    number = 0
    with open_text(path, encoding) as text:
        for _ in range(skip):
            text.readline()
        reader = csv.reader(text, delimiter=delimiter)
        try:
            while chunk := list(islice(reader, 1000)):
                for cells in chunk:
                    number += 1
                    cell = next((cell for cell in cells if not cell.isascii()), None)
                    if cell is not None:
                        return number, cell
        except csv.Error:
            return None
    return None


def encoding_notice(path: Path, found: Encoding, delimiter: str, skip: int) -> str:
    """Says that the encoding is a guess, and shows what it made of the first cell where it matters."""
    cell = first_beyond_ascii(path, found.name, delimiter, skip)
    shown = f" Row {cell[0]:,} then reads {quoted(cell[1])}." if cell else ""
    if found.plausible:
        return (
            "The file is not UTF-8, so it is read as Windows-1252 (Western European)."
            f"{shown} If that looks wrong, say how it is written with --encoding."
        )
    return UncertainNotice(
        f"The file is not UTF-8, and no plausible text in Windows-1252; it is read as {found.name}, which is a guess."
        f"{shown} Say how it is written with --encoding, or save it as 'CSV UTF-8'."
    )
