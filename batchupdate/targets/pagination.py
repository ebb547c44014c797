"""How the next page of a list is requested, as a target's YAML declares it under `list.pagination`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from batchupdate.config.json_path import JsonPath
from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.value_types import HeaderName

_QUERY_NAME = r"^[A-Za-z0-9_.~\[\]$-]+$"

Style = Literal["none", "cursor", "page", "offset", "next", "link"]

_OPTIONS: dict[str, frozenset[str]] = {
    "parameter": frozenset({"cursor", "page", "offset"}),
    "place": frozenset({"cursor", "page", "offset"}),
    "header": frozenset({"next"}),
    "next": frozenset({"cursor", "next"}),
    "more": frozenset({"cursor"}),
    "first": frozenset({"page", "offset"}),
    "size_parameter": frozenset({"page", "offset"}),
    "size": frozenset({"page", "offset"}),
    "pages": frozenset({"page"}),
    "total": frozenset({"offset"}),
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "cursor": ("parameter", "next"),
    "page": ("parameter",),
    "offset": ("parameter",),
}


class Pagination(Strict):
    """How the next page of a list is requested.

    `next`, `more`, `pages` and `total` are JMESPath expressions, applied to the whole reply.

    With the styles `cursor`, `page` and `offset`, the query parameter `parameter` selects the page. For `cursor`,
    `next` finds its value for the next page (`data[-1].id` for Stripe's `starting_after`), and `more` whether there is
    a next page. `page` and `offset` count from `first`, `size_parameter` requests `size` records a page, and `pages`
    and `total` find how many pages or records there are. `in: body` sends these parameters as members of the list's
    `body`. With the style `next`, `next` finds the next page's URL, or `header` names the header that has it; `link`
    follows the header `Link: <…>; rel="next"` (RFC 8288).
    """

    model_config = ConfigDict(populate_by_name=True)  # a run's journal has `place`

    style: Style = "none"
    parameter: str | None = Field(default=None, pattern=_QUERY_NAME)
    next: JsonPath | None = None
    more: JsonPath | None = None
    place: Literal["query", "body"] = Field(default="query", alias="in")
    header: HeaderName | None = None
    first: int | None = Field(default=None, ge=0)
    size_parameter: str | None = Field(default=None, pattern=_QUERY_NAME)
    size: int | None = Field(default=None, ge=1)
    pages: JsonPath | None = None
    total: JsonPath | None = None

    @property
    def skipped(self) -> int:
        """How many records are left out before the first page."""
        return (self.first or 0) if self.style == "offset" else 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for setting, styles in _OPTIONS.items():
            if getattr(self, setting) not in {None, "query"} and self.style not in styles:
                name = "in" if setting == "place" else setting
                raise MisplacedError(f"{name} is for style {' or '.join(sorted(styles))}, not {self.style}", name)
        for name in _NEEDED.get(self.style, ()):
            if getattr(self, name) is None:
                raise MisplacedError(f"style {self.style} needs {name}", "style")
        if self.style == "next" and (self.next is None) == (self.header is None):
            raise MisplacedError(
                "style next needs next, where the URL is in the reply, or header, which has it", "style"
            )
        if self.size_parameter and self.size is None:
            raise MisplacedError("size_parameter needs size: the number of records in a page", "size_parameter")
        return self
