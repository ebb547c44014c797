"""What an API's replies mean, as a target's YAML declares it under `statuses` and `errors`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from batchupdate.config.json_path import JsonPath
from batchupdate.config.yaml_file import Strict
from batchupdate.model import Outcome


class Errors(Strict):
    """Where an error body has its message: JMESPath expressions, tried in turn before the usual places."""

    paths: tuple[JsonPath, ...] = Field(default=(), strict=False)


class StatusRule(Strict):
    """What one status means here: a sentence for the user and, where the default is wrong, what to do about it."""

    means: str = ""
    action: Literal["give_up", "repeat", "hold", "stop", "done"] | None = None
    outcome: Annotated[Outcome, Field(strict=False)] | None = None
