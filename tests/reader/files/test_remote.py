from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from batchupdate.reader import source_name
from batchupdate.reader.files import remote

fsspec = pytest.importorskip("fsspec")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def memory() -> Iterator[Any]:
    place = fsspec.filesystem("memory")
    yield place
    place.store.clear()


def test_a_url_is_read_through_fsspec(read: Callable[..., Any], memory: Any) -> None:
    memory.pipe("/a/changes.csv", b"id,name\n1,A\n")
    assert read(Path("memory://a/changes.csv")).cells == [("1", "A")]


def test_a_url_that_names_nothing_is_told(refused: Callable[..., str], memory: Any) -> None:
    assert not memory.store
    assert "There is no file memory://a/none.csv" in refused(Path("memory://a/none.csv"))


def test_no_message_holds_a_credential(refused: Callable[..., str]) -> None:
    text = refused(Path("nowhere://user:hunter2@host/a.csv?signature=hunter2#hunter2"))
    assert "hunter2" not in text
    assert "nowhere://host/a.csv" in text
    assert source_name("https://u:hunter2@h/x.csv?sig=hunter2") == "https://h/x.csv"


def test_a_failing_place_is_told_without_its_own_words(
    refused: Callable[..., str], memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def open(self) -> Self:
            return self

        def read(self, _: int) -> bytes:
            raise RuntimeError("key=hunter2")

    assert not memory.store
    monkeypatch.setattr(fsspec, "open", lambda *_: Broken())
    assert "memory://a.csv can't be read (RuntimeError)" in refused(Path("memory://a.csv"))


def test_plain_http_is_refused_but_for_this_machine(refused: Callable[..., str]) -> None:
    assert "without encryption" in refused(Path("http://example.com/a.csv"))
    assert "There is no file http://127.0.0.1:9/a.csv, or" in refused(Path("http://127.0.0.1:9/a.csv"))


def test_a_missing_library_is_told_with_its_name(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "fsspec needs another library for s3://" in refused(Path("s3://bucket/a.csv"))
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert "pip install 'batchupdate[remote]'" in refused(Path("s3://bucket/a.csv"))


@pytest.mark.parametrize("path", ["a.csv", "C:/a.csv", "C:\\a.csv", "-", "a:b", "dir/x://y"])
def test_a_path_is_no_url(path: str) -> None:
    assert remote.url_of(path) is None
