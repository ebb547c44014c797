"""What `init` asks about columns: which of them sets what."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchupdate.errors import UsageError
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.cli.console import Screen
    from batchupdate.config import Input
    from batchupdate.roundtrip.first_config import FirstConfig, Survey
    from batchupdate.targets import Target
    from batchupdate.validator.columns.match_proposal import MatchProposal
    from batchupdate.validator.columns.proposal import Proposed

HEADING_WIDE, CELL_WIDE = 26, 22
"""So that the table fits into 80 columns."""
NOTHING = "-"


def agreed(screen: Screen, draft: FirstConfig, found: Survey, options: Input, *, asks: bool, yes: bool) -> FirstConfig:
    """The config with what its columns set: as proposed, and as somebody at a terminal says.

    Without a terminal, guesses are taken with `yes` alone; otherwise they are named. A file without ids may have its
    records found by another column.
    """
    from batchupdate.validator.columns.match_proposal import propose_match
    from batchupdate.validator.columns.matching import match_by_map, match_by_name
    from batchupdate.validator.columns.proposal import propose

    said = match_by_map(found.columns, draft.target, options)
    proposed = propose(found.columns, found.rows, draft.target, said)
    guesses = {one.place: one.name for one in proposed if not one.sure}
    match = propose_match(found.columns, draft.target, options, said, guesses)
    if asks or yes:
        chosen = {one.place: one.name for one in proposed if one.name}
    else:
        chosen = match_by_name(found.columns, draft.target, said)
        keys = match.keys if match else {}
        _say_guesses(screen, found, {place: guesses[place] for place in guesses if place not in keys}, chosen)
    found_by: Mapping[int, str] = {}
    if match is None or asks:
        _show(screen, found, draft.target, chosen, guesses if asks or yes else {})
    if match is not None and (options.match or _finds(screen, found, match, asks=asks, yes=yes)):
        taken = {*match.columns.values(), *match.keys.values()}
        likely = {place: name for place, name in guesses.items() if place not in match.keys and name not in taken}
        likely = {place: name for place, name in likely.items() if name in draft.target.fields}
        chosen = {**likely, **match.columns} if yes else dict(match.columns)
        _show(screen, found, draft.target, chosen, likely if yes else {}, match.keys)
        by = {name: found.columns[place] for place, name in match.keys.items()}
        draft = replace(draft, input_options={**draft.input_options, "match": by})
        guesses, asks, found_by = likely, False, match.keys
    elif asks:
        chosen = _Questions(screen, found, draft.target, chosen).all_of([one for one in proposed if not one.sure])
    left = {place: name for place, name in guesses.items() if place not in chosen and name not in chosen.values()}
    return replace(
        draft,
        columns={found.columns[place]: chosen[place] for place in sorted(chosen)},
        guesses={} if asks else {found.columns[place]: name for place, name in left.items()},
        unused=[
            one.heading for one in proposed if one.place not in {*chosen, *found_by} and (asks or one.place not in left)
        ],
    )


def _finds(screen: Screen, found: Survey, match: MatchProposal, *, asks: bool, yes: bool) -> bool:
    """Whether records are to be found by a column that is likely to say which one is meant; the file has no ids."""
    ((place, field),) = match.keys.items()
    heading = one_line(found.columns[place], HEADING_WIDE * 3)
    how = f"by their present {field}, in the column {heading!r}"
    if asks:
        question = f"No column holds the ids. Find the records {how} (yes or no)"
        while (answer := screen.ask(question, "yes").casefold()) not in {"y", "yes", "n", "no"}:
            screen.say("Say yes or no.")
        return answer.startswith("y")
    if not yes:
        screen.say(
            f"No column holds the ids. The records may be found {how}: "
            f'add --match "{heading}={field}", or --yes for all that is likely.'
        )
    return yes


def _say_guesses(screen: Screen, found: Survey, guesses: dict[int, str], chosen: dict[int, str]) -> None:
    for place, name in guesses.items():
        heading = one_line(found.columns[place], HEADING_WIDE * 3)
        instead = next((found.columns[other] for other, one in chosen.items() if one == name), None)
        rather = f", rather than {instead!r}" if instead is not None else ""
        screen.say(
            f'The column {heading!r} may be what sets {name}{rather}. To use it, add: --map "{heading}={name}", '
            "or --yes for all such guesses."
        )


def _show(
    screen: Screen,
    found: Survey,
    target: Target,
    chosen: dict[int, str],
    guesses: dict[int, str],
    keys: Mapping[int, str] = MappingProxyType({}),
) -> None:
    rows = []
    for place, heading in enumerate(found.columns):
        name = chosen.get(place, "")
        if place in keys:
            name = f"finds by {keys[place]}"
        what = f"{name}, a guess" if guesses.get(place) == name and name else name or NOTHING
        kind = " (the id)" if name in target.id else ""
        cells = (one_line(heading, HEADING_WIDE) or "(no heading)", one_line(found.sample(place), CELL_WIDE))
        rows.append((str(place + 1), *cells, what + kind))
    screen.table(("no.", "column", "first cell", "sets"), rows)


class _Questions:
    """Asks what columns set, until all that is needed is there."""

    def __init__(self, screen: Screen, found: Survey, target: Target, chosen: dict[int, str]) -> None:
        self._screen, self._found, self._target = screen, found, target
        self._chosen = dict(chosen)

    def all_of(self, doubtful: list[Proposed]) -> dict[int, str]:
        """What the columns set, once everything has been asked."""
        for one in doubtful:
            if self._chosen.get(one.place) == one.name:
                self._ask_about(one.place, one.name)
        needed = [*self._target.id, *(name for name, rule in self._target.fields.items() if rule.required)]
        for name in needed:
            if name not in self._set_names():
                self._ask_for(name)
        while (
            place := self._ask_place("Enter to go on, or the number of a column to change", may_end=True)
        ) is not None:
            self._ask_about(place, self._chosen.get(place, ""))
            _show(self._screen, self._found, self._target, self._chosen, {})
        return self._chosen

    def _set_names(self) -> set[str]:
        from batchupdate.validator.columns.field_names import field_of

        return {field_of(name, self._target) for name in self._chosen.values()}

    def _ask_about(self, place: int, now: str) -> None:
        """Asks what one column sets."""
        heading = one_line(self._found.columns[place], HEADING_WIDE * 3)
        while True:
            answer = self._screen.ask(f"What does {heading!r} set (a field, or {NOTHING} for nothing)", now or NOTHING)
            try:
                self._put(place, "" if answer == NOTHING else answer)
            except UsageError as error:
                self._screen.say(str(error))
            else:
                return

    def _put(self, place: int, wanted: str) -> None:
        """Lets a column set something, which no other column sets then.

        Raises:
            UsageError: there is no such field, or headings say otherwise.
        """
        from batchupdate.validator.columns.field_names import names_of
        from batchupdate.validator.columns.matching import match_by_name, meant_by

        name = meant_by(wanted, names_of(self._target), self._target) if wanted else ""
        chosen = {other: one for other, one in self._chosen.items() if other != place and one != name}
        if name:
            chosen[place] = name
        whole = match_by_name(self._found.columns, self._target, chosen)
        if whole.get(place, "") != name:
            raise UsageError(
                f"A column that is called like {whole[place]!r} sets it, unless another column does.",
                "Rename it in the file to leave it out, or choose that other column first.",
            )
        self._chosen = whole

    def _ask_for(self, name: str) -> None:
        """Asks which column sets what every row needs."""
        what = "the id" if name in self._target.id else "the required field"
        about = (self._target.id.get(name) or self._target.fields[name]).description
        shown = f" ({one_line(about, 60)})" if about else ""
        place = self._ask_place(f"Which column holds {what} {name}{shown} (its number)")
        if place is not None:
            self._put(place, name)

    def _ask_place(self, question: str, *, may_end: bool = False) -> int | None:
        """Asks for a column by its number or heading."""
        from batchupdate.validator.columns.field_names import index_of_column

        while True:
            answer = self._screen.ask(question, "" if may_end else None)
            if not answer and may_end:
                return None
            if answer.isascii() and answer.isdecimal() and 1 <= int(answer) <= len(self._found.columns):
                place: int | None = int(answer) - 1
            else:
                place = index_of_column(answer, self._found.columns)
            if place is not None and self._found.columns[place]:
                return place
            self._screen.say(f"There is no column {answer!r} with a heading; they are numbered in the table above.")
