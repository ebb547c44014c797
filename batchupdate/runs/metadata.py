"""What a journal keeps about its run: the input with its digest, the target, the settings, and what tells it apart."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from batchupdate.config.rate import rate_in_force
from batchupdate.errors import ConfigError
from batchupdate.reader import STDIN
from batchupdate.reader.sources import file_digest
from batchupdate.targets import Target
from batchupdate.targets.idempotency import from_earlier_names
from batchupdate.util.text import short_names
from batchupdate.util.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.config.rate import Rate
    from batchupdate.reader.sources import Source
    from batchupdate.targets import Batch


OPTIONS = "options"
"""The fact that keeps the options of the command that made a run, as far as they are of use for its rows later."""

NOT_READ_BACK = "The rows were not read back, for the run ended early; resume it to do so."


def changed_since(kept: Mapping[str, Any]) -> list[str]:
    """The inputs that stand where they stood, and are others now."""
    return [file.get("name", file["path"]) for file in kept.get("files") or [kept] if _has_changed(file)]


def _has_changed(kept: Mapping[str, Any]) -> bool:
    path = Path(kept["path"])
    try:
        return kept["path"] != STDIN and path.is_file() and file_digest(path) != kept["sha256"]
    except OSError:
        return False


def _input_facts(sources: Sequence[Source]) -> dict[str, Any]:
    """What the journal keeps about the input; the digest of several files is that of their digests, in order."""
    files = [{"path": source.place, "sha256": source.digest()} for source in sources]
    if len(files) == 1:
        return dict(files[0])
    names = short_names([source.name for source in sources])
    return {
        "path": ", ".join(file["path"] for file in files),
        "sha256": hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest(),
        "files": [{"name": name, **file} for name, file in zip(names, files, strict=True)],
    }


def facts_of(sources: Sequence[Source], target: Target, settings: Settings, base_url: str) -> dict[str, Any]:
    """What the journal keeps about a run; `same` is what makes two runs of one input the same."""
    return {
        "input": _input_facts(sources),
        "target": target.model_dump(mode="json", exclude_unset=True),
        **package_of(target),
        "same": {**settings.fingerprint(), "base_url": base_url, "target": target.identity()},
        "settings": settings.kept(),
        "proxy": place_of(settings.proxy),
        **new_run(rate_of(target, settings)),
    }


def kept_target(facts: Mapping[str, Any]) -> Target:
    """The target as a run began with it, without the code of its package."""
    return Target.model_validate_json(json.dumps(from_earlier_names(facts["target"])))


def retries_unknown(facts: Mapping[str, Any]) -> bool:
    """Whether rows of a run that may have been applied are sent again without being asked for; see `Selection`."""
    target = from_earlier_names(facts["target"])
    return bool(target.get("repeatable")) and target.get("idempotency") is None


def package_of(target: Target) -> dict[str, Any]:
    """Which package's code the target needs, by name and version; nothing for a declaration alone."""
    return {"package": target.hooks.package._asdict()} if target.hooks else {}


def new_run(rate: Rate) -> dict[str, Any]:
    """What tells a run from all others, and how it was made."""
    return {"nonce": uuid.uuid4().hex, "version": __version__, **rate_facts(rate)}


def rate_of(target: Target, settings: Settings) -> Rate:
    """The rate that a run keeps (requests/s), or that it finds out."""
    return rate_in_force(settings.rate, settings.max_rate, target.rate, target.max_rate)


def batch_size_of(target: Target, settings: Settings) -> int:
    """How many rows go out as one request at the most.

    Raises:
        ConfigError: the target does not take so many.
    """
    asked, batch = settings.batch_size, target.batch
    if batch is None and asked not in {None, 1}:
        hint = "Leave --batch-size out, or declare 'batch' (docs/targets.md)."
        raise ConfigError(f"The target {target.name} changes one record with a request, not {asked}.", hint)
    if batch is not None and asked is not None and asked > batch.size:
        message = f"The target {target.name} changes at most {batch.size:,} records with one request, not {asked:,}."
        raise ConfigError(message, f"Give --batch-size {batch.size}, or less.")
    return asked or (batch.size if batch else 1)


def batch_in_use(target: Target, settings: Settings) -> Batch | None:
    """How rows go out together; None where each goes by itself."""
    return target.batch if batch_size_of(target, settings) > 1 else None


def session_facts(rate: Rate, *, verify: bool) -> dict[str, Any]:
    """What is true of a run from the moment it begins to send until it says otherwise, whatever becomes of its process.

    `verify` is whether the rows are read back at its end.
    """
    owed = {"read_back": [NOT_READ_BACK]} if verify else {}
    return {**rate_facts(rate), "finished": False, "stopped": None, **owed}


def rate_facts(rate: Rate) -> dict[str, Any]:
    """A rate as the journal keeps it."""
    return {"rate_per_s": rate.per_s if rate.limited else None, "rate_auto": rate.auto}


def report_facts(settings: Settings, captured: Iterable[str]) -> dict[str, Any]:
    """Which reports a run has, as the journal keeps it: they can be rebuilt without its settings."""
    reports = {"split": settings.results == "split", "xlsx": settings.results_xlsx, "captured": list(captured)}
    return {"reports": reports}


def place_of(proxy: str | None) -> str | None:
    """Host and port of a proxy, without its password."""
    return None if proxy is None else urlsplit(proxy).netloc.rpartition("@")[2]
