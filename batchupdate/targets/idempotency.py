"""How an API recognises a repeated request by a key, as a target's YAML declares it under `idempotency`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import BeforeValidator, Field

from batchupdate.config.yaml_file import Strict
from batchupdate.targets.value_types import HeaderName

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMESPACE = UUID("5f0c1b0e-6a0b-4f0e-9d3b-2f7f1f4b7a11")  # chosen once; another one would change every key
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", re.ASCII)
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def _seconds(value: object) -> object:
    """Reads `24h` as seconds."""
    if not isinstance(value, str):
        return value
    if found := _DURATION.fullmatch(value.strip()):
        return float(found[1]) * _UNITS[found[2]]
    raise ValueError(f"{value!r} is not a time such as 24h, 30min, 7d or 90s")


class Idempotency(Strict):
    """One key a row, the same for all its attempts, in `header`.

    The key goes out as it is; `quoted` puts it in quotes, as draft-ietf-httpapi-idempotency-key-header-07 has it
    (section 2.1, a structured-field string), which few APIs follow. `lifetime` is how long the API remembers a key
    (seconds, or 24h): an unanswered row that is older is not sent again. `replays_errors` is for an API that answers a
    known key with the saved reply even if that was an error of its own: `new_key` sends the row again under another
    key, `no_repeat` leaves it as failed. `in_progress` is the status that says that an earlier try of the row is still
    being worked on; it is asked again a little later.
    """

    header: HeaderName
    quoted: bool = False
    lifetime: Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str | float), Field(gt=0)] | None = None
    replays_errors: Literal["new_key", "no_repeat"] | None = None
    in_progress: Annotated[int, Field(ge=400, le=599)] | None = None

    def headers(self, run_id: str, row: int, errors: int) -> dict[str, str]:
        """The header of a row's next request, after so many `errors` that the API has answered in this session."""
        key = idempotency_key(run_id, row, errors if self.replays_errors == "new_key" else 0)
        return {self.header: f'"{key}"' if self.quoted else key}

    def forgotten(self, age_s: float) -> bool:
        """Whether the API no longer knows a key that was used so many seconds ago."""
        return self.lifetime is not None and age_s > self.lifetime


def idempotency_key(run_id: str, row: int, errors: int = 0) -> str:
    """The key of one row: the same for all its attempts, also after a resume, and different in every other run.

    It is derived from the run and the row (RFC 9562, section 5.5), so that it doesn't have to be stored.

    Args:
        run_id: the run's id.
        row: the row's number in its run; see `batchupdate.model`.
        errors: how many keys of the row are used up.
    """
    return str(uuid5(_NAMESPACE, f"{run_id}/{row}/{errors}" if errors else f"{run_id}/{row}"))


def from_earlier_names(declaration: Mapping[str, Any]) -> Mapping[str, Any]:
    """A declaration that may have `idempotency_header` and `idempotency_quoted`, as older journals do."""
    if "idempotency_header" not in declaration:
        return declaration
    rest = {name: value for name, value in declaration.items() if not name.startswith("idempotency_")}
    if declaration["idempotency_header"] is None:
        return rest
    header = {"header": declaration["idempotency_header"], "quoted": declaration.get("idempotency_quoted", False)}
    return {**rest, "idempotency": header}
