from __future__ import annotations

import inspect
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchupdate.sandbox import pytest_plugin

if TYPE_CHECKING:
    from batchupdate.sandbox.pytest_plugin import StartSandbox

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"


def read_all(url: str) -> int:
    headers = {"Authorization": "Bearer sk-ld-sandbox"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/integrations/v1/get", headers=headers)) as reply:  # noqa: S310 - our own server
        return int(reply.status)


def pytest_of_a_stranger(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs pytest in a folder that knows nothing of ours, with what is installed here."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir", str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_installed_batchupdate_loads_nothing_into_the_pytest_of_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n"
        "def test_nothing_of_ours_is_loaded():\n"
        "    assert [name for name in sys.modules if name.partition('.')[0] == 'batchupdate'] == []\n\n"
        "def test_the_fixture_is_not_known(batchupdate_sandbox): ...\n",
        "utf-8",
    )
    done = pytest_of_a_stranger(tmp_path)
    assert "1 passed, 1 error" in done.stdout
    assert "fixture 'batchupdate_sandbox' not found" in done.stdout


@pytest.mark.slow
def test_the_line_in_the_docs_brings_the_fixture(tmp_path: Path) -> None:
    (line,) = re.findall(r"^pytest_plugins = .*$", DOCS.read_text("utf-8"), re.MULTILINE)
    (tmp_path / "conftest.py").write_text(line, "utf-8")
    (tmp_path / "test_it.py").write_text(
        "import urllib.request\n\n"
        "def test_it_serves(batchupdate_sandbox):\n"
        "    url = batchupdate_sandbox(langdock=1).url + '/_sandbox/counts'\n"
        "    assert urllib.request.urlopen(url).status == 200\n",
        "utf-8",
    )
    done = pytest_of_a_stranger(tmp_path)
    assert "1 passed" in done.stdout


def test_the_fixture_starts_as_many_sandboxes_as_asked_for(batchupdate_sandbox: StartSandbox) -> None:
    one, two = batchupdate_sandbox(langdock=1), batchupdate_sandbox(limit="1/h", nairi=0)
    assert one.url != two.url
    assert (read_all(one.url), read_all(two.url)) == (200, 200)
    assert (len(one.records("langdock")), two.records("nairi")) == (5, [])


def test_the_fixture_stops_all_its_sandboxes() -> None:
    steps = inspect.unwrap(pytest_plugin.batchupdate_sandbox)()
    begin = next(steps)
    urls = [begin().url, begin().url]
    assert next(steps, "over") == "over"
    for url in urls:
        with pytest.raises(urllib.error.URLError):
            read_all(url)


def test_importing_the_plugin_loads_neither_a_web_server_nor_a_model() -> None:
    code = (
        "import sys, batchupdate.sandbox.pytest_plugin\n"
        "heavy = {'aiohttp', 'asyncio', 'jmespath', 'pandas', 'pydantic', 'yaml'}\n"
        "print(sorted(m for m in sys.modules if m in heavy or m.startswith('batchupdate.sandbox.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['batchupdate.sandbox.pytest_plugin']"
