"""Rules about a row as a whole, as a target's YAML declares them under `rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.model import Level

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class AnyOf(Strict):
    """A row must set at least one of these fields. With `level: warning` it is reported and still sent.

    `when` limits the rule to rows that set one of these fields, or a member of an object that is called so.
    """

    when: tuple[str, ...] = Field(default=(), strict=False)
    any_of: tuple[str, ...] = Field(strict=False, min_length=1)
    level: Annotated[Level, Field(strict=False)] = Level.ERROR
    message: str

    def asked_by(self, fields: Iterable[str]) -> frozenset[str]:
        """Those of the target's fields that make the rule apply to the row that sets one of them."""
        return frozenset(name for name in fields if any(name == one or name.startswith(f"{one}.") for one in self.when))


def check_rules(rules: Sequence[AnyOf], fields: Collection[str]) -> None:
    """Refuses a rule about a field that the target does not declare.

    Raises:
        MisplacedError: there is one.
    """
    for index, rule in enumerate(rules):
        if strangers := [name for name in rule.any_of if name not in fields]:
            raise MisplacedError(f"there is no field {strangers[0]!r}", "rules", index, "any_of")
        for name in rule.when:
            if not any(one == name or one.startswith(f"{name}.") for one in fields):
                raise MisplacedError(f"there is no field {name!r}, nor an object of this name", "rules", index, "when")
