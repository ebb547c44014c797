from __future__ import annotations

import gc
from contextlib import suppress
from pathlib import Path

import pytest

from batchupdate.util.spool import Spool

OPEN = Path("/proc/self/fd")


def deleted_files() -> list[Path]:
    """The open files of this process that have no name any more."""
    found = []
    for entry in OPEN.iterdir():
        with suppress(OSError):  # the listing's own
            found += [target] if (target := entry.readlink()).name.endswith("(deleted)") else []
    return sorted(found)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_items_come_back_in_order_at_every_pass(count: int) -> None:
    spool: Spool[int] = Spool(2)
    for number in range(count):
        spool.append(number)
    assert list(spool) == list(spool) == list(range(count))
    assert len(spool) == count


def test_two_passes_do_not_disturb_each_other_nor_what_is_added() -> None:
    spool: Spool[int] = Spool(2)
    for number in range(6):
        spool.append(number)
    one, other = iter(spool), iter(spool)
    assert [next(one), next(one), next(one), next(other)] == [0, 1, 2, 0]
    spool.append(6)
    assert list(other) == [1, 2, 3, 4, 5]
    assert list(one) == [3, 4, 5]
    assert list(spool) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.skipif(not OPEN.is_dir(), reason="shows open files on Linux only")
def test_its_file_has_no_name_and_is_closed_with_it() -> None:
    spool: Spool[int] = Spool(1)
    before = deleted_files()
    spool.append(1)
    assert len(deleted_files()) == len(before) + 1
    del spool
    gc.collect()
    assert deleted_files() == before
