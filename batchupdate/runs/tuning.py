"""Changes to a run that another process works on: requests in files of its folder, which it takes up one by one.

A request is a small file that appears whole. The process that works on the run takes it up within a second and removes
it, which is how the one that asked knows.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from batchupdate.config import load_settings
from batchupdate.errors import ConfigError
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from batchupdate.config import Settings

TUNABLE = ("rate", "max_rate", "give_up_after", "max_failures")
"""The settings that can change while a run is at work."""

_NAMES = ".tune-*.json"
_MOST_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is to change: settings by name, as a person writes them, and whether the run pauses or goes on.

    `paused` is None where that stays as it is.
    """

    values: Mapping[str, Any]
    paused: bool | None = None

    def __post_init__(self) -> None:
        self.over(load_settings(environ={}))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads a request.

        Raises:
            ConfigError: it is none.
        """
        try:
            said = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError("The request is no JSON object.") from error
        if not isinstance(said, dict):
            raise ConfigError("The request is no JSON object.")
        paused = said.pop("paused", None)
        if not said.keys() <= set(TUNABLE):
            raise ConfigError(f"A request can change {', '.join(TUNABLE)} and paused, and nothing else.")
        if not (paused is None or isinstance(paused, bool)):
            raise ConfigError("In a request, paused is true or false.")
        if wrong := [name for name, value in said.items() if not isinstance(value, str | int | float)]:
            raise ConfigError(f"In a request, {wrong[0]} is a text or a number.")
        return cls(said, paused)

    @property
    def said(self) -> dict[str, Any]:
        """All that is to change, by name."""
        return {**self.values, **({} if self.paused is None else {"paused": self.paused})}

    def to_json(self) -> str:
        """The request as it stands in its file."""
        return json.dumps(self.said)

    def over(self, settings: Settings) -> Settings:
        """The settings with what is to change.

        Raises:
            ConfigError: a value is wrong.
        """
        said = load_settings(self.values, environ={})
        return settings.model_copy(update={name: getattr(said, name) for name in self.values})


def ask(folder: Path, tuning: Tuning) -> Path:
    """Leaves a request in a run's folder; it is taken up once its file is gone.

    Raises:
        ConfigError: the folder can't be written to.
    """
    path = folder / _NAMES.replace("*", f"{time.time_ns():020}")
    beside = path.with_suffix(".new")
    try:
        with open_new(beside) as file:
            file.write(tuning.to_json())
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"The folder of the run can't be written to: {error.strerror or error}.") from error
    return path


def taken_up(folder: Path) -> Iterator[Tuning | ConfigError]:
    """The requests in a run's folder, oldest first, each with its file removed once the next one is asked for.

    What is no request is yielded as the error that it is.
    """
    for path in sorted(folder.glob(_NAMES)):
        try:
            with path.open(encoding="utf-8") as file:
                tuning: Tuning | ConfigError = Tuning.from_json(file.read(_MOST_BYTES))
        except ConfigError as error:
            tuning = error
        except (OSError, UnicodeDecodeError):
            tuning = ConfigError("The request can't be read.")
        yield tuning
        with suppress(OSError):
            path.unlink()


def forget(folder: Path) -> None:
    """Removes requests that nobody took up: they were for a process that is no more."""
    for path in folder.glob(_NAMES.replace(".json", ".*")):
        with suppress(OSError):
            path.unlink()
