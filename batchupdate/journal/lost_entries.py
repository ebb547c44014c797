"""Whether a journal lacks its last entries: without its `-wal` file, or as an older copy, it looks whole.

Its rows would be sent once more. The in-flight map beside it counts the commits too, and knows the session even where
the journal has lost it. Without the map of a session that has no end, nobody can say whether something is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.journal import queries
from batchupdate.journal.in_flight import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchupdate.journal.in_flight import Head


def what_is_missing(
    one: Callable[..., int], head: Head | None, token: str | None, commits: int, sessions_begun: int
) -> str:
    """What a journal lacks, as the end of a sentence; '' where it lacks nothing.

    Args:
        one: the single number that a query of the journal gives, with its values.
        head: of the map that lies beside it.
        token: of the map that belongs to the journal's last session.
        commits: of that session, as the journal counts them.
        sessions_begun: how many processes are known to have worked on the run.
    """
    if head is not None and head.token == token:
        return f"it has {commits:,} commits of {head.commits:,}" if head.commits > commits else ""
    if head is not None and head.commits and not one(queries.IS_KNOWN_MAP, head.token):
        return f"it knows nothing of the last {head.commits:,} commits"
    if one(queries.HAS_LOST_MAP):
        return f"the run has no end in it, and there is no {NAME} that says how much is missing"
    if (begun := one(queries.COUNT_SESSIONS)) < sessions_begun:
        return f"it knows of {begun:,} processes that worked on the run, and its log of {sessions_begun:,}"
    return ""
