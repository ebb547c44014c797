"""What every test of the reader needs: a file with this content, and the rows that are read from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions, open_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.model import Row

DATA = Path(__file__).parent / "data"


class Read:
    """One file, read to its end."""

    def __init__(self, path: Path | str, options: ReadOptions, size: int = 500) -> None:
        with open_table(path, options) as table:
            self.table = table
            self.columns = table.columns
            self.notices = " ".join(table.notices)
            self.sheet = table.sheet
            self.rows: list[Row] = [row for batch in table.batches(size) for row in batch]
        self.cells = [row.cells for row in self.rows]
        self.numbers = [row.number for row in self.rows]


@pytest.fixture
def data() -> Path:
    return DATA


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    def make(content: str | bytes, name: str = "changes.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def read(make: Callable[..., Path]) -> Callable[..., Read]:
    def read(content: str | bytes | Path, name: str = "changes.csv", size: int = 500, **options: object) -> Read:
        path = content if isinstance(content, Path) else make(content, name)
        return Read(path, ReadOptions(**options), size)  # type: ignore[arg-type] # tests name real options

    return read


@pytest.fixture
def refused(read: Callable[..., Read]) -> Callable[..., str]:
    def refused(content: str | bytes | Path, name: str = "changes.csv", **options: object) -> str:
        with pytest.raises(InputError) as caught:
            read(content, name, **options)
        assert caught.value.hint, f"no way out: {caught.value.message}"
        return str(caught.value)

    return refused
