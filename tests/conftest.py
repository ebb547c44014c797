"""What all tests share, and the event loop that they run on.

`TEST_LOOP=uvloop` runs everything on uvloop, tests and commands; without it uvloop is hidden, whether it
is installed or not.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import aioresponses.core
import pytest
from coverage import Coverage
from fakes import FakeClock
from hypothesis import settings

from batchupdate.model import Problem
from batchupdate.util import event_loop
from batchupdate.validator.problem_codes import PROBLEM_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

settings.register_profile("untimed", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.register_profile("quick", settings.get_profile("untimed"), max_examples=10)
# What takes long belongs into a benchmark; a busy machine must not fail a test. `make quick` tries fewer examples.
settings.load_profile("quick" if os.environ.get("TEST_QUICK") else "untimed")

pytest_plugins = ["batchupdate.sandbox.pytest_plugin"]

LOOP = os.environ.get("TEST_LOOP", "asyncio")

_APT = "on Debian: apt-get install --no-install-recommends"
_NPM = "with Node.js: npm install --global"
PROGRAMS = {
    "chromium": (("chromium", "chromium-browser", "google-chrome"), f"{_APT} chromium"),
    "json-server": (("json-server",), f"{_NPM} json-server@0.17"),
    "libreoffice": (("soffice", "libreoffice"), f"{_APT} libreoffice-calc-nogui"),
    "nginx": (("nginx",), f"{_APT} nginx-light"),
    "openssl": (("openssl",), f"{_APT} openssl"),
    "systemd-analyze": (("systemd-analyze",), f"{_APT} systemd"),
    "prism": (("prism",), f"{_NPM} @stoplight/prism-cli@5"),
}
"""What tests need beyond Python: the names of the program, and how it is installed."""
AXE_CORE = f"{_NPM} axe-core@4"
LIBRARIES = {"datasette": ["datasette"], "django": ["rest_framework", "oauth2_provider"], "kinto": ["kinto"]}
"""Servers that tests run with this Python, and what is imported of each."""
COUNTED = {
    name: os.environ[name] for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START") if name in os.environ
}
"""What makes coverage count the lines of a child process, too."""
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])  # a user's own path often lacks /usr/sbin


class _ResponseOfOldSignature(aiohttp.ClientResponse):
    """aiohttp 3.14 made `stream_writer` a required argument; aioresponses 0.7.9 does not know it yet."""

    def __init__(self, *args: Any, stream_writer: Any = None, **kwargs: Any) -> None:
        stream_writer = stream_writer or SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=stream_writer, **kwargs)


aioresponses.core.ClientResponse = _ResponseOfOldSignature  # type: ignore[misc]

_make_problem = Problem.__init__


def _make_explained_problem(problem: Problem, code: str, *args: Any, **more: Any) -> None:
    assert code in PROBLEM_CODES, f"{code} is not in batchupdate/validator/problem_codes.py"
    _make_problem(problem, code, *args, **more)


Problem.__init__ = _make_explained_problem  # type: ignore[method-assign]


def pytest_configure(config: pytest.Config) -> None:
    if not getattr(config.option, "numprocesses", None):  # this process runs tests, and starts none that does
        for name in COUNTED:
            os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell without job control began this with `&`
        signal.signal(signal.SIGINT, signal.default_int_handler)  # and commands inherit that
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Counts the lines that a test runs, but for what its marker `counted` says: that costs half as much again."""
    marker = item.get_closest_marker("counted")
    what = marker.args[0] if marker else "lines"
    coverage = Coverage.current() if what == "nothing" else None
    if coverage is not None:
        coverage.stop()
    if what == "children":
        os.environ.update(COUNTED)
    try:
        return (yield)
    finally:
        if coverage is not None:
            coverage.start()  # which puts into the environment that child processes are to be counted
        for name in COUNTED:
            os.environ.pop(name, None)


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
            if program == "axe-core":
                here, how = _axe_core() is not None, AXE_CORE
            elif program in LIBRARIES:
                here, how = all(map(find_spec, LIBRARIES[program])), "pip install -c constraints.txt -e '.[test]'"
            else:
                names, how = PROGRAMS[program]
                here = any(shutil.which(name, path=SEARCHED) for name in names)
            if not here:
                _cannot(f"needs {program}; {how}")


@cache
def _axe_core() -> Path | None:
    """The script that looks for what keeps people out of a page; npm keeps it among its global packages."""
    if (npm := shutil.which("npm")) is None:
        return None
    found = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=False)
    script = Path(found.stdout.strip(), "axe-core", "axe.min.js")
    return script if script.is_file() else None


@pytest.fixture
def axe_core() -> str:
    """The text of axe-core, for a test marked `third_party("axe-core")`."""
    script = _axe_core()
    assert script is not None
    return script.read_text("utf-8")


def _cannot(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must run this test, but it {reason}", pytrace=False)
    pytest.skip(reason)
