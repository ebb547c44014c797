"""Errors, grouped by what happens next.

    BatchUpdateError            a sentence for the user; never shown as a traceback
    ├── UsageError              exit 2   mend the command, config or file, then start again; nothing was sent
    │   ├── ConfigError                  a setting, a target or a key
    │   └── InputError                   the file
    ├── SafetyStop              exit 3   the run stopped itself; the rest is not_attempted
    │   └── CanaryEnded                  the rows that go first are through, and nobody has let the others go
    ├── RunLocked               exit 4   another process holds this run
    ├── Interrupted             exit 130 / 143   somebody asked us to stop; drained cleanly
    └── InternalError           exit 70  a bug, with where to find its details

What is wrong with one row is no error but a `Problem` or a `Result`: a run goes on with the other rows.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_ROWS_NOT_FINE = 1


class BatchUpdateError(Exception):
    """Something the user must know.

    Args:
        message: what is wrong, with its place, as one sentence.
        hint: the way out, as one sentence; may be empty.
    """

    exit_code: int = 70
    code: str = "internal"
    """A stable name of the kind of error, for programs."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UsageError(BatchUpdateError):
    """The command can't be carried out as it was given. Nothing was sent."""

    exit_code = 2
    code = "usage"


class ConfigError(UsageError):
    """A setting, a target's declaration or an API key is wrong or missing."""

    code = "config"


class InputError(UsageError):
    """The input can't be read as a table of changes."""

    code = "input"


class SafetyStop(BatchUpdateError):  # noqa: N818 - it says what happened, not that something is broken
    """The run stopped itself: credentials refused, too many failures, or an API that is down."""

    exit_code = 3
    code = "safety_stop"


class CanaryEnded(SafetyStop):
    """The rows that go first have their results; the others wait for a person's word, or for a higher limit."""

    code = "canary"


class RunLocked(BatchUpdateError):  # noqa: N818 - as above
    """Another process holds this run."""

    exit_code = 4
    code = "locked"


class Interrupted(BatchUpdateError):  # noqa: N818 - as above
    """Somebody asked the run to stop (Ctrl-C or SIGTERM).

    `signal_number` is the signal's number; the exit code is 128 plus it, as shells have it.
    """

    code = "interrupted"

    def __init__(self, signal_number: int, message: str = "Stopped on request.") -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class InternalError(BatchUpdateError):
    """A bug of ours: a count that doesn't add up, or an exception nobody foresaw."""

    exit_code = 70
