from __future__ import annotations

import threading
import urllib.error
import urllib.request

import pytest

import batchupdate.sandbox
from batchupdate.sandbox import make_records, run_in_thread

FIRST = make_records().langdock[0]


def rename(url: str, name: str, timeout: float = 5) -> int:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/integrations/v1/{FIRST.id}",
        data=f'{{"name": "{name}"}}'.encode(),
        headers={"Authorization": "Bearer sk-ld-sandbox", "Content-Type": "application/json"},
        method="PATCH",
    )
    with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310 - as above
        return int(reply.status)


def test_a_sandbox_in_a_thread_serves_code_that_is_not_async() -> None:
    with run_in_thread(langdock=3) as sandbox:
        assert rename(sandbox.url, "From a thread") == 200
        assert sandbox.record("langdock", FIRST.id).name == "From a thread"
        sandbox.revoke("sk-ld-sandbox")
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            rename(sandbox.url, "Too late")
        caught.value.close()


def test_the_thread_and_its_server_are_gone_when_the_block_ends() -> None:
    with run_in_thread() as sandbox:
        assert "batchupdate-sandbox" in {thread.name for thread in threading.enumerate()}
    assert "batchupdate-sandbox" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(urllib.error.URLError):
        rename(sandbox.url, "x")


def test_the_thread_ends_also_when_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), run_in_thread():
        _ = 1 / 0
    assert "batchupdate-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_a_port_that_is_taken_is_told_to_the_caller_and_leaves_no_thread() -> None:
    with run_in_thread() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)), run_in_thread(port=port):
            pass
        assert sum(thread.name == "batchupdate-sandbox" for thread in threading.enumerate()) == 1


def test_a_wrong_setting_is_told_to_the_caller() -> None:
    with pytest.raises(ValueError, match="not a rate"), run_in_thread(limit="fast"):
        pass


def test_every_public_name_is_there_and_no_other() -> None:
    package = batchupdate.sandbox
    assert [name for name in package.__all__ if getattr(package, name) is None] == []
    assert sorted(package._HOME_OF) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Sandpit'"):
        _ = package.Sandpit
