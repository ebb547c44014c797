"""The run's log: one JSON object a line, in the run's folder, with every secret blotted out."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from batchupdate.errors import ConfigError
from batchupdate.model import ONE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

    from batchupdate.config import Secrets
    from batchupdate.model import RowLabels
    from batchupdate.util.clock import Clock


NOWHERE = Path(os.devnull)
"""For a run whose folder can't be written to."""

_NOT_A_LINK = getattr(os, "O_NOFOLLOW", 0)


_A_START = b'"event": "start"'


@contextmanager
def run_log(
    path: Path, clock: Clock, secrets: Secrets, labels: RowLabels = ONE_FILE, *, verbose: bool = False
) -> Iterator[FilteringBoundLogger]:
    """Opens `run.log` for its owner alone, to append; structlog's global configuration is left as it is.

    The `row` of an event is written as its `file` and its row in it where `labels` has several files.

    Raises:
        ConfigError: it can't be opened.
    """
    import structlog  # noqa: PLC0415 - `check` keeps no log, and does not wait for it to be loaded

    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"at": clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}

    def place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        number = event.get("row")
        if labels.names and isinstance(number, int):
            return {**event, "file": labels.file(number), "row": labels.row(number)}
        return event

    def redact_texts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: secrets.redact(value) if isinstance(value, str) else value for name, value in event.items()}

    def redact(_logger: WrappedLogger, _method: str, line: str) -> str:
        return secrets.redact(line)

    try:
        descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | _NOT_A_LINK, 0o600)
    except OSError as error:
        raise ConfigError(f"The log {path} can't be opened: {error.strerror or error}.") from error
    try:
        logger = structlog.wrap_logger(
            structlog.WriteLogger(cast("TextIO", _Lines(descriptor))),
            processors=[
                structlog.processors.add_log_level,
                stamp,
                place,
                structlog.processors.format_exc_info,
                redact_texts,  # before JSON escapes what stands in a key
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
                cast("structlog.typing.Processor", redact),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        )
        yield cast("FilteringBoundLogger", logger.bind())
    finally:
        os.close(descriptor)


class _Lines:
    """The log file. A full disk costs lines of the log, and never the run."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        with suppress(OSError):
            os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        pass


def sessions_begun(log: Path) -> int:
    """How many processes went to work, as a run's log has it: it knows of those whose entries the journal has lost."""
    try:
        with log.open("rb") as lines:
            return sum(_A_START in line for line in lines)
    except OSError:
        return 0
