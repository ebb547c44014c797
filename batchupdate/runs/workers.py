"""Whether a run can be sent by several processes (`workers`, `cluster`)."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError
from batchupdate.runs.cluster_certs import COORDINATOR, Certificates, split_address

if TYPE_CHECKING:
    from batchupdate.config import Settings

_WITHOUT = "Leave --workers out."


def need_cluster_library(what: str) -> None:
    """Refuses where the extra `cluster` is not installed; `what` needs it.

    Raises:
        ConfigError: it is not.
    """
    if sys.platform == "win32":
        raise ConfigError("Worker processes need Linux or macOS.", _WITHOUT)
    if find_spec("distributed") is None or find_spec("cryptography") is None:
        hint = "Install it with: pip install 'batchupdate[cluster]'"
        raise ConfigError(f"{what}, but the library of the worker processes is not installed.", hint)


def _refuse_cluster(settings: Settings, address: str) -> None:
    """Refuses to speak to processes of other machines without certificates, or without an end to their number."""
    split_address(address)
    if settings.workers is None:
        message = "With --cluster, the worker processes share the requests in flight, so their number has to be known."
        hint = "Give --workers N: so many may be at work at a time, and others wait to replace them."
        raise ConfigError(message, hint)
    need_cluster_library("'cluster' is set")
    Certificates.of(settings.cluster_certs, COORDINATOR, "--cluster-certs")


def refuse_workers(settings: Settings, concurrency: int) -> None:
    """Refuses what worker processes can't do.

    Raises:
        ConfigError: they can't send this run.
    """
    count = settings.workers
    if settings.cluster is not None:
        _refuse_cluster(settings, settings.cluster)
    if count is None:
        return
    need_cluster_library("'workers' is set")
    if count > concurrency:
        message = f"{count} worker processes share {concurrency} requests in flight, so some would have none."
        raise ConfigError(message, f"Give --concurrency {count}, or more.")
    if "@" in (settings.proxy or ""):
        message = "A proxy with a password is not handed on to worker processes."
        raise ConfigError(message, "Set HTTPS_PROXY in the environment in its place, where each process finds it.")
