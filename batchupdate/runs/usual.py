"""Whether a new run is as large as its kind usually is, and as large as it may be.

A run's own past are the finished runs of the same target at the same address whose input had the same name, such as the
nightly.csv of other nights; digits in it don't count, so that export-2026-11-29.csv has a past. A pipe or a data frame
has no name: those with the same headings are of one kind. The newest runs are looked at, and the median of a few is
what is usual.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import PurePath
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.errors import EXIT_OK, BatchUpdateError, InputError
from batchupdate.journal import Journal
from batchupdate.reader import STDIN
from batchupdate.reader.sources import can_be_read_again
from batchupdate.runs.folder import all_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.config import Settings
    from batchupdate.runs.folder import RunFolder

LOOKED_AT = 50
"""So many of the newest runs of all kinds are opened: it takes about a millisecond each."""

COMPARED = 10
ENOUGH = 3
"""Of fewer earlier runs, none is usual."""

TIMES, MORE = 5, 100
"""A run is unusual that has more than so many times as much as usual, and at least so much more."""

_digits = re.compile(r"\d+")

_CHOOSING = ("limit", "rows", "sample")
"""A run of some rows only, to try something out, says nothing of what is usual."""


class Size(NamedTuple):
    """The rows that a run was to send, and the cells of these that clear a field."""

    rows: int
    cleared: int


def size_of(journal: Journal) -> Size:
    """How large a run is by what it still has to send; it takes a few seconds for a million rows."""
    return Size(journal.to_send(), sum(one.cleared for one in journal.statistics.fields_to_send()))


def check_size(
    journal: Journal,
    settings: Settings,
    *,
    size: Size | None = None,
    asks: bool = False,
    only_look: bool = False,
    yes_really: bool = False,
) -> list[str]:
    """What is unusual about a new run, a sentence each.

    Args:
        journal: of the run, sealed.
        settings: where runs are kept, and how many rows are allowed.
        size: of the run; None for what its journal says of its input.
        asks: whether a person is shown these sentences before anything is sent.
        only_look: whether nothing is to be sent at all.
        yes_really: whether everything was allowed beforehand.

    Raises:
        InputError: the run has more rows than `max_rows` allows; or it is unusual, and neither is a person asked nor
            has anybody allowed it.
    """
    meta = journal.meta()
    now = size or Size(meta["to_send"], meta["cleared"])
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


def _past(runs_dir: Path, meta: Mapping[str, Any]) -> list[Size]:
    """The newest finished runs of the same kind."""
    kind = _kind(meta)
    return [size for other, size in islice(_finished(runs_dir), LOOKED_AT) if size and other == kind][:COMPARED]


def last_was_fine(runs_dir: Path, folder: RunFolder, meta: Mapping[str, Any]) -> bool | None:
    """Whether every row of the last run of the same kind succeeded; None if there was none.

    Args:
        runs_dir: where runs are kept.
        folder: of the run that this is about; it does not count.
        meta: of that run.
    """
    kind = _kind(meta)
    others = (other for other in all_runs(runs_dir) if other.run_id != folder.run_id)
    for other in islice(others, LOOKED_AT):
        try:
            with Journal.open(other.journal) as journal:
                facts, ended = journal.meta(), journal.sessions().exit_code
        except BatchUpdateError:
            continue
        if ended is not None and "retry_of" not in facts and "undo_of" not in facts and _kind(facts) == kind:
            return ended == EXIT_OK
    return None


def _finished(runs_dir: Path) -> Iterator[tuple[object, Size | None]]:
    """Every run, the newest first: its kind, and how large it was; None for one that says nothing of that.

    Neither a retry nor an undo does: its rows were chosen, and its journal does not keep `to_send`.
    """
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta = journal.meta()
        except BatchUpdateError:
            yield None, None
            continue
        same = meta.get("same", {})
        whole = not any(same.get(name) for name in _CHOOSING)
        if meta.get("finished") and whole and "to_send" in meta:
            yield _kind(meta), Size(meta["to_send"], meta["cleared"])
        else:
            yield None, None


def _kind(meta: Mapping[str, Any]) -> tuple[object, ...]:
    """What runs of one kind have in common."""
    said, same = meta["input"], meta["same"]
    places = [file["path"] for file in said.get("files") or [said]]
    named = all(map(can_be_read_again, places))
    headings = () if named else tuple(meta.get("columns", ()))
    return tuple(map(_name, places)), headings, meta["target"]["name"], same["base_url"], same["input"].get("query")


def _name(place: str) -> str:
    """What an input is called, without the digits in it; a pipe and a data frame by what they are."""
    if can_be_read_again(place):
        return _digits.sub("#", PurePath(place).name)
    return "a pipe" if place == STDIN else "a data frame"
