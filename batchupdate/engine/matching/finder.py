"""What finds the ids of an input that has none; aiohttp is loaded only where that is wanted."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Settings
    from batchupdate.model import Progress
    from batchupdate.reader import Table
    from batchupdate.reader.multi_file import Tables
    from batchupdate.targets import Target
    from batchupdate.util.clock import Clock
    from batchupdate.validator.matches import IdFinder


def finder_for(
    table: Table | Tables,
    target: Target,
    settings: Settings,
    base_url: str,
    credentials: Credentials,
    clock: Clock,
    on_progress: Callable[[Progress], None],
) -> AbstractContextManager[IdFinder | None]:
    """What finds the ids of a table's rows; None where it has them itself. See `ApiFinder`."""
    if not settings.input.match:
        return nullcontext()
    from batchupdate.engine.matching.api_finder import ApiFinder  # noqa: PLC0415 - see the module

    return ApiFinder(target, settings, base_url, credentials, clock, on_progress, table.has_more_rows)
