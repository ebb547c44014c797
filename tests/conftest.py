"""What all tests share, and the event loop that they run on.

`TEST_LOOP=uvloop` runs everything on uvloop, tests and commands; without it uvloop is hidden, whether it
is installed or not.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import aioresponses.core
import pytest
from fakes import FakeClock
from hypothesis import settings

from batchupdate.util import event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.register_profile("quick", settings.get_profile("untimed"), max_examples=10)
# What takes long belongs into a benchmark; a busy machine must not fail a test. `make quick` tries fewer examples.
settings.load_profile("quick" if os.environ.get("TEST_QUICK") else "untimed")

pytest_plugins = ["batchupdate.sandbox.pytest_plugin"]

LOOP = os.environ.get("TEST_LOOP", "asyncio")

_APT = "on Debian: apt-get install --no-install-recommends"
_NPM = "with Node.js: npm install --global"
PROGRAMS = {
    "json-server": (("json-server",), f"{_NPM} json-server@0.17"),
    "libreoffice": (("soffice", "libreoffice"), f"{_APT} libreoffice-calc-nogui"),
    "nginx": (("nginx",), f"{_APT} nginx-light"),
    "openssl": (("openssl",), f"{_APT} openssl"),
    "prism": (("prism",), f"{_NPM} @stoplight/prism-cli@5"),
}
"""What tests need beyond Python: the names of the program, and how it is installed."""
LIBRARIES = {"datasette": ["datasette"], "django": ["rest_framework", "oauth2_provider"], "kinto": ["kinto"]}
"""Servers that tests run with this Python, and what is imported of each."""
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])  # a user's own path often lacks /usr/sbin


class _ResponseOfOldSignature(aiohttp.ClientResponse):
    """aiohttp 3.14 made `stream_writer` a required argument; aioresponses 0.7.9 does not know it yet."""

    def __init__(self, *args: Any, stream_writer: Any = None, **kwargs: Any) -> None:
        stream_writer = stream_writer or SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=stream_writer, **kwargs)


aioresponses.core.ClientResponse = _ResponseOfOldSignature  # type: ignore[misc]


def pytest_configure(config: pytest.Config) -> None:
    os.environ.pop("COLUMNS", None)  # an exported width, or xdist's, would fold the messages that tests look for
    if LOOP != "asyncio":
        if getattr(event_loop.loop_factory(), "__module__", None) != LOOP:
            raise pytest.UsageError(f"TEST_LOOP={LOOP}, and that is not what a command would run on here")
        return
    hidden = tempfile.TemporaryDirectory()
    config.add_cleanup(hidden.cleanup)
    for name in event_loop.FASTER:
        sys.modules[name] = None  # type: ignore[assignment]  # makes its import fail
        Path(hidden.name, f"{name}.py").write_text("raise ImportError", encoding="utf-8")  # in commands, too
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [hidden.name, os.environ.get("PYTHONPATH")]))


def pytest_asyncio_loop_factories(config: pytest.Config) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config
    return {LOOP: event_loop.loop_factory() or asyncio.new_event_loop}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cannot() -> Callable[[str], None]:
    """Ends a test that can't run on this machine: skipped on a user's machine, failed where CI=true.

    A test that CI skips proves nothing, and nobody notices.
    """
    return _cannot


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Ends a test marked `third_party("nginx")` before its fixtures are made where that program is not installed."""
    for marker in item.iter_markers("third_party"):
        for program in marker.args:
            if program in LIBRARIES:
                here, how = all(map(find_spec, LIBRARIES[program])), "pip install -c constraints.txt -e '.[test]'"
            else:
                names, how = PROGRAMS[program]
                here = any(shutil.which(name, path=SEARCHED) for name in names)
            if not here:
                _cannot(f"needs {program}; {how}")


def _cannot(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must run this test, but it {reason}", pytrace=False)
    pytest.skip(reason)
