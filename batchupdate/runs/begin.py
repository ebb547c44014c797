"""How a run begins: from a file, from a run that was left unfinished, or from what failed in an earlier one.

Each way ends in a sealed journal that this process holds, and in which every row stands. Then there is time to ask.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchupdate.api.client import proxy_from_environment
from batchupdate.config import Secrets, find_key
from batchupdate.errors import ConfigError, InputError
from batchupdate.ingest import Checkup, Ingest, write_rows
from batchupdate.journal import Journal
from batchupdate.model import Outcome, files_of, labels_of, with_rows
from batchupdate.reader import ReadOptions
from batchupdate.reader.sources import local_copies, open_tables
from batchupdate.runs.facts import changed_since, facts_of, new_run, place_of, rate_of
from batchupdate.runs.folder import create, one_at_a_time, one_run_of
from batchupdate.runs.unfinished import begin, name_of, remove_if_unused
from batchupdate.targets import Target, find_target
from batchupdate.util.clock import Clock, SystemClock
from batchupdate.util.gc import fewer_collections
from batchupdate.util.text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from batchupdate.config import Settings
    from batchupdate.config.rate import Rate
    from batchupdate.model import Problem, Progress
    from batchupdate.runs.folder import RunFolder
    from batchupdate.runs.selection import Selection

EXAMPLES = 3


def quiet(_: object) -> None:
    """A hook for those who don't want to be told."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is ready to go: every row stands in its journal, and this process holds it.

    `begins` is called when it begins to send.
    """

    folder: RunFolder
    journal: Journal
    target: Target
    settings: Settings
    base_url: str
    key: SecretStr | None
    secrets: Secrets
    clock: Clock
    checkup: Checkup
    resumed: bool
    begins: Callable[[], None] = field(default=_nothing)

    @property
    def rate(self) -> Rate:
        """The rate to keep."""
        return rate_of(self.target, self.settings)

    @property
    def to_send(self) -> int:
        """How many rows are still to be sent."""
        return self.journal.to_send()

    def examples(self) -> list[tuple[str, str, str]]:
        """The first rows to be sent: place, id, and fields as JSON."""
        labels = labels_of(files_of(self.journal.meta().get("input")))
        return [
            (labels.label(number), record_id, fields) for number, record_id, fields in self.journal.examples(EXAMPLES)
        ]


def target_of(settings: Settings) -> Target:
    """The target that the settings name.

    Raises:
        ConfigError: they name none, or there is none of that name.
    """
    if settings.target is None:
        raise ConfigError("No target is named.", "Say it with --target; see them with: batchupdate targets")
    return find_target(settings.target)


def read_options(settings: Settings) -> ReadOptions:
    """How to read the input."""
    options = settings.input
    return ReadOptions(options.sheet, options.encoding, options.delimiter, settings.limit, options.header_row)


def known_secrets(target: Target, settings: Settings, environ: Mapping[str, str] | None) -> Secrets:
    """The key if there is one: checking needs none, but a file that holds it is to be found out."""
    try:
        return secrets_of(target, find_key(target.auth.env, settings, environ))
    except ConfigError:
        return Secrets()


def secrets_of(target: Target, key: SecretStr | None) -> Secrets:
    """What must never be written down: the key, in every form in which it goes out."""
    return Secrets([key, *target.auth.secrets(key)] if key else [])


@contextmanager
def prepare(
    source: str | Path | Sequence[str | Path],
    settings: Settings,
    *,
    new: bool = False,
    keyless: bool = False,
    on_problem: Callable[[Problem], None] = quiet,
    on_progress: Callable[[Progress], None] = quiet,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Prepared]:
    """Checks one file or several and writes them to a new run's journal; or goes on with the same, unfinished run.

    A new run that is left before it was executed leaves nothing behind. With `keyless` no API key is asked for; what
    is prepared like that is not to be executed.

    Raises:
        UsageError: something can't be used, or `strict` is set and a row is invalid. Nothing was sent.
        RunLocked: another process holds the unfinished run, or is at work on this target.
    """
    clock = clock or SystemClock()
    target = target_of(settings)
    base_url = target.base(settings.base_url, allow_http=settings.allow_http)
    key = None if keyless else find_key(target.auth.env, settings, environ)
    secrets = known_secrets(target, settings, environ) if keyless else secrets_of(target, key)
    with local_copies(source) as sources, ExitStack() as stack:
        facts = facts_of(sources, target, settings, base_url)
        with open_tables(sources, read_options(settings), secrets.redact) as table:
            begun = begin(stack, facts, settings, target, clock.now(), new=new)
            if not keyless:
                _keep_others_off(stack, settings, target, base_url)
            if begun.resumed:
                begun.journal.examine()
                checkup = _checkup_of(begun.journal.meta())
            else:
                with (
                    fewer_collections(),
                    Ingest(table, target, settings.input, secrets, on_problem, on_progress) as ingest,
                ):
                    write_rows(ingest, begun.journal, facts)
                    checkup = ingest.checkup
            checkup.notices += begun.notices
        if settings.strict and checkup.invalid:
            hint = "Mend them, or leave --strict away. Nothing was sent."
            raise InputError(f"{checkup.invalid} of {checkup.rows} rows are invalid, and --strict is set.", hint)
        yield Prepared(
            begun.folder,
            begun.journal,
            target,
            settings,
            base_url,
            key,
            secrets,
            clock,
            checkup,
            resumed=begun.resumed,
        )


@contextmanager
def resume(
    folder: RunFolder,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Prepared]:
    """Goes on with a run from its journal alone; neither the file nor its place is needed.

    Args:
        folder: the run.
        settings_with: makes settings out of those that the run has kept; what is said now goes before them.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: the run can't be gone on with.
        RunLocked: another process holds it, or is at work on its target.
    """
    with ExitStack() as stack:
        journal, meta, settings, target, base_url = _opened(stack, folder, settings_with)
        if base_url != meta["same"]["base_url"]:
            raise ConfigError(
                f"This run sends to {meta['same']['base_url']}, and now {base_url} is said.",
                "One run has one API: leave the other base URL away (option, BATCHUPDATE_BASE_URL, config), or retry.",
            )
        _same_way(meta, settings, base_url)
        _keep_others_off(stack, settings, target, base_url)
        key = find_key(target.auth.env, settings, environ)
        checkup = _checkup_of(meta)
        if changed := changed_since(meta["input"]):
            have, file = ("have", "the files") if len(changed) > 1 else ("has", "the file")
            checkup.notices.append(
                f"{listed(changed)} {have} changed since this run began. The run goes on with the rows as they were; "
                f"apply {file} once more afterwards to send what is new."
            )
        yield Prepared(
            folder,
            journal,
            target,
            settings,
            base_url,
            key,
            secrets_of(target, key),
            clock or SystemClock(),
            checkup,
            resumed=True,
        )


@contextmanager
def retry(
    folder: RunFolder,
    selection: Selection,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    keyless: bool = False,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Prepared]:
    """Makes a new run, linked to an earlier one, of some of its rows.

    Rows that the earlier run still had to send are the new run's from the moment it begins to send.

    Args:
        folder: the earlier run.
        selection: which rows.
        settings_with: makes settings out of those that the earlier run has kept; what is said now goes before them.
        keyless: ask for no API key; what is prepared like that is not to be executed.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: the earlier run can't be read, or no row of it is selected.
        RunLocked: another process holds the earlier run, or is at work on its target.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        earlier, meta, settings, target, base_url = _opened(stack, folder, settings_with)
        key = None if keyless else find_key(target.auth.env, settings, environ)
        if not keyless:
            _same_way(meta, settings, base_url)
            _keep_others_off(stack, settings, target, base_url)
        rows = selection.numbers(earlier, repeatable=target.repeatable and target.idempotency_header is None)
        if not rows:
            raise _nothing_to_retry(folder, selection, earlier)
        with one_at_a_time(settings.runs_dir):
            made = create(settings.runs_dir, f"{name_of(meta['input'])}-retry", clock.now())
            stack.callback(remove_if_unused, made)
            stack.enter_context(made.lock())
        journal = stack.enter_context(Journal.create(made.journal))
        for batch in earlier.copies(rows):
            journal.add_copies(batch)
        facts = {
            **{name: meta[name] for name in ("target", "columns", "width")},
            "input": _input_of(meta["input"], rows),
            "same": {**meta["same"], "base_url": base_url, "retry_of": folder.run_id},
            "settings": settings.kept(),
            "retry_of": folder.run_id,
            "proxy": place_of(settings.proxy) or meta.get("proxy"),
            **new_run(rate_of(target, settings)),
        }
        if set(selection.outcomes) == {Outcome.UNKNOWN}:  # the API is to know the same requests again by their keys
            facts["nonce"] = meta.get("nonce", folder.run_id)
        journal.seal({**facts, "rows": len(rows)})
        yield Prepared(
            made,
            journal,
            target,
            settings,
            base_url,
            key,
            secrets_of(target, key),
            clock,
            _checkup_of(journal.meta()),
            resumed=False,
            begins=lambda: earlier.give_away(rows, made.run_id),
        )


