"""Proposes by which column records may be found, for a file without ids whose user has not said it yet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from batchupdate.errors import UsageError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets.ways_to_find import ways_to_find
from batchupdate.validator.columns.match_columns import columns_that_say_so
from batchupdate.validator.columns.matching import map_columns, match_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchupdate.config import Input
    from batchupdate.targets import Target

NAMES = ("email", "key", "code", "slug", "login", "name", "title", "label")
"""How fields end that tell people which record is meant, the best first. Whether one does, matching finds out."""
_NO_NAMES = ("firstname", "lastname", "givenname", "familyname", "middlename", "surname")


class MatchProposal(NamedTuple):
    """Where the present values are by which records are found: fields by column; and what columns set then."""

    keys: Mapping[int, str]
    columns: Mapping[int, str]


def propose_match(
    columns: Sequence[str], target: Target, options: Input, said: Mapping[int, str], guessed: Mapping[int, str]
) -> MatchProposal | None:
    """By which column the target's records may be found, where none holds the ids; None where there is no such column.

    What the options say is taken.

    Args:
        columns: the headings.
        target: whose records are to be found.
        options: how the input is read.
        said: what columns set because somebody has said it.
        guessed: what they may set.

    Raises:
        UsageError: the options say what can't be.
    """
    if options.match:
        return _with(columns, target, options)
    meant = {*said.values(), *guessed.values(), *match_by_name(columns, target, said).values()}
    for field in () if meant & {*target.id} else _findable(target):
        with suppress(UsageError):  # headings that contradict each other, or nothing that is set beside the key
            says_so = columns_that_say_so(columns, target, {field: None}, said)
            if says_so or normalise_heading(field).endswith(NAMES):
                return _with(columns, target, options.model_copy(update={"match": {field: None}}))
    return None


def _with(columns: Sequence[str], target: Target, options: Input) -> MatchProposal:
    mapped = map_columns(columns, target, options)
    sets = {one.index: one.name for one in mapped.mapped if one.index < mapped.width}
    return MatchProposal({one.index: one.name for one in mapped.match}, sets)


def _findable(target: Target) -> Iterator[str]:
    """The fields by which records can be found, those first that tell people best which one is meant."""

    def order(name: str) -> int:
        said = normalise_heading(name)
        return next((place for place, end in enumerate(NAMES) if said.endswith(end)), len(NAMES))

    for name in sorted(target.fields, key=order):
        if target.fields[name].type in {"list", "json"} or normalise_heading(name).endswith(_NO_NAMES):
            continue
        with suppress(UsageError):
            ways_to_find(target, [name])
            yield name
