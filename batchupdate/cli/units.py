"""Counts, durations and sizes as people say them; what reports say too stands in `util.units`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.util.units import many, span, three_digits, times

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["many", "size", "span", "three_digits", "times"]


def size(path: Path) -> str:
    """A folder's size on disk, in SI units."""
    total: float = sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    for unit in ("B", "KB", "MB"):
        if total < 1000:  # noqa: PLR2004 - SI units
            return f"{total:.0f} {unit}"
        total /= 1000
    return f"{total:.1f} GB"