def _opened(
    stack: ExitStack, folder: RunFolder, settings_with: Callable[[Mapping[str, Any]], Settings]
) -> tuple[Journal, dict[str, Any], Settings, Target, str]:
    """An earlier run, held and examined: its journal, its facts, its settings with those said now, and its API."""
    stack.enter_context(folder.lock())
    journal = stack.enter_context(Journal.open(folder.journal))
    journal.examine()
    meta = _sealed(folder, journal)
    settings = settings_with(meta.get("settings", {}))
    return journal, meta, settings, *_target_of(meta, settings)


def _nothing_to_retry(folder: RunFolder, selection: Selection, earlier: Journal) -> ConfigError:
    given_to = earlier.given_to()
    hint = f"See what became of its rows with: batchupdate show {folder.run_id}"
    if given_to:
        hint = f"Rows of it were sent again by {', '.join(given_to)}: see and retry that one."
    return ConfigError(f"No row of the run {folder.run_id} is to be sent again: {selection}.", hint)


def _keep_others_off(stack: ExitStack, settings: Settings, target: Target, base_url: str) -> None:
    """Two runs at once would share one limit, and may change the same records."""
    if not settings.allow_overlap:
        stack.enter_context(one_run_of(settings.runs_dir, target.name, base_url))


def _sealed(folder: RunFolder, journal: Journal) -> dict[str, Any]:
    meta = journal.meta()
    if not meta.get("sealed"):
        raise ConfigError(
            f"The run {folder.run_id} ended while its file was being read. Nothing was sent.",
            "Start it again with: batchupdate run",
        )
    return meta


