from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.errors import ConfigError
from batchupdate.model import FaultKind, Reply
from batchupdate.targets import StatusRule
from batchupdate.targets.hooks import HookError, Hooks, Outgoing, Package

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Package("acme", "2.0", "thing")
REQUEST = Outgoing("PUT", "https://a.example/x", {"Accept": "a"}, b"", datetime(2026, 11, 29, tzinfo=UTC), "secret")


def hooks(**methods: Any) -> Hooks:
    return Hooks(PACKAGE, SimpleNamespace(content_type="text/xml", **methods))


def raising(error: BaseException) -> Callable[..., Any]:
    def method(*_: object) -> Any:
        raise error

    return method


def call(found: Hooks) -> object:
    (name,) = found.names
    arguments = {"encode": ({"id": "1"}, "{}"), "sign": (REQUEST,)}.get(name, (Reply(200, {}, b"x"),))
    return getattr(found, name)(*arguments)


@pytest.mark.parametrize("name", ["encode", "sign", "judge", "decode"])
@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("a\nb" * 500), SystemExit(3), RecursionError()])
def test_an_exception_is_one_sentence_with_package_function_and_line(name: str, error: BaseException) -> None:
    with pytest.raises(HookError) as told:
        call(hooks(**{name: raising(error)}))
    message = told.value.fault.message
    assert message.startswith(f"'{name}' of the package acme 2.0 failed ({type(error).__name__}")
    assert "test_hooks.py:" in message
    assert message.isprintable()
    assert len(message) < 450
    assert told.value.fault.kind is FaultKind.PACKAGE
    assert not told.value.fault.left


def test_a_value_error_of_encode_is_about_its_row_alone() -> None:
    with pytest.raises(HookError) as told:
        call(hooks(encode=raising(ValueError("no comma in a name"))))
    assert told.value.fault.kind is FaultKind.UNWRITABLE
    assert told.value.fault.message.endswith("can't write this row, which was not sent: no comma in a name")


@pytest.mark.parametrize(
    ("name", "returned", "said"),
    [
        ("encode", "text", "returned str, and not bytes"),
        ("encode", None, "returned NoneType, and not bytes"),
        ("sign", None, "no mapping of headers"),
        ("sign", ["X"], "no mapping of headers"),
        ("sign", {"X": 1}, "no mapping of headers"),
        ("sign", {"X": "a\r\nHost: evil.example"}, "no mapping of headers"),
        ("sign", {"X": "ä"}, "no mapping of headers"),
        ("sign", {"X Y": "a"}, "no mapping of headers"),
        ("sign", {"HOST": "evil.example"}, "the header HOST, which is not its own to set"),
        ("sign", {"accept": "b"}, "the header accept, which is not its own to set"),
        ("judge", True, "returned bool, and neither a StatusRule nor None"),
        ("decode", {1, 2}, "can't be written as JSON"),
        ("decode", float("nan"), "can't be written as JSON"),
        ("decode", Decimal(1), "can't be written as JSON"),
        ("decode", "\ud800", "can't be written as JSON"),
    ],
)
def test_what_can_not_be_used_of_what_is_returned_is_a_sentence(name: str, returned: object, said: str) -> None:
    with pytest.raises(HookError) as told:
        call(hooks(**{name: lambda *_: returned}))
    assert said in told.value.fault.message


def test_what_can_be_used_is_handed_on() -> None:
    rule = StatusRule(action="done")
    assert call(hooks(judge=lambda _: rule)) is rule
    assert call(hooks(judge=lambda _: None)) is None
    assert call(hooks(sign=lambda request: {"X-Key": request.key})) == {"X-Key": "secret"}
    assert call(hooks(decode=lambda reply: {"body": reply.body.decode(), "n": [1, 1.5, None, True]})) == (
        b'{"body": "x", "n": [1, 1.5, null, true]}'
    )
    seen = []
    made = hooks(encode=lambda ids, fields: seen.append((ids, fields)) or b"<x/>")
    assert made.encode({"id": "7"}, '{"price":1.10,"n":12345678901234567890}') == b"<x/>"
    assert seen == [({"id": "7"}, {"price": Decimal("1.10"), "n": 12345678901234567890})]
    assert str(seen[0][1]["price"]) == "1.10"


def test_the_key_is_not_in_what_a_request_looks_like() -> None:
    assert "secret" not in repr(REQUEST)


@pytest.mark.parametrize("wrong", [None, 1, "text/xml\r\nHost: evil.example"])
def test_encode_needs_a_content_type_that_can_be_sent(wrong: object) -> None:
    with pytest.raises(ConfigError, match="has 'encode', but no 'content_type'"):
        Hooks(PACKAGE, SimpleNamespace(content_type=wrong, encode=lambda _: b""))
