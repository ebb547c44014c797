"""Counts, durations and sizes as people say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def many(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def times(count: int) -> str:
    """`once`, `2 times`."""
    return "once" if count == 1 else f"{count:,} times"


def span(seconds: float) -> str:
    """A duration, such as `4.2 s` or `1 h 05 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(path: Path) -> str:
    """A folder's size on disk, in SI units."""
    total: float = sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    for unit in ("B", "KB", "MB"):
        if total < 1000:  # noqa: PLR2004 - SI units
            return f"{total:.0f} {unit}"
        total /= 1000
    return f"{total:.1f} GB"
