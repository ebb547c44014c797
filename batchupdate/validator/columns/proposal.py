"""Proposes which column of a file sets what, for somebody who has not said it yet.

What a heading says by its name or an alias is sure: `check` would take it without being told. The rest is a guess, by
near spellings, by words, or by what the cells look like, and needs somebody to agree.
"""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.util.regex import compile_search
from batchupdate.validator.columns.field_names import closest, field_of, free_spellings, spellings
from batchupdate.validator.columns.matching import match_by_name, places_of_headings
from batchupdate.validator.columns.old_and_new import says_new, says_present, without_new, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.targets import Target

LIKE_THE_NAME, HAS_THE_NAME, LIKE_AN_ID = 3.0, 2.0, 1.0
"""How good a guess is: a slip of the name, words beside the name, cells that look like ids; parts of 1 decide among one
kind."""
SAYS_NEW = 2.0
"""How much better a guess is that says that it is what is to be set: it goes before all others."""


_NOTHING: Mapping[int, str] = MappingProxyType({})


class Proposed(NamedTuple):
    """What one column may set.

    `place` is that in the table, from 0, and `name` the id or field, or an item of a list; '' for nothing. `sure`
    says that its heading says so; a column for which nothing is proposed is sure as well.
    """

    place: int
    heading: str
    name: str
    sure: bool


def propose(
    columns: Sequence[str], rows: Sequence[Sequence[str]], target: Target, said: Mapping[int, str] = _NOTHING
) -> list[Proposed]:
    """What each column may set, in the order of the columns; no id or field is proposed twice.

    Columns without a heading, and those that `pull` has added, are left out.

    Args:
        columns: the headings.
        rows: the first rows' cells, by which an id is recognised.
        target: what can be set.
        said: what columns set, by their places, because somebody has said it.

    Raises:
        InputError: one column sets a whole list, and another an item of it.
    """
    sure = match_by_name(columns, target, said)
    guessed = _instead(columns, target, {place: name for place, name in sure.items() if place not in said})
    kept = {index: name for index, name in sure.items() if name not in guessed.values()}
    guessed |= _guesses(columns, rows, target, {**kept, **guessed})
    return [
        Proposed(index, columns[index], {**kept, **guessed}.get(index, ""), index not in guessed)
        for index in sorted(places_of_headings(columns).values())
        if normalise_heading(columns[index])
    ]


def _instead(columns: Sequence[str], target: Target, sure: Mapping[int, str]) -> dict[int, str]:
    """Columns such as `New name` beside one called `name`: the first holds what is to be set, and the other what is."""
    by_name = {name for name in sure.values() if name in target.fields}
    meant = {normalise_heading(text): name for text, name in spellings(target) if name in by_name}
    found: dict[int, str] = {}
    for index in sorted({*places_of_headings(columns).values()} - {*sure}):
        name = next((meant[rest] for rest in sorted(without_new(columns[index])) if rest in meant), "")
        if name and name not in found.values():
            found[index] = name
    return found


def _guesses(
    columns: Sequence[str], rows: Sequence[Sequence[str]], target: Target, taken: Mapping[int, str]
) -> dict[int, str]:
    """What columns may set that nothing else sets: the best guess first, each column and each field once."""
    free = free_spellings(target, set(taken.values()))
    open_columns = [index for index in places_of_headings(columns).values() if index not in taken]
    made = [
        *(guess for index in open_columns for guess in _by_heading(index, columns[index], free, target)),
        *_by_cells(open_columns, rows, [name for name in target.id if name in free.values()], target),
    ]
    found: dict[int, str] = {}
    for _, index, name in sorted(made, key=lambda guess: (-guess[0], guess[1])):
        if index not in found and name not in {field_of(one, target) for one in found.values()}:
            found[index] = name
    return found


def _by_heading(index: int, heading: str, free: Mapping[str, str], target: Target) -> Iterator[tuple[float, int, str]]:
    said = normalise_heading(heading)
    if not said:
        return
    whole = {*target.id, *target.fields}  # an item needs its neighbours, and is not guessed
    if (name := closest(heading, free, target)) in whole:
        called = [text for text, one in free.items() if one == name]
        alike = max(difflib.SequenceMatcher(None, said, text).ratio() for text in called)
        yield LIKE_THE_NAME + alike + max(_by_age(heading, text, name, target) for text in called), index, name
    words = [word.casefold() for word in words_of(heading)]
    parts = {"".join(words[:end]) for end in range(1, len(words))} | {
        "".join(words[at:]) for at in range(1, len(words))
    }
    for text, name in free.items():
        if text in parts and not (name in target.fields and says_present(heading, text)):
            better = _by_age(heading, text, name, target)
            yield HAS_THE_NAME + len(text) / (len(said) + 1) + better, index, name


def _by_age(heading: str, text: str, name: str, target: Target) -> float:
    return SAYS_NEW if name in target.fields and says_new(heading, text) else 0.0


def _by_cells(
    open_columns: Sequence[int], rows: Sequence[Sequence[str]], missing: Sequence[str], target: Target
) -> Iterator[tuple[float, int, str]]:
    """The one column whose cells all look like an id, where the target says how an id looks."""
    for name in missing:
        if not (pattern := target.id[name].regex):
            continue
        matches = compile_search(pattern)
        fitting = []
        for index in open_columns:
            cells = [row[index].strip() for row in rows if index < len(row) and row[index].strip()]
            if cells and all(map(matches, cells)):
                fitting.append(index)
        if len(fitting) == 1:
            yield LIKE_AN_ID, fitting[0], name
