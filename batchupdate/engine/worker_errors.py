"""Several workers that ended with an error: which of the errors is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import BatchUpdateError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def one_of(group: BaseExceptionGroup[BaseException], log: FilteringBoundLogger) -> BaseException:
    """The first error with a sentence for the user, else the first one; the others are noted in it and in the log."""
    chosen = next((error for error in group.exceptions if isinstance(error, BatchUpdateError)), group.exceptions[0])
    for other in dict.fromkeys(repr(error) for error in group.exceptions if error is not chosen):
        chosen.add_note(f"Another worker ended with {other}.")
        log.error("worker_failed", why=other)
    return chosen
