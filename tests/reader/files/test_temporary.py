from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from batchupdate.errors import InputError
from batchupdate.reader.files import temporary
from batchupdate.reader.files.temporary import CopyLimit, copy_bounded, remove_orphans, temporary_file


class Endless(io.RawIOBase):
    """A stream such as that of `yes`."""

    def read(self, size: int = -1) -> bytes:
        return b"y\n" * (size // 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_an_endless_stream_is_refused_at_the_limit_and_its_growth_is_said_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(temporary, "_FIRST_NOTICE_BYTES", 2_000_000)
    said: list[str] = []
    out = io.BytesIO()
    with pytest.raises(InputError, match=r"standard input has more than 9,000,000 bytes.*--max-copy 20GB"):
        copy_bounded(Endless(), out, "standard input", CopyLimit(9_000_000, said.append))  # type: ignore[arg-type] # only read
    assert said == [f"standard input goes on: {size} MB of at most 9 MB are copied so far." for size in (2, 4, 8)]
    assert len(out.getvalue()) <= 9_000_000


def test_as_much_as_the_limit_is_copied() -> None:
    out = io.BytesIO()
    copy_bounded(io.BytesIO(b"x" * 1000), out, "a", CopyLimit(1000))
    assert out.getvalue() == b"x" * 1000


def test_a_file_is_gone_when_it_is_left_and_keeps_its_suffix(folder: Path) -> None:
    with temporary_file("a.xlsx") as (path, _out):
        assert [path] == list(folder.iterdir())
        assert path.suffix == ".xlsx"
    assert list(folder.iterdir()) == []


HOLD = """
import sys, tempfile
from batchupdate.reader.files.temporary import temporary_file
tempfile.tempdir = sys.argv[1]
with temporary_file("a.csv") as (path, out):
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it can't lock so")
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_needs_is_not(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        path = Path(child.stdout.readline().strip())
        long_ago = time.time() - 3600
        os.utime(path, (long_ago, long_ago))
        remove_orphans()
        assert path.exists()
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert path.exists()
        remove_orphans()
        assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="it can't lock so")
def test_nothing_else_is_removed(folder: Path) -> None:
    other, link = folder / "batchupdate-other", folder / "batchupdate-copy-link"
    other.touch()
    link.symlink_to(other)
    fresh = folder / "batchupdate-copy-fresh.csv"  # its process may be about to lock it
    fresh.touch()
    for path in (other, link):
        os.utime(path, (1, 1), follow_symlinks=False)
    remove_orphans()
    assert set(folder.iterdir()) == {other, link, fresh}
