"""A workbook that the disk has no room for ends in an error, and in no traceback long afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
import xlsxwriter

from batchupdate.spreadsheet.xlsx_file import workbook_file

if TYPE_CHECKING:
    from pathlib import Path

LIMITED = """
import resource, sys
from batchupdate.cli import app
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
sys.argv[0] = "batchupdate"
app()
"""


needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of this kind")


def limited(folder: Path, limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, where no file may become larger than so many bytes."""
    command = [sys.executable, "-c", LIMITED.format(limit=limit), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@needs_limits
@pytest.mark.parametrize("limit", [100, 4_500, 9_000])
def test_a_template_that_the_disk_can_not_hold_is_told_without_a_traceback(tmp_path: Path, limit: int) -> None:
    made = limited(tmp_path, limit, "template", "langdock-integration")
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr == (
        "Error: langdock-integration.xlsx can't be written: File too large.\nGive another name with -o.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@needs_limits
def test_a_copy_with_notes_that_the_disk_can_not_hold_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,name\nx,y\n")
    made = limited(tmp_path, 4_500, "check", "in.csv", "-t", "langdock-integration", "--annotate", "out.xlsx")
    assert made.returncode == 2
    assert "Error: out.xlsx can't be written: File too large." in made.stderr
    assert "Traceback" not in made.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_what_fits_is_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.touch(mode=0o600)
    with workbook_file(path) as file, xlsxwriter.Workbook(file) as book:
        book.add_worksheet("one")
    assert path.read_bytes()[:2] == b"PK"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_error_of_ours_passes_and_what_is_written_after_it_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    made = workbook_file(path)
    kept = made.__enter__()
    assert not made.__exit__(KeyError, KeyError(), None)
    assert (kept.write(b"abc"), kept.tell()) == (3, 3)
    assert (kept.seek(7), kept.write(b"abc"), kept.tell()) == (7, 3, 10)
    kept.flush()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("size", [0, 30, 5_000])
def test_an_archive_that_is_closed_long_after_its_disk_was_full_makes_no_noise(tmp_path: Path, size: int) -> None:
    """Wherever in the archive the disk became full: nothing else shows what `ZipFile` does when it is collected."""
    made = workbook_file(tmp_path / "a.xlsx")
    kept = made.__enter__()
    archive = zipfile.ZipFile(kept, "w")
    archive.writestr("first", os.urandom(size))
    made.__exit__(OSError, OSError(errno.ENOSPC, "full"), None)
    archive.close()
    assert (tmp_path / "a.xlsx").stat().st_size <= size + 200


def test_an_error_of_the_library_is_told_as_that_of_the_system(tmp_path: Path) -> None:
    from xlsxwriter.exceptions import FileCreateError  # noqa: PLC0415

    with pytest.raises(OSError, match="No space") as caught, workbook_file(tmp_path / "a.xlsx"):
        raise FileCreateError(OSError(errno.ENOSPC, "No space left"))
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="odd"), workbook_file(tmp_path / "a.xlsx"):
        raise FileCreateError("odd")
