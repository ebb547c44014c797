"""Whether a new run is as large as its kind usually is, and as large as it may be.

A run's own past are the finished runs of the same target at the same address whose input had the same name, such as the
nightly.csv of other nights. The newest of them are looked at, and the median of a few is what is usual.
"""

from __future__ import annotations

from itertools import islice
from pathlib import PurePath
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.errors import BatchUpdateError, InputError
from batchupdate.journal import Journal
from batchupdate.reader.sources import can_be_read_again
from batchupdate.runs.folder import all_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.config import Settings

LOOKED_AT = 50
"""So many of the newest runs of all kinds are opened: it takes about a millisecond each."""

COMPARED = 10
ENOUGH = 3
"""Of fewer earlier runs, none is usual."""

TIMES, MORE = 5, 100
"""A run is unusual that has more than so many times as much as usual, and at least so much more."""

_CHOOSING = ("limit", "rows", "sample")
"""A run of some rows only, to try something out, says nothing of what is usual."""


class _Size(NamedTuple):
    """The rows that a run was to send, and the cells of these that clear a field."""

    rows: int
    cleared: int


def check_size(
    journal: Journal, settings: Settings, *, asks: bool = False, only_look: bool = False, yes_really: bool = False
) -> list[str]:
    """What is unusual about a new run, a sentence each.

    Args:
        journal: of the run, sealed.
        settings: where runs are kept, and how many rows are allowed.
        asks: whether a person is shown these sentences before anything is sent.
        only_look: whether nothing is to be sent at all.
        yes_really: whether everything was allowed beforehand.

    Raises:
        InputError: the run has more rows than `max_rows` allows; or it is unusual, and neither is a person asked nor
            has anybody allowed it.
    """
    meta = journal.meta()
    now = _Size(meta["to_send"], meta["cleared"])
    most = settings.max_rows
    if most is not None and now.rows > most and not yes_really:
        raise InputError(
            f"{now.rows:,} rows are to be sent, and --max-rows allows {most:,}.",
            "Check the file. If it is right, add --yes-really, or set max_rows higher. Nothing was sent.",
        )
    past = _past(settings.runs_dir, meta)
    rows = _unusual([one.rows for one in past], now.rows, "row is sent", "rows are sent")
    cleared = _unusual([one.cleared for one in past], now.cleared, "cell clears a field", "cells clear a field")
    if not (asks or only_look or yes_really):
        if rows and most is None:
            raise InputError(
                f"{rows} Nothing was sent, because nobody is asked whether that is right.",
                "If it is, add --yes-really; or set max_rows in the config to what may always be sent.",
            )
        if cleared:
            raise InputError(
                f"{cleared} Nothing was sent, because nobody is asked whether that is right.",
                "If it is, add --yes-really.",
            )
    return [sentence for sentence in (rows, cleared) if sentence]


def _unusual(past: Sequence[int], now: int, one: str, several: str) -> str:
    if len(past) < ENOUGH:
        return ""
    usual = median(past)
    if now <= TIMES * usual or now < usual + MORE:
        return ""
    return f"Usually about {usual:,.0f} {one if usual == 1 else several}; today {now:,}."


def _past(runs_dir: Path, meta: Mapping[str, Any]) -> list[_Size]:
    """The newest finished runs of the same kind."""
    kind = _kind(meta)
    if kind is None:
        return []
    return [size for other, size in islice(_finished(runs_dir), LOOKED_AT) if size and other == kind][:COMPARED]


def _finished(runs_dir: Path) -> Iterator[tuple[object, _Size | None]]:
    """Every run, the newest first: its kind, and how large it was; None for one that says nothing of that."""
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta = journal.meta()
        except BatchUpdateError:
            yield None, None
            continue
        same = meta.get("same", {})
        whole = not any(same.get(name) for name in _CHOOSING)
        if meta.get("finished") and whole and "to_send" in meta and "retry_of" not in meta:
            yield _kind(meta), _Size(meta["to_send"], meta["cleared"])
        else:
            yield None, None


def _kind(meta: Mapping[str, Any]) -> tuple[object, ...] | None:
    """What runs of one kind have in common; None where the input has no name, as a pipe and a data frame have none."""
    said = meta["input"]
    places = [file["path"] for file in said.get("files") or [said]]
    if not all(map(can_be_read_again, places)):
        return None
    names = tuple(PurePath(place).name for place in places)
    same = meta["same"]
    return names, meta["target"]["name"], same["base_url"], same["input"].get("query")
