"""How an API says "slow down" in its own way, as a target's YAML declares it under `throttle` and `limits`.

The usual ways need no declaration: 429, 503 with `Retry-After`, and all the headers that
`batchupdate.api.rate_limit_headers` knows.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.value_types import HeaderName, HeaderValue, Pattern, several
from batchupdate.util.regex import compile_search

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.model import Reply

MAX_BODY = 65_536
"""Bytes of a body in which a pattern is searched for: as many as the client keeps."""

ANY = "*"

Status = Annotated[int, Field(ge=400, le=999)]
TimeUnit = Literal["auto", "s", "ms", "epoch_s", "epoch_ms"]


class ThrottleRule(Strict):
    """Replies that mean "slow down": nothing was applied, all workers pause, and the row is tried again at no cost.

    A reply must match everything that is declared: the `status`, every one of the `headers` (an exact text, or `*` for
    any), and the pattern in the `body`. `wait_s` is the pause in seconds where the reply itself names none.
    """

    status: Annotated[tuple[Status, ...], BeforeValidator(several, json_schema_input_type=int | list[int])] = Field(
        strict=False
    )
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    body: Pattern | None = None
    wait_s: float | None = Field(default=None, gt=0)
    means: str = ""

    def matches(self, reply: Reply) -> bool:
        """Whether the reply is one of these."""
        return reply.status in self.status and self._headers_match(reply) and self._body_matches(reply)

    def _headers_match(self, reply: Reply) -> bool:
        for name, wanted in self.headers.items():
            value = reply.headers.get(name.lower())
            if value is None or (wanted != ANY and value.strip().lower() != wanted.strip().lower()):
                return False
        return True

    def _body_matches(self, reply: Reply) -> bool:
        return self._search is None or self._search(reply.body[:MAX_BODY].decode("utf-8", "replace"))

    @cached_property
    def _search(self) -> Callable[[str], bool] | None:
        return compile_search(self.body) if self.body is not None else None


class WaitHeader(Strict):
    """The API's own header that says how long to wait; it takes precedence over `Retry-After`."""

    name: HeaderName
    unit: TimeUnit = "auto"


class LimitHeaders(Strict):
    """The headers that report one limit, each optional.

    They hold the requests allowed in each window (`limit`), how many of them are left (`remaining`), and when the
    window ends (`reset`). `reset_unit` is the unit of the reset: seconds or milliseconds from now (`s`, `ms`) or since
    1970 (`epoch_s`, `epoch_ms`); `auto` recognises these and dates by their size and form. The window's length is in
    the header `window` (in `window_unit`), or always `window_s`.
    """

    limit: HeaderName | None = None
    remaining: HeaderName | None = None
    reset: HeaderName | None = None
    reset_unit: TimeUnit = "auto"
    window: HeaderName | None = None
    window_unit: Literal["s", "ms"] = "s"
    window_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _names_a_header(self) -> Self:
        if self.limit is None and self.remaining is None and self.reset is None:
            raise ValueError("name at least one header: limit, remaining or reset")
        if self.window is not None and self.window_s is not None:
            raise MisplacedError(
                "window already names the header with the window's length; remove window_s", "window_s"
            )
        return self


class Limits(Strict):
    """Which headers report the API's limits, besides the usual ones.

    `ignore` names headers that must not be trusted, also usual ones.
    """

    headers: tuple[LimitHeaders, ...] = Field(default=(), strict=False)
    wait: WaitHeader | None = None
    ignore: tuple[HeaderName, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ignored = {name.lower() for name in self.ignore}
        for index, entry in enumerate(self.headers):
            for key in ("limit", "remaining", "reset", "window"):
                if (getattr(entry, key) or "").lower() in ignored:
                    raise MisplacedError("this header is under ignore, too; keep one", "headers", index, key)
        if self.wait is not None and self.wait.name.lower() in ignored:
            raise MisplacedError("this header is under ignore, too; keep one", "wait", "name")
        return self
