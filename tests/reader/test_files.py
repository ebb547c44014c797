"""Files that are missing, or are something else than a table; pipes; and files that were damaged at random."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions, local_copy, open_table, source_name
from batchupdate.spreadsheet.headers import normalise_heading

if TYPE_CHECKING:
    from collections.abc import Callable


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
        (zipped("mimetype", "content.xml"), "a.ods", "damaged Excel workbook"),
        (zipped("xl/workbook.bin"), "a.xlsb", "damaged Excel workbook"),
        (zipped("xl/workbook.xml"), "a.csv", "is an Excel workbook, although its name ends in .csv"),
        (zipped("xl/workbook.xml"), "a.xlsx", "damaged Excel workbook"),
        (b"PK\x03\x04 and then nothing", "a.csv", "damaged workbook or ZIP archive"),
        (b"PK\x03\x04 and then nothing", "a.xlsx", "damaged workbook"),
        (OLE2, "a.tsv", "is an Excel workbook, although its name ends in .tsv"),
        (OLE2, "a.xls", "damaged Excel workbook"),
        (OLE2 + "WordDocument".encode("utf-16-le"), "a.xls", "a Word document"),
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


def test_a_missing_file_is_told_with_names_that_are_close(
    refused: Callable[..., str], make: Callable[..., Path], tmp_path: Path
) -> None:
    make("id\n1\n", "renames.csv")
    assert "There is no file" in refused(tmp_path / "rename.csv")
    assert "Did you mean renames.csv?" in refused(tmp_path / "rename.csv")
    assert "Check the name" in refused(tmp_path / "quite different")
    assert "There is no folder" in refused(tmp_path / "nowhere" / "a.csv")


def test_a_folder_is_refused_with_a_file_that_is_in_it(
    refused: Callable[..., str], make: Callable[..., Path], tmp_path: Path
) -> None:
    assert "is a folder. Give a file." in refused(tmp_path)
    make("id\n1\n", "renames.csv")
    assert "renames.csv" in refused(tmp_path)


def test_an_impossible_name_is_refused() -> None:
    with pytest.raises(InputError, match="can't be the name of a file"):
        open_table("a\0b")


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_a_file_that_can_not_be_opened_is_refused(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, raised: OSError, sentence: str
) -> None:
    path = make("id\n1\n")

    def fail(*_args: object, **_options: object) -> None:
        raise raised

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(InputError, match=sentence):
        open_table(path)


def test_a_file_that_changes_while_it_is_opened_is_told(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_args: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr("batchupdate.reader.csv.open_text", changed)
    with pytest.raises(InputError, match="was changed while it was being read"):
        open_table(make("id\n1\n"))


def test_a_folder_that_can_not_be_listed_suggests_nothing(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", fail)
    assert "Check the name" in refused(tmp_path / "a.csv")


def test_standard_input_is_read_and_its_copy_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("id;name\n1;Zürich\n".encode("cp1252"))))
    with open_table("-") as table:
        assert table.source == "standard input"
        copy = table._records._path
        assert copy.exists()
        assert [row.cells for batch in table.batches() for row in batch] == [("1", "Zürich")]
    assert not copy.exists()


def test_the_copy_is_removed_when_the_input_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(InputError, match="standard input is empty"):
        open_table("-")
    assert list(tmp_path.iterdir()) == []


def test_a_local_copy_of_a_file_is_the_file(make: Callable[..., Path]) -> None:
    path = make("id\n1\n")
    with local_copy(path) as same:
        assert same == path
    assert path.exists()


def test_a_local_copy_of_any_stream_can_be_read_twice() -> None:
    with local_copy("-", io.BytesIO(b"id\n1\n")) as copy:
        assert copy.read_bytes() == copy.read_bytes() == b"id\n1\n"
        if os.name == "posix":
            assert copy.stat().st_mode & 0o077 == 0
    assert not copy.exists()


def test_an_error_of_the_caller_passes_through_a_local_copy(make: Callable[..., Path]) -> None:
    with pytest.raises(OSError, match="mine"), local_copy(make("id\n")):
        raise OSError("mine")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"id\n1\n",))
    writer.start()
    with open_table(pipe) as table:
        assert table.source == str(pipe)
        assert [row.cells for batch in table.batches() for row in batch] == [("1",)]
    writer.join()


@pytest.mark.parametrize("raised", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_copy_that_fails_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: BaseException
) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise raised

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises((InputError, KeyboardInterrupt)), local_copy("-", Broken()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_can_not_be_made_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="can't be copied to a temporary file"), local_copy("-", io.BytesIO()):
        pass


def test_an_input_has_a_name_for_sentences(make: Callable[..., Path]) -> None:
    assert source_name("-") == "standard input"
    with open_table(make("id\n1\n"), source="the upload") as table:
        assert table.source == "the upload"


def test_headings_match_whatever_their_case_spaces_underscores_and_hyphens() -> None:
    same = ("integrationId", "Integration ID", "integration_id", " INTEGRATION-ID ", "integration\u00a0id")
    assert {normalise_heading(text) for text in same} == {"integrationid"}
    assert normalise_heading("Straße") == normalise_heading("STRASSE")
    assert normalise_heading("name") != normalise_heading("name2")


def seeds(data: Path) -> list[bytes]:
    rows = "".join(f'{n},"Zürich, {n}",=x\n' for n in range(30))
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for n in range(20):
            sheet.write_row(n, 0, [f"id{n}", n, n / 7, True])
    texts = [f"id,name,note\n{rows}".encode(codec) for codec in ("utf-8", "utf-16", "cp1252", "utf-16-be")]
    return [*texts, out.getvalue(), (data / "changes.xls").read_bytes()]


def damaged(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(0, 8)):
        changed[rng.randrange(len(changed))] = rng.choice([0, 10, 13, 34, 44, 60, 128, 255, rng.randrange(256)])
    if rng.random() < 0.3:
        del changed[rng.randrange(len(changed)) :]
    if rng.random() < 0.1:
        changed += rng.randbytes(50)
    return bytes(changed)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_but_a_sentence_comes_out_of_a_damaged_file(data: Path, tmp_path: Path, seed: int) -> None:
    content = seeds(data)[int(seed)]
    rng = random.Random(f"reader {seed}")  # noqa: S311 - damage, no secrets
    old_format = content.startswith(OLE2[:8])
    for number in range(12 if old_format else 60):
        path = tmp_path / f"{number}.{rng.choice(['csv', 'xlsx', 'xls', 'bin', 'bin'])}"
        path.write_bytes(damaged(rng, content))
        error = read_to_the_end(path, ReadOptions(limit=rng.choice([None, 5])))
        assert error is None or (error.hint and error.message.startswith((str(path), "There is")))


def read_to_the_end(path: Path, options: ReadOptions) -> InputError | None:
    try:
        with open_table(path, options) as table:
            for batch in table.batches(7):
                assert all(row.number > table.header_row for row in batch)
    except InputError as error:
        return error
    return None
