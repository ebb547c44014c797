"""What a target can have in Python, where no declaration says it: protocols for those who write a package.

A package's object has a `declaration` and any of the four methods below; docs/python_targets.md is the guide to them.
None of them chooses where a request goes: method, host and path are the declaration's. They are plain functions, called
on the event loop for every request, so they must not wait for anything (no network, no files).

An exception of theirs never ends in a traceback: `HookError` says in a sentence which package failed, and where.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import TypeAdapter, ValidationError

from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.model import Fault, FaultKind, Reply
from batchupdate.targets.replies import StatusRule
from batchupdate.targets.request_headers import FRAMING
from batchupdate.targets.value_types import HeaderName, HeaderValue
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["Decoder", "Encoder", "HookError", "Hooks", "Judge", "Outgoing", "Package", "Reply", "Signer", "StatusRule"]

MESSAGE_MOST = 300
"""Characters of an exception's own words in a sentence."""

_HEADERS = TypeAdapter(dict[HeaderName, HeaderValue])
_VALUE = TypeAdapter(HeaderValue)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is about to leave, to be signed.

    Attributes:
        method: `PATCH` and so on; `GET` for a read.
        url: the whole of it, percent-encoded, as the server gets it.
        headers: what goes out, by name; without `Host` and `Content-Length`, and without what is added now.
        body: what goes out; empty for a GET.
        at: the present time, in UTC.
        key: the key that the variable `env` under `auth` holds; '' with `scheme: none`.
        user: `user` under `auth`; '' without.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    key: str = field(default="", repr=False)
    user: str = ""


class Signer(Protocol):
    """Adds headers to each request: a signature, a time stamp, a digest of the body."""

    def sign(self, request: Outgoing) -> Mapping[str, str]:
        """The headers to add, asked for anew for each attempt and each read.

        It can't change a header that is there already, nor one that frames the message.
        """
        ...


class Encoder(Protocol):
    """Makes the body of a change, where it is neither JSON nor a form, or one that `body` can't describe.

    `content_type` is the `Content-Type` of the bodies.
    """

    content_type: str

    def encode(self, ids: Mapping[str, str], fields: Mapping[str, Any]) -> bytes:
        """The body for a row.

        Args:
            ids: the parts of the record's id by name, as the file has them; without those that the URL has as a hash.
            fields: what the row sets, by the names under `fields`; a number with a fraction is a `Decimal`.

        Raises:
            ValueError: this row can't be sent; its text is shown, and the run goes on with the others.
        """
        ...


class Decoder(Protocol):
    """Reads replies that are not JSON: those to `read` and `list`."""

    def decode(self, reply: Reply) -> object:
        """What a reply (2xx, with a body) says, as JSON has it: dicts, lists, texts, numbers, truth values and None."""
        ...


class Judge(Protocol):
    """Says what the reply to a change means, where its status and `success` don't."""

    def judge(self, reply: Reply) -> StatusRule | None:
        """What it means, as an entry of `statuses` says it; None for what it means without this method.

        Every reply comes here, those to a change that is throttled too. Of its body, 4 MiB are kept.
        """
        ...


class Package(NamedTuple):
    """Where a target comes from: an installed package (distribution), its version, and the target's name in it."""

    name: str
    version: str
    target: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class HookError(SafetyStop):
    """The code of a target's package failed; `fault` is what becomes of the request."""

    def __init__(self, package: Package, message: str, kind: FaultKind = FaultKind.PACKAGE) -> None:
        super().__init__(f"{message[0].upper()}{message[1:]}.", f"Correct {package.name}, or tell those who made it.")
        self.package = package
        self.fault = Fault(kind, message)


_NAMES = ("encode", "sign", "judge", "decode")


class Hooks:
    """The methods of one package's object.

    Args:
        package: where it comes from, for sentences.
        code: the object.

    Raises:
        ConfigError: it has one of the names for something else.
    """

    def __init__(self, package: Package, code: object) -> None:
        self.package = package
        self._code = code
        found = {name: getattr(code, name, None) for name in _NAMES}
        self.names = tuple(name for name in _NAMES if found[name] is not None)
        """Which of the methods there are."""
        self.content_type = ""
        """The `Content-Type` of encoded bodies."""
        if stray := next((name for name in self.names if not callable(found[name])), None):
            raise ConfigError(
                f"The target {package.target} of the package {package} has a {stray!r} that is no function."
            )
        if "encode" not in self.names:
            return
        try:
            self.content_type = _VALUE.validate_python(getattr(code, "content_type", None), strict=True)
        except ValidationError:
            message = f"The target {package.target} of the package {package} has 'encode', but no 'content_type'."
            raise ConfigError(message, "It is the Content-Type of the bodies: 'text/xml; charset=utf-8'.") from None

    def encode(self, ids: Mapping[str, str], fields: str) -> bytes:
        """The body for a row's fields, a JSON object; see `Encoder`.

        Raises:
            HookError: there is none.
        """
        try:
            body = self._code.encode(ids, json.loads(fields, parse_float=Decimal))  # type: ignore[attr-defined]
        except ValueError as error:
            said = one_line(str(error), MESSAGE_MOST) or type(error).__name__
            message = f"the package {self.package} can't write this row, which was not sent: {said}"
            raise HookError(self.package, message, FaultKind.UNWRITABLE) from error
        except (Exception, SystemExit) as error:
            raise self._failed("encode", error) from error
        if not isinstance(body, bytes):
            raise self._unusable("encode", f"returned {type(body).__name__}, and not bytes")
        return body

    def sign(self, request: Outgoing) -> Mapping[str, str]:
        """The headers to add to a request; see `Signer`.

        Raises:
            HookError: they can't be had, or can't be sent.
        """
        made = self._called("sign", self._code.sign, request)  # type: ignore[attr-defined]
        try:
            added = _HEADERS.validate_python(dict(made) if isinstance(made, Mapping) else made, strict=True)
        except ValidationError:
            raise self._unusable("sign", "returned what is no mapping of headers in printable ASCII") from None
        there = {name.lower() for name in request.headers} | FRAMING
        if taken := next((name for name in added if name.lower() in there), None):
            raise self._unusable("sign", f"returned the header {taken}, which is not its own to set")
        return added

    def judge(self, reply: Reply) -> StatusRule | None:
        """What a reply means; see `Judge`.

        Raises:
            HookError: it can't be said.
        """
        rule = self._called("judge", self._code.judge, reply)  # type: ignore[attr-defined]
        if rule is not None and not isinstance(rule, StatusRule):
            raise self._unusable("judge", f"returned {type(rule).__name__}, and neither a StatusRule nor None")
        return rule

    def decode(self, reply: Reply) -> bytes:
        """A reply's body as JSON; see `Decoder`.

        Raises:
            HookError: it can't be read.
        """
        said = self._called("decode", self._code.decode, reply)  # type: ignore[attr-defined]
        try:
            return json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            raise self._unusable("decode", "returned what can't be written as JSON") from None

    def _called(self, name: str, method: Callable[[Any], Any], argument: object) -> Any:  # noqa: ANN401 - foreign
        try:
            return method(argument)
        except (Exception, SystemExit) as error:
            raise self._failed(name, error) from error

    def _failed(self, name: str, error: BaseException) -> HookError:
        """With the line that failed, which is what its author needs."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f", {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        said = one_line(str(error), MESSAGE_MOST)
        return self._unusable(name, f"failed ({type(error).__name__}{f': {said}' if said else ''}{place})")

    def _unusable(self, name: str, what: str) -> HookError:
        return HookError(self.package, f"{name!r} of the package {self.package} {what}")
