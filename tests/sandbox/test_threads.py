from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

import batchupdate.sandbox
from batchupdate.sandbox import make_records, pytest_plugin, run_in_thread

if TYPE_CHECKING:
    from batchupdate.sandbox.pytest_plugin import StartSandbox

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


def test_the_fixture_starts_as_many_sandboxes_as_asked_for(batchupdate_sandbox: StartSandbox) -> None:
    one, two = batchupdate_sandbox(langdock=1), batchupdate_sandbox(limit="1/h", nairi=0)
    assert one.url != two.url
    assert (rename(one.url, "x"), rename(two.url, "y")) == (200, 200)
    assert (len(one.records("langdock")), two.records("nairi")) == (5, [])


def test_the_fixture_stops_all_its_sandboxes(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("batchupdate-sandbox")
    steps = inspect.unwrap(pytest_plugin.batchupdate_sandbox)()
    begin = next(steps)
    urls = [begin().url, begin().url]
    assert next(steps, "over") == "over"
    for url in urls:
        with pytest.raises(urllib.error.URLError):
            rename(url, "x")


def test_importing_the_plugin_loads_neither_a_web_server_nor_a_model() -> None:
    code = (
        "import sys, batchupdate.sandbox.pytest_plugin\n"
        "heavy = {'aiohttp', 'asyncio', 'jmespath', 'pandas', 'pydantic', 'yaml'}\n"
        "print(sorted(m for m in sys.modules if m in heavy or m.startswith('batchupdate.sandbox.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['batchupdate.sandbox.pytest_plugin']"


def test_every_public_name_is_there_and_no_other() -> None:
    # The plugin's module and this package are loaded before coverage begins to count.
    package = importlib.reload(batchupdate.sandbox)
    importlib.reload(pytest_plugin)
    assert [name for name in package.__all__ if getattr(package, name) is None] == []
    assert sorted(package._HOME_OF) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Sandpit'"):
        _ = package.Sandpit
