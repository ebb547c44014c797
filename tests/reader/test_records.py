from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import InputError
from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_file_that_changes_while_it_is_read_is_told(make: Callable[..., Path]) -> None:
    path = make("id,name\n1,A\n")
    with open_table(path) as table:
        path.write_bytes(b"id,name\n1,\xff\n")
        with pytest.raises(InputError, match="was changed while it was being read"):
            list(table.batches())


def test_a_file_that_goes_away_while_it_is_read_is_told(make: Callable[..., Path]) -> None:
    path = make("id,name\n1,A\n")
    with open_table(path) as table:
        path.unlink()
        with pytest.raises(InputError, match="could not be read to its end"):
            list(table.batches())
