"""What is sent, where and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Secrets, Settings
    from batchupdate.runs.read_first import ReadFirst
    from batchupdate.targets import Batch, Target
    from batchupdate.util.clock import Clock


class Assignment(Protocol):
    """What is sent, where and with what; a `Job` is one, and what a worker process makes of what it is told."""

    @property
    def target(self) -> Target:
        """What the API looks like."""
        ...

    @property
    def settings(self) -> Settings:
        """Timeouts, limits and certificates."""
        ...

    @property
    def base_url(self) -> str:
        """Where the API is."""
        ...

    @property
    def credentials(self) -> Credentials:
        """What authenticates each request."""
        ...

    @property
    def secrets(self) -> Secrets:
        """What must never be written down."""
        ...

    @property
    def clock(self) -> Clock:
        """Where time comes from."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight."""
        ...

    @property
    def batch(self) -> Batch | None:
        """How rows go out together; None where each goes by itself."""
        ...

    @property
    def batch_size(self) -> int:
        """How many rows go out as one request at the most."""
        ...

    @property
    def capture(self) -> Mapping[str, str]:
        """Which values of the replies stand in the results, by name."""
        ...

    @property
    def read_first(self) -> ReadFirst:
        """Which records are read just before their changes."""
        ...

    @property
    def nonce(self) -> str:
        """What tells this run from all others; part of its idempotency keys."""
        ...
