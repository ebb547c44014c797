from __future__ import annotations

import pytest
from fakes import EPOCH
from raw_server import client_of, reply, serving

from batchupdate.api.success import is_web_page
from batchupdate.api.verdict import Policy, judge
from batchupdate.model import Action, Outcome, Reply, Verdict
from batchupdate.targets import StatusRule

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"
TESTED = Policy(repeatable=False, error_paths=["reason"], success="ok")


def verdict(reply: Reply, policy: Policy = TESTED) -> Verdict:
    return judge(reply, policy, lambda: EPOCH)


@pytest.mark.parametrize("status", [200, 201, 202, 203])
@pytest.mark.parametrize("policy", [TESTED, Policy(repeatable=True)])
def test_a_web_page_in_the_place_of_json_is_a_failure(status: int, policy: Policy) -> None:
    found = verdict(Reply(status, {"content-type": "text/html"}, HTML), policy)
    assert (found.action, found.outcome) == (Action.DONE, Outcome.FAILED)
    assert found.message == f"{status} the reply is a web page, not JSON; check the base URL: Sign in"


@pytest.mark.parametrize(
    ("body", "content_type", "page"),
    [
        (HTML, "application/json", True),
        (b"\xef\xbb\xbf\r\n <html>", "", True),
        (b"<!-- x --> <HTML lang=en>", "", True),
        (b"<p>no</p>", "text/html; charset=utf-8", True),
        (b'{"html": "<html>"}', "text/html", False),
        (b"OK", "text/html", False),
        (b"", "text/html", False),
        (b"<?xml version='1.0'?><result/>", "application/xml", False),
    ],
)
def test_what_a_web_page_looks_like(body: bytes, content_type: str, page: bool) -> None:
    assert is_web_page(Reply(200, {"content-type": content_type}, body)) is page


@pytest.mark.parametrize(
    ("success", "body", "outcome", "message"),
    [
        ("ok", b'{"ok": true}', Outcome.UPDATED, ""),
        (
            "ok",
            b'{"ok": false, "reason": "no such item"}',
            Outcome.FAILED,
            "200 the API reports a failure: no such item",
        ),
        ("ok", b'{"message": "locked"}', Outcome.FAILED, "200 the API reports a failure: locked"),
        ("!errors", b'{"data": {"id": 1}}', Outcome.UPDATED, ""),
        ("!errors", b'{"errors": [{"message": "bad"}]}', Outcome.FAILED, "200 the API reports a failure: bad"),
        ("code == `0`", b'{"code": 0}', Outcome.UPDATED, ""),
        ("code == `0`", b'{"code": 17}', Outcome.FAILED, '200 the API reports a failure: {"code": 17}'),
    ],
)
def test_the_targets_own_test_decides_what_a_success_is(
    success: str, body: bytes, outcome: Outcome, message: str
) -> None:
    found = verdict(Reply(200, {}, body), Policy(repeatable=True, error_paths=["reason"], success=success))
    assert (found.action, found.outcome) == (Action.DONE, outcome)
    assert found.message.startswith(message)
    assert bool(found.message) == bool(message)


@pytest.mark.parametrize("reply", [Reply(204), Reply(205), Reply(200), Reply(200, {"content-length": "0"})])
def test_a_success_without_a_body_is_not_tested(reply: Reply) -> None:
    assert verdict(reply).outcome is Outcome.UPDATED


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {"content-length": "20"}),
        Reply(200, {"transfer-encoding": "chunked"}),
        Reply(200, {}, b'{"ok": tr'),
        Reply(200, {}, b"done"),
    ],
)
def test_a_body_that_can_not_be_tested_leaves_open_what_happened(reply: Reply) -> None:
    once, again = verdict(reply), verdict(reply, Policy(repeatable=True, success="ok"))
    assert (once.action, once.outcome) == (Action.DONE, Outcome.UNKNOWN)
    assert (again.action, again.outcome) == (Action.REPEAT, Outcome.UNKNOWN)


def test_a_test_that_can_not_be_applied_leaves_open_what_happened() -> None:
    assert (
        verdict(Reply(200, {}, b'{"a": 1}'), Policy(repeatable=False, success="length(a)")).outcome is Outcome.UNKNOWN
    )


@pytest.mark.parametrize("status", [400, 404])
def test_only_a_2xx_is_tested(status: int) -> None:
    assert verdict(Reply(status, {}, b'{"ok": true}')).outcome is Outcome.FAILED


def test_a_target_that_calls_a_status_done_means_it() -> None:
    policy = Policy(repeatable=True, statuses={200: StatusRule(action="done")}, success="ok")
    assert verdict(Reply(200, {}, HTML), policy).outcome is Outcome.UPDATED


def test_a_read_is_no_success_that_has_to_prove_itself() -> None:
    assert (
        verdict(Reply(200, {}, HTML), Policy(repeatable=True, success="ok", changes=False)).outcome is Outcome.UPDATED
    )


@pytest.mark.usefixtures("no_proxies", "tried_versions")
@pytest.mark.parametrize("head", [b"Content-Length: %d\r\n\r\n" % len(HTML), b"Connection: close\r\n\r\n"])
async def test_the_body_of_a_plain_success_comes_along_if_it_is_a_web_page(head: bytes) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + head + HTML
    async with serving(page) as server, client_of(server.url, timeout=1.0, read_timeout=0.1) as client:
        assert reply(await client.send("/", b"{}")).body == HTML
