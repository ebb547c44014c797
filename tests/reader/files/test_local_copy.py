from __future__ import annotations

import errno
import io
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import InputError
from batchupdate.reader import local_copy, open_table

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_missing_file_is_told_with_names_that_are_close(
    refused: Callable[..., str], make: Callable[..., Path], tmp_path: Path
) -> None:
    make("id\n1\n", "renames.csv")
    assert "There is no file" in refused(tmp_path / "rename.csv")
    assert "Did you mean renames.csv?" in refused(tmp_path / "rename.csv")
    assert "Check the name" in refused(tmp_path / "quite different")
    assert "Did you mean renames.csv?" in refused(tmp_path / "renames.cvs")
    for name in ("~$budget.xlsx", ".budget.xlsx", "budget.pdf"):
        make("", name)
    (tmp_path / "budget.csv").mkdir()
    assert "Check the name" in refused(tmp_path / "budget.xlsx")
    assert "There is no folder" in refused(tmp_path / "nowhere" / "a.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such files")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused_before_it_is_read(refused: Callable[..., str], device: str) -> None:
    assert refused(Path(device)).startswith(f"{device} is neither a file nor a pipe, but a device or a socket.")


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
