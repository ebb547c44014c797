"""Rules about a row as a whole, as a target's YAML declares them under `rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.model import Level

if TYPE_CHECKING:
    from collections.abc import Container, Sequence


class AnyOf(Strict):
    """A row must set at least one of these fields. With `level: warning` it is reported and still sent."""

    any_of: tuple[str, ...] = Field(strict=False, min_length=1)
    level: Annotated[Level, Field(strict=False)] = Level.ERROR
    message: str


def check_rules(rules: Sequence[AnyOf], fields: Container[str]) -> None:
    """Refuses a rule about a field that the target does not declare.

    Raises:
        MisplacedError: there is one.
    """
    for index, rule in enumerate(rules):
        if strangers := [name for name in rule.any_of if name not in fields]:
            raise MisplacedError(f"there is no field {strangers[0]!r}", "rules", index, "any_of")
