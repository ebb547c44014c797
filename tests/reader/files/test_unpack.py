from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from workbooks import book

from batchupdate.reader.files import unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = b"id,name\n007,A\n"


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = unpack._zstd().compress(content)
    return packed


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(TABLE, mtime=0)),
        ("a.tsv.zst", zstd(TABLE.replace(b",", b"\t"))),
        ("a.zip", zipped({"folder/": b"", "folder/a.csv": TABLE, "__MACOSX/._a.csv": b"x", ".DS_Store": b"x"})),
        ("b.zip", zipped({"readme.md": b"hello", "a.csv": TABLE})),
        ("a.xlsx.gz", gzip.compress(book(("s", [["id", "name"], ["007", "A"]])), mtime=0)),
        ("a.jsonl.gz", gzip.compress(b'{"id": "007", "name": "A"}\n', mtime=0)),
    ],
)
def test_a_compressed_table_is_read_as_if_it_were_not(
    read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert read(content, name).cells == [("007", "A")]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_problem_inside_an_archive_names_both(refused: Callable[..., str]) -> None:
    assert "a.zip (t\\?t.csv): row 2" in refused(zipped({"t\x1bt.csv": b'id\n"1\n'}), "a.zip").replace("?", "\\?")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(TABLE * 99, mtime=0)[:-12]),
        ("a.csv.gz", gzip.compress(TABLE * 99, mtime=0)[:20] + bytes(50)),
        ("a.csv.zst", zstd(TABLE * 99)[:-12]),
        ("a.csv.zst", zstd(TABLE * 99)[:6] + b"\xff" * 50),
        ("a.zip", zipped({"a.csv": TABLE * 99}).replace(b"\x78", b"\x79").replace(b"\xcb", b"\xcc")),
    ],
)
def test_a_damaged_archive_is_refused(refused: Callable[..., str], name: str, content: bytes) -> None:
    assert "damaged" in refused(content, name)


def test_an_archive_with_a_password_is_refused(refused: Callable[..., str]) -> None:
    content = bytearray(zipped({"a.csv": TABLE}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "protected with a password" in refused(bytes(content), "a.zip")


def test_what_unfolds_too_far_is_refused_and_leaves_nothing_behind(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(unpack, "RATIO_MATTERS_FROM", 1 << 20)
    assert "unfolds to more than 1,048,576 bytes" in refused(gzip.compress(bytes(3 << 20)), "a.csv.gz")
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_bzip2_or_lzma_has_packed_is_never_unpacked_in_one_go(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    largest = 0
    once = unpack._copy

    def watched(inside: Any, *args: Any) -> None:
        class Watched:
            def read(self, size: int) -> bytes:
                nonlocal largest
                largest = max(largest, size)
                return cast("bytes", inside.read(size))

        once(cast("Any", Watched()), *args)

    monkeypatch.setattr(unpack, "_copy", watched)
    monkeypatch.setattr(unpack, "RATIO_MATTERS_FROM", 1 << 20)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.csv", bytes(9 << 20))
    assert "unfolds to more than" in refused(out.getvalue(), "a.zip")
    assert largest == 4096


def test_a_file_that_is_none_after_unpacking_is_refused(refused: Callable[..., str]) -> None:
    assert "an archive" in refused(zipped({}), "a.zip").replace("an empty ZIP archive", "an archive")
    assert "with no file" in refused(zipped({"folder/": b""}), "a.zip")
    assert "with no file" in refused(zipped({"~": b""}).replace(b"~", b"\0"), "a.zip")
    assert "is empty" in refused(gzip.compress(b""), "a.csv.gz")
