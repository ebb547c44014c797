"""Files that hold one secret and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEY_MAX_BYTES = 16_384


def read_secret_file(path: Path, what: str) -> str:
    """The text of a file that holds a secret; `what` is what to call the file at the beginning of a sentence.

    Raises:
        ConfigError: it can't be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            return file.read(KEY_MAX_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} is not text.") from error
    except OSError as error:
        raise ConfigError(f"{what} can't be read: {error.strerror or error}.") from error
