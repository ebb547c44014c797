"""The fixture `batchupdate_sandbox`, for tests of code that talks to an API.

It is opt-in, so that installing batchupdate changes nobody's pytest. In the topmost conftest.py:

    pytest_plugins = ["batchupdate.sandbox.pytest_plugin"]

The server is imported when the fixture first asks for it, so that test runs without it start as fast as before.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from batchupdate import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack


class StartSandbox(Protocol):
    """What the fixture gives: call it with a `Sandbox`'s keywords, get a running one."""

    def __call__(self, **options: Unpack[sandbox.Options]) -> sandbox.Sandbox:
        """Starts one more sandbox; see `batchupdate.sandbox.Options` for the keywords."""
        ...


@pytest.fixture
def batchupdate_sandbox() -> Iterator[StartSandbox]:
    """Starts sandboxes in threads of their own, and stops them all when the test ends.

    `batchupdate_sandbox(limit="20/s")` gives a running `Sandbox`: its `url` for the code under test, its `applied`,
    `requests` and `records(api)` for the asserts.
    """
    with ExitStack() as stack:

        def start(**options: Unpack[sandbox.Options]) -> sandbox.Sandbox:
            return stack.enter_context(sandbox.run_in_thread(**options))

        yield start