def _target_of(meta: Mapping[str, Any], settings: Settings) -> tuple[Target, str]:
    """The target as the run has kept it, and the base URL."""
    target = Target.model_validate_json(json.dumps(meta["target"]))
    return target, target.base(settings.base_url or meta["same"]["base_url"], allow_http=settings.allow_http)


def _checkup_of(meta: Mapping[str, Any]) -> Checkup:
    files = {file.name: file.rows for file in files_of(meta["input"])}
    source = listed(list(files)) or meta["input"]["path"]
    return Checkup(source, meta["target"]["name"], rows=meta["rows"], files=files)


def _input_of(told: Mapping[str, Any], rows: Sequence[int]) -> Mapping[str, Any]:
    """What is told of an input of which only some rows are taken."""
    files = files_of(told)
    return with_rows(told, labels_of(files).rows_by_file(rows)) if files else told


def _same_way(meta: Mapping[str, Any], settings: Settings, base_url: str) -> None:
    """A run that went through a proxy of the config's does not go around it later, because nobody says it again."""
    before = meta.get("proxy")
    if before and not settings.proxy and not proxy_from_environment(base_url):
        hint = "Name it again: 'proxy' in the file of --config, or BATCHUPDATE_PROXY, or HTTPS_PROXY."
        raise ConfigError(f"This run went through the proxy {before}, and now none is named.", hint)
