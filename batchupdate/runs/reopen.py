"""An earlier run opened again, to be resumed, retried, undone or verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchupdate.api.proxy import proxy_from_environment
from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.journal.records import with_rows
from batchupdate.model import files_of, labels_of
from batchupdate.runs.lock import one_run_of
from batchupdate.runs.log import sessions_begun
from batchupdate.runs.metadata import OPTIONS, kept_target, new_run, package_of, place_of, rate_of
from batchupdate.runs.read_first import refuse_unreadable
from batchupdate.targets.hooks import Package
from batchupdate.targets.packages import hooks_again
from batchupdate.util.text import listed
from batchupdate.validator.checkup import Checkup, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack

    from batchupdate.config import Settings
    from batchupdate.runs.folder import RunFolder
    from batchupdate.targets import Target


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run that this process holds, whose journal was examined: its facts, its settings, and its API.

    `writable` is whether its folder can be written to; where it can't, the run is only read, and nobody holds it.
    """

    journal: Journal
    meta: Mapping[str, Any]
    settings: Settings
    target: Target
    base_url: str
    run_id: str
    writable: bool = True

    def keep_the_package(self, began: str, instead: str) -> None:
        """A run is not resumed with other code than it began with: its rows could be sent in two ways.

        Args:
            began: what began with it, as the beginning of a sentence.
            instead: what to do if the new one is to be used, with the command to type.

        Raises:
            ConfigError: the package of its target has another version now.
        """
        if self.other_package:
            before = Package(**self.meta["package"])
            raise ConfigError(
                f"{began} with the package {before}, and {self.other_package.version} is installed now.",
                f"Install that again (pip install '{before.name}=={before.version}'), or {instead}",
            )

    @property
    def other_package(self) -> Package | None:
        """The package of the target as it is installed, if it has another version than when the run began."""
        hooks = self.target.hooks
        return hooks.package if hooks and hooks.package != Package(**self.meta["package"]) else None

    def facts_for(self, rows: Sequence[int], link: str) -> dict[str, Any]:
        """What the journal of another run of some of its rows keeps; `link` is the fact that names this run there."""
        meta, settings, files = self.meta, self.settings, files_of(self.meta["input"])
        return {
            **{name: meta[name] for name in ("target", "columns", "width", "sheet", OPTIONS) if name in meta},
            **package_of(self.target),
            "input": with_rows(meta["input"], labels_of(files).rows_by_file(rows)) if files else meta["input"],
            "same": {**meta["same"], "base_url": self.base_url, link: self.run_id},
            "settings": settings.kept(),
            link: self.run_id,
            "proxy": place_of(settings.proxy) or meta.get("proxy"),
            "rows": len(rows),
            **new_run(rate_of(self.target, settings)),
        }

    def keep_the_proxy(self) -> None:
        """A run that went through a proxy of the config's does not go around it later, because nobody names it again.

        Raises:
            ConfigError: no proxy is named now.
        """
        before = self.meta.get("proxy")
        if before and not self.settings.proxy and not proxy_from_environment(self.base_url):
            hint = "Name it again: 'proxy' in the file of --config, or BATCHUPDATE_PROXY, or HTTPS_PROXY."
            raise ConfigError(f"The proxy {before} was used before, and now none is named.", hint)


def open_run(stack: ExitStack, folder: RunFolder, settings_with: Callable[[Mapping[str, Any]], Settings]) -> Earlier:
    """Opens a run as `open_earlier` does. One that is named by its path has its retries, and its locks, beside it."""

    def beside(kept: Mapping[str, Any]) -> Settings:
        return settings_with(kept).model_copy(update={"runs_dir": folder.path.parent})

    return open_earlier(stack, folder, beside)


def open_earlier(
    stack: ExitStack,
    folder: RunFolder,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    only_read: bool = False,
) -> Earlier:
    """Opens a run that was sealed; `stack` lets go of it at the end.

    Args:
        stack: lets go of it.
        folder: the run.
        settings_with: makes settings out of those that the run has kept.
        only_read: whether its rows are not sent: then nothing is written into its journal, its folder need not be
            writable, and its settings may promise comparisons that the target has no reads for.

    Raises:
        UsageError: its journal can't be read, is damaged, or the run ended while its file was being read; or the folder
            is a copy.
        RunLocked: another process holds it.
    """
    writable = _held(stack, folder, may_fail=only_read)
    journal = stack.enter_context(
        Journal.take_over(folder.journal, sessions_begun(folder.log)) if writable else Journal.open(folder.journal)
    )
    meta = journal.meta()
    if not meta.get("sealed"):
        raise folder.never_ready()
    folder.refuse_copy(meta)
    settings = settings_with(meta.get("settings", {}))
    target = kept_target(meta)
    if not only_read:
        journal.set_meta(folder.facts())  # it may have been moved since
        refuse_unreadable(target, settings)
    target = target.with_hooks(hooks_again(meta["package"]) if "package" in meta else None)
    base_url = target.base(settings.base_url or meta["same"]["base_url"], allow_http=settings.allow_http)
    return Earlier(journal, meta, settings, target, base_url, folder.run_id, writable)


def _held(stack: ExitStack, folder: RunFolder, *, may_fail: bool) -> bool:
    """Holds a run as long as `stack` does; returns False for a folder that can't be written to, if that may be."""
    try:
        stack.enter_context(folder.lock())
    except ConfigError:
        if not may_fail:
            raise
        return False
    return True


def refuse_other_api(what: str, base_url: str, now: str, or_else: str = "") -> None:
    """Refuses another base URL than that of an earlier run or plan; what is known of one API is not true of another.

    Args:
        what: is opened again.
        base_url: that it is for.
        now: the one that is named.
        or_else: another way out, beside leaving that out.

    Raises:
        ConfigError: they differ.
    """
    if now != base_url:
        leave = "Leave the other base URL out (option, BATCHUPDATE_BASE_URL, config)"
        raise ConfigError(f"This {what} is for {base_url}, and now {now} is named.", f"{leave}{or_else}.")


def checkup_of(meta: Mapping[str, Any]) -> Checkup:
    """What is known of the input of a run whose rows stand in its journal."""
    files = {file.name: file.rows for file in files_of(meta["input"])}
    source = listed(list(files)) or meta["input"]["path"]
    checkup = Checkup(source, meta["target"]["name"], rows=meta["rows"], files=files)
    if "sample" in meta:
        checkup.sampled = Sample(**meta["sample"])
        checkup.notices.append(str(checkup.sampled))
    return checkup


def hold_target(stack: ExitStack, settings: Settings, target: Target, base_url: str) -> None:
    """Keeps other runs off this target: two at once would share one limit, and may change the same records.

    Raises:
        RunLocked: another process is working on it.
    """
    if not settings.allow_overlap:
        stack.enter_context(one_run_of(settings.runs_dir, target.name, base_url))
