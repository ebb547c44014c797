"""What there is to tell of a run, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchupdate.errors import EXIT_OK, EXIT_ROWS_NOT_FINE
from batchupdate.model import SUCCEEDED
from batchupdate.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.errors import BatchUpdateError
    from batchupdate.reporter import Summary

SHOWN_ERRORS = 5
SHOWN_SOURCE = 200
INTERRUPTED = frozenset({130, 143})


@dataclass(frozen=True, slots=True)
class News:
    """What became of a run, or why it did not begin (then there is no `summary`).

    `idle` is that there was none to begin. `unusual` says in what it was not like earlier runs, a sentence each;
    `was_fine` is whether the last run of its kind succeeded, None if there was none.
    """

    title: str
    body: str
    exit_code: int
    summary: Summary | None = None
    unusual: Sequence[str] = ()
    was_fine: bool | None = None
    idle: bool = False

    @property
    def fine(self) -> bool:
        """Whether every row succeeded."""
        return self.exit_code == EXIT_OK

    @property
    def occasions(self) -> frozenset[str]:
        """What of it somebody may want to be told."""
        if self.idle:
            return frozenset()
        changed = self.summary is None or (self.was_fine is not None and self.was_fine != self.fine)
        return frozenset(
            name
            for name, so in {
                "finish": True,
                "failure": not self.fine,
                "change": changed,
                "unusual": bool(self.unusual),
            }.items()
            if so
        )


def news_of(summary: Summary, unusual: Sequence[str] = (), *, was_fine: bool | None = None) -> News:
    """What became of a run."""
    what = f"{one_line(summary.source, SHOWN_SOURCE)} → {summary.target}"
    lines = [f"{count:,} {outcome.value}" for outcome, count in summary.counts.items() if count]
    body = [", ".join(lines) or "There was nothing to do."]
    body += [summary.stopped.message] if summary.stopped else []
    body += list(unusual)
    body += [group.sentence for group in summary.errors[:SHOWN_ERRORS]]
    if summary.left:
        body.append(f"{summary.left:,} rows are left; to resume: batchupdate resume {summary.command_name}")
    body.append(f"Results: {summary.folder.resolve()}")
    title = f"batchupdate: {what}: {_headline(summary)}"
    return News(title, "\n".join(body), summary.exit_code, summary, unusual, was_fine)


def news_of_refusal(error: BatchUpdateError, what: str) -> News:
    """That a run did not begin, or was broken off before it could report; `what` is what was to be run."""
    body = "\n".join(filter(None, [error.message, error.hint]))
    what = one_line(what, SHOWN_SOURCE)
    return News(f"batchupdate: {what}: failed (exit code {error.exit_code})", body, error.exit_code)


def news_of_nothing(what: str) -> News:
    """That there was nothing to run; `what` is what was looked for."""
    what = one_line(what, SHOWN_SOURCE)
    return News(f"batchupdate: {what}: there was nothing to send", "", EXIT_OK, idle=True)


def _headline(summary: Summary) -> str:
    unsuccessful = sum(count for outcome, count in summary.counts.items() if outcome not in SUCCEEDED)
    if summary.exit_code == EXIT_OK:
        return "succeeded"
    if summary.exit_code == EXIT_ROWS_NOT_FINE and not unsuccessful:
        return "finished, and not all fields could be restored"
    if summary.exit_code == EXIT_ROWS_NOT_FINE:
        return f"finished; {unsuccessful:,} of {summary.rows:,} rows did not succeed"
    word = "interrupted" if summary.exit_code in INTERRUPTED else "stopped"
    return f"{word}; {unsuccessful:,} of {summary.rows:,} rows did not succeed"
