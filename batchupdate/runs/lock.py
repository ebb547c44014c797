"""Locks: one process on a run, one run on a target, and one process at a time that begins a run."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from batchupdate.errors import ConfigError, RunLocked
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARRIVAL_S = 30.0
"""So long another process may take to begin a run."""


@contextmanager
def held(path: Path, what: str, hint: str) -> Iterator[None]:
    """Holds a lock file, and writes beside it who does; that is for people: it is the lock alone that counts.

    Raises:
        RunLocked: another process holds it, with which one; `what` and `hint` say in which words.
        ConfigError: the file can't be locked.
    """
    lock = FileLock(path, mode=0o600)
    owner = path.with_name(f"{path.name}.owner")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunLocked(f"Another process{_holder(owner)} is working on {what}.", hint) from error
    except (OSError, NotImplementedError) as error:
        raise ConfigError(f"{what[0].upper()}{what[1:]} can't be locked: {_reason(error)}.") from error
    try:
        with suppress(OSError):
            since = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            owner.unlink(missing_ok=True)  # it may be a link that someone laid there, to let us write elsewhere
            with open_new(owner) as file:
                json.dump(holder, file)
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _holder(owner: Path) -> str:
    """Who holds a lock, as far as it is known."""
    try:
        holder = json.loads(owner.read_text(encoding="utf-8"))
        return f" ({holder['pid']} on {holder['host']}, since {holder['since']})"
    except (OSError, ValueError, TypeError, KeyError):
        return ""


@contextmanager
def one_run_of(runs_dir: Path, target: str, base_url: str) -> Iterator[None]:
    """Holds a target at one address for this process, among all that keep their runs in this folder.

    Raises:
        RunLocked: another process is working on it, with which one.
        ConfigError: the folder can't be written to.
    """
    which = hashlib.sha256(base_url.encode()).hexdigest()[:8]
    hint = "Two runs at a time would share its limit. Wait for that one, or add --allow-overlap."
    with held(runs_dir / f".{target}-{which}.lock", f"the target {target} at {base_url}", hint):
        yield


@contextmanager
def one_at_a_time(runs_dir: Path) -> Iterator[None]:
    """Lets one process at a time look for an unfinished run and begin a new one; makes the runs folder if need be.

    Raises:
        ConfigError: the folder can't be used.
        RunLocked: another process takes too long over it.
    """
    try:
        runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(runs_dir / ".lock", mode=0o600)
        lock.acquire(timeout=ARRIVAL_S)
    except Timeout as error:
        raise RunLocked(f"Another process is just starting a run in {runs_dir}.", "Try again in a moment.") from error
    except (OSError, NotImplementedError) as error:
        raise unusable(runs_dir, error) from error
    try:
        yield
    finally:
        lock.release()


def unusable(runs_dir: Path, error: Exception) -> ConfigError:
    """What to raise where the folder of the runs can't be used."""
    hint = "Name another one with --runs-dir."
    return ConfigError(f"The runs folder {runs_dir} can't be used: {_reason(error)}.", hint)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
