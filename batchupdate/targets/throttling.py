"""How an API says "slow down", as far as it does not do so in the usual ways.

The usual ways need no declaration: 429, 503 with `Retry-After`, and all the headers that
`batchupdate.api.rate_limit_headers` knows.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.texts import HeaderName, HeaderValue, Pattern, search

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

    from batchupdate.model import Reply

MAX_BODY = 65_536
"""Bytes of a body in which a pattern is looked for: as many as the client keeps."""

ANY = "*"

Status = Annotated[int, Field(ge=400, le=999)]
TimeUnit = Literal["auto", "s", "ms", "epoch_s", "epoch_ms"]


def _several(value: object) -> object:
    """One status stands for a list of one."""
    if value in ([], ()):
        raise ValueError("name at least one status")
    return (value,) if isinstance(value, int) else value


class ThrottleRule(Strict):
    """Replies that mean "slow down": nothing was applied, everybody holds, and the row tries again at no cost.

    All that is said must be so: the `status`, every one of the `headers` (an exact text, or `*` for any), and the
    pattern found in the `body`. `wait_s` is how many seconds to hold where the reply itself names no time.
    """

    status: Annotated[tuple[Status, ...], BeforeValidator(_several)] = Field(strict=False)
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    body: Pattern | None = None
    wait_s: float | None = Field(default=None, gt=0)
    means: str = ""

    def matches(self, reply: Reply) -> bool:
        """Whether the reply is one of those."""
        return reply.status in self.status and self._headers_match(reply) and self._body_matches(reply)

    def _headers_match(self, reply: Reply) -> bool:
        for name, wanted in self.headers.items():
            value = reply.headers.get(name.lower())
            if value is None or (wanted != ANY and value.strip().lower() != wanted.strip().lower()):
                return False
        return True

    def _body_matches(self, reply: Reply) -> bool:
        wanted = self._search
        return wanted is None or wanted.isinstance_python(reply.body[:MAX_BODY].decode("utf-8", "replace"))

    @cached_property
    def _search(self) -> SchemaValidator | None:
        return search(self.body) if self.body is not None else None


class WaitHeader(Strict):
    """A header of the API's own that says how long to wait; it is read before `Retry-After`."""

    name: HeaderName
    unit: TimeUnit = "auto"


class LimitHeaders(Strict):
    """The headers that tell of one limit, each optional.

    `limit` requests in each window, `remaining` of them left, until `reset`. `reset_unit` says what the reset's number
    counts: seconds or milliseconds from now (`s`, `ms`) or since 1970 (`epoch_s`, `epoch_ms`); `auto` tells them, and
    dates, apart by size and form. The window is told by a header (`window`, in `window_unit`), or is always `window_s`.
    """

    limit: HeaderName | None = None
    remaining: HeaderName | None = None
    reset: HeaderName | None = None
    reset_unit: TimeUnit = "auto"
    window: HeaderName | None = None
    window_unit: Literal["s", "ms"] = "s"
    window_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _tells_something(self) -> Self:
        if self.limit is None and self.remaining is None and self.reset is None:
            raise ValueError("name at least one header: limit, remaining or reset")
        if self.window is not None and self.window_s is not None:
            raise MisplacedError("window names the header that tells it; take window_s out", "window_s")
        return self


class Limits(Strict):
    """What the headers tell of the API's limits, beyond the usual ones.

    `ignore` names headers that are not to be believed, of the usual ones too.
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
                    raise MisplacedError("this header stands under ignore, too", "headers", index, key)
        if self.wait is not None and self.wait.name.lower() in ignored:
            raise MisplacedError("this header stands under ignore, too", "wait", "name")
        return self
