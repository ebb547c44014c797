"""How far a run is, in a small file of its folder, for processes that watch it.

The journal alone says what became of the rows; this says what it can't: how fast they go, and what keeps them.
"""

from __future__ import annotations

import json
import math
import secrets
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.model import Outcome, Progress, Traffic
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchupdate.util.clock import Clock

NAME = ".progress.json"
EVERY_S = 0.5


class Seen(NamedTuple):
    """How far a run was at a time, in seconds since 1970."""

    progress: Progress
    at: float


@contextmanager
def shown_to_others(
    folder: Path, clock: Clock, on_progress: Callable[[Progress], None]
) -> Iterator[Callable[[Progress], None]]:
    """A hook that passes progress on, and keeps it in the run's folder as long as the run is at work."""
    path, due = folder / NAME, -math.inf

    def show(progress: Progress) -> None:
        nonlocal due
        if clock.monotonic() >= due:
            due = clock.monotonic() + EVERY_S
            _write(path, {**asdict(progress), "traffic": progress.traffic._asdict(), "at": clock.unix()})
        on_progress(progress)

    try:
        yield show
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def read_progress(folder: Path) -> Seen | None:
    """How far a run is, as the process that works on it said last; None if none does."""
    try:
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
        at, traffic = float(said.pop("at")), Traffic(**said.pop("traffic"))
        counts = {Outcome(name): int(count) for name, count in said.pop("counts").items()}
        return Seen(Progress(**said, counts=counts, traffic=traffic), at)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # also one of another version of ours
        return None


def _write(path: Path, said: dict[str, Any]) -> None:
    """Writes the file whole. Nobody misses a line of it so much that a run should end for it."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with suppress(OSError):
        with open_new(beside) as file:
            json.dump(said, file)
        try:
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
