"""What to say once where nearly all ids of a file are wrong: they may be those of another target, or another column."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from batchupdate.targets import builtin_names, find_target
from batchupdate.util.regex import compile_search

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.model import Problem
    from batchupdate.targets import Target

NEARLY_ALL = 0.9
"""Of the rows; and of the wrong ids, so many that another target accepts."""

FEWEST = 2

_KINDS = {"uuid": "UUIDs", "ulid": "ULIDs"}


class WrongIds:
    """Counts ids that break their rule, and which other built-in targets would accept them.

    Args:
        target: the one that does not.
        heading: of the column with the ids; '' where an id has several parts, of which nothing is said.
    """

    def __init__(self, target: Target, heading: str) -> None:
        self._target, self._heading = target, heading
        self._count = 0
        self._accepted: Counter[str] = Counter()

    def add(self, problem: Problem) -> None:
        """Notes one problem of the file."""
        if problem.code == "bad_id" and problem.cell and self._heading:
            self._count += 1
            for name, accepts in self._others.items():
                self._accepted[name] += accepts(problem.cell)

    def notice(self, rows: int) -> str:
        """The sentence, '' where there is nothing to say; `rows` is how many the file has."""
        if self._count < max(FEWEST, NEARLY_ALL * rows):
            return ""
        wanted = f"{self._target.name} wants {next(iter(self._target.id.values())).wanted}"
        ids = f"All {rows:,} ids" if self._count == rows else f"{self._count:,} of {rows:,} ids"
        for name, accepted in self._accepted.most_common(1):
            if accepted >= NEARLY_ALL * self._count:
                kind = _KINDS.get(next(iter(find_target(name).id.values())).format or "", f"ids of {name}")
                return f"{ids} are {kind}, but {wanted}. Did you mean --target {name}?"
        return (
            f"{ids} in the column {self._heading!r} are wrong: {wanted}. Is it the right column? To use another: "
            f'--map "COLUMN={next(iter(self._target.id))}"'
        )

    @cached_property
    def _others(self) -> dict[str, Callable[[str], bool]]:
        """What recognises the ids of the other targets, where these have a rule."""
        found = {}
        for name in builtin_names():
            target = find_target(name)
            rules = list(target.id.values())
            if name != self._target.name and len(rules) == 1 and rules[0].regex:
                found[name] = compile_search(rules[0].regex)
        return found
