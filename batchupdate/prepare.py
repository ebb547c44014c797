"""How a run begins: from a file, from a run that was left unfinished, or from what failed in an earlier one.

Each way ends in a sealed journal that this process holds, and in which every row stands. Then there is time to ask.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from batchupdate._version import __version__
from batchupdate.client import proxy_from_environment
from batchupdate.clock import Clock, SystemClock
from batchupdate.config import Secrets, find_key
from batchupdate.errors import BatchUpdateError, ConfigError, InputError
from batchupdate.garbage import fewer_collections
from batchupdate.ingest import Checkup, Ingest, write_rows
from batchupdate.journal import Journal
from batchupdate.journal.folder import RunFolder, all_runs, create, one_at_a_time, one_run_of
from batchupdate.model import Outcome
from batchupdate.places import files_of, listed, places_of, short_names, with_rows
from batchupdate.rates import rate_in_force
from batchupdate.reader import STDIN, ReadOptions
from batchupdate.reader.sources import local_copies, open_tables
from batchupdate.targets import Target, find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pydantic import SecretStr

    from batchupdate.config import Settings
    from batchupdate.journal.selection import Selection
    from batchupdate.model import Problem, Progress
    from batchupdate.rates import Rate
    from batchupdate.reader.sources import Source

HASH_CHUNK = 1 << 20
EXAMPLES = 3
MAX_STEM = 20
"""So many characters of the first file's name, so that how many more there are stays to be seen."""

_ASK_NEW = "Look into it; then start afresh with --new, for this target does not say that sending twice is safe."


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
        return _rate(self.target, self.settings)

    @property
    def to_send(self) -> int:
        """How many rows are still to be sent."""
        return self.journal.to_send()

    def examples(self) -> list[tuple[str, str, str]]:
        """The first rows to be sent: place, id, and fields as JSON."""
        places = places_of(files_of(self.journal.meta().get("input")))
        return [
            (places.say(number), record_id, fields) for number, record_id, fields in self.journal.examples(EXAMPLES)
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
        return _secrets(target, find_key(target.auth.env, settings, environ))
    except ConfigError:
        return Secrets()


def _secrets(target: Target, key: SecretStr | None) -> Secrets:
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
    secrets = known_secrets(target, settings, environ) if keyless else _secrets(target, key)
    with local_copies(source) as sources, ExitStack() as stack:
        facts = _facts(sources, target, settings, base_url)
        with open_tables(sources, read_options(settings), secrets.redact) as table:
            begun = _begin(stack, facts, settings, target, clock.now(), new=new)
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
        if changed := _changed(meta["input"]):
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
            _secrets(target, key),
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
            made = create(settings.runs_dir, f"{_name_of(meta['input'])}-retry", clock.now())
            stack.callback(_remove_if_unused, made)
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
            "proxy": _place_of(settings.proxy) or meta.get("proxy"),
            **_new_run(_rate(target, settings)),
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
            _secrets(target, key),
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
    return with_rows(told, places_of(files).rows_by_file(rows)) if files else told


def _name_of(told: Mapping[str, Any]) -> str:
    """What a run is named after."""
    files = told.get("files") or [told]
    name = "stdin" if files[0]["path"] == STDIN else Path(files[0]["path"]).stem.replace(".", "-")
    return f"{name[:MAX_STEM]}-and-{len(files) - 1}-more" if len(files) > 1 else name


def _same_way(meta: Mapping[str, Any], settings: Settings, base_url: str) -> None:
    """A run that went through a proxy of the config's does not go around it later, because nobody says it again."""
    before = meta.get("proxy")
    if before and not settings.proxy and not proxy_from_environment(base_url):
        hint = "Name it again: 'proxy' in the file of --config, or BATCHUPDATE_PROXY, or HTTPS_PROXY."
        raise ConfigError(f"This run went through the proxy {before}, and now none is named.", hint)


def _place_of(proxy: str | None) -> str | None:
    """Host and port of a proxy, without its password."""
    return None if proxy is None else urlsplit(proxy).netloc.rpartition("@")[2]


def _changed(told: Mapping[str, Any]) -> list[str]:
    """The inputs that stand where they stood, and are others now."""
    return [file.get("name", file["path"]) for file in told.get("files") or [told] if _has_changed(file)]


def _has_changed(told: Mapping[str, Any]) -> bool:
    path = Path(told["path"])
    try:
        return told["path"] != STDIN and path.is_file() and _digest(path) != told["sha256"]
    except OSError:
        return False


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _input_facts(sources: Sequence[Source]) -> dict[str, Any]:
    """What the journal keeps about the input; the digest of several files is that of their digests, in order."""
    files = [{"path": source.place, "sha256": _digest(source.path)} for source in sources]
    if len(files) == 1:
        return dict(files[0])
    names = short_names([source.name for source in sources])
    return {
        "path": ", ".join(file["path"] for file in files),
        "sha256": hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest(),
        "files": [{"name": name, **file} for name, file in zip(names, files, strict=True)],
    }


def _facts(sources: Sequence[Source], target: Target, settings: Settings, base_url: str) -> dict[str, Any]:
    """What the journal keeps about a run; `same` is what makes two runs of one input the same."""
    return {
        "input": _input_facts(sources),
        "target": target.model_dump(mode="json", exclude_unset=True),
        "same": {**settings.fingerprint(), "base_url": base_url, "target": target.identity()},
        "settings": settings.kept(),
        "proxy": _place_of(settings.proxy),
        **_new_run(_rate(target, settings)),
    }


def _new_run(rate: Rate) -> dict[str, Any]:
    """What tells a run from all others, and how it was made."""
    return {"nonce": uuid.uuid4().hex, "version": __version__, **rate_facts(rate)}


def _rate(target: Target, settings: Settings) -> Rate:
    return rate_in_force(settings.rate, settings.max_rate, target.rate, target.max_rate)


def rate_facts(rate: Rate) -> dict[str, Any]:
    """A rate as the journal keeps it."""
    return {"rate_per_s": rate.per_s if rate.limited else None, "rate_auto": rate.auto}


@dataclass(frozen=True, slots=True)
class _Begun:
    """A run that this process holds: a new one, or an unfinished one to go on with."""

    folder: RunFolder
    journal: Journal
    notices: list[str]
    resumed: bool


def _begin(
    stack: ExitStack, facts: dict[str, Any], settings: Settings, target: Target, now: datetime, *, new: bool
) -> _Begun:
    """Finds the unfinished run to go on with, or makes a new one; `stack` lets go of it at the end."""
    with one_at_a_time(settings.runs_dir):
        found = _Found() if new else _unfinished(settings.runs_dir, facts)
        if found.unreadable and not target.repeatable:
            raise ConfigError(f"The run {found.unreadable[0]} can't be read, and may have sent {found.this}.", _ASK_NEW)
        if found.otherwise and found.run is None and not target.repeatable:
            name, left = found.otherwise[0]
            told = found.otherwise_told(name, left)
            hint = f"Go on with it by: batchupdate resume {name}; or send all rows, the done ones too, with --new."
            raise ConfigError(told, hint)
        notices = found.notices()
        if found.run is not None:
            stack.enter_context(found.run.lock())
            return _Begun(found.run, stack.enter_context(Journal.open(found.run.journal)), notices, resumed=True)
        folder = create(settings.runs_dir, _name_of(facts["input"]), now)
        stack.callback(_remove_if_unused, folder)
        stack.enter_context(folder.lock())
        journal = stack.enter_context(Journal.create(folder.journal))
        journal.set_meta(facts)  # so that the same command, given meanwhile, knows this run
        return _Begun(folder, journal, notices, resumed=False)


@dataclass(slots=True)
class _Found:
    """What a look at the earlier runs of a file, or of several, found.

    `run` is the same one, unfinished; `unreadable` are those that can't be read; `of_older_file` are unfinished runs of
    this path, of what stood there before, and `otherwise` those of this very file for a target of this name, but with
    other settings; with the rows that they have left.
    """

    several: bool = False
    run: RunFolder | None = None
    unreadable: list[str] = field(default_factory=list)
    of_older_file: list[tuple[str, int]] = field(default_factory=list)
    otherwise: list[tuple[str, int]] = field(default_factory=list)

    @property
    def this(self) -> str:
        """What to call the input."""
        return "these files" if self.several else "this file"

    def otherwise_told(self, name: str, left: int) -> str:
        """What is told of an unfinished run with other settings."""
        return f"The run {name} of {self.this} has {left:,} rows left, but its target, address or settings were others."

    def notices(self) -> list[str]:
        told = [f"The run {name} can't be read; if it sent {self.this}, rows go out again." for name in self.unreadable]
        if self.run is None:
            changed = "These files have" if self.several else "This file has"
            told += [
                f"{changed} changed since the run {name}, which has {left:,} rows left. This is a new run; the old one "
                f"could be gone on with by: batchupdate resume {name}"
                for name, left in self.of_older_file
            ]
            told += [
                f"{self.otherwise_told(name, left)} This is a new run, and sends all rows; the old one is gone on with "
                f"by: batchupdate resume {name}"
                for name, left in self.otherwise
            ]
        return told


def _unfinished(runs_dir: Path, facts: Mapping[str, Any]) -> _Found:
    """Looks for the newest run of the same file, target and settings, and whether it is unfinished.

    Raises:
        RunLocked: another process is just reading the same file for the same run.
    """
    found = _Found("files" in facts["input"])
    for folder in all_runs(runs_dir):
        try:
            with Journal.open(folder.journal) as journal:
                meta, left = journal.meta(), journal.to_send()
        except BatchUpdateError:
            found.unreadable.append(folder.run_id)
            continue
        if meta.get("same") != facts["same"]:
            if left and _is_same_work(meta, facts):
                found.otherwise.append((folder.run_id, left))
            continue
        if meta["input"]["sha256"] != facts["input"]["sha256"]:
            if left and meta.get("sealed") and meta["input"]["path"] == facts["input"]["path"] != STDIN:
                found.of_older_file.append((folder.run_id, left))
            continue
        if meta.get("sealed"):
            # With nothing left to send it may still have been stopped, or have died before its reports stood: whoever
            # says the same again wants it finished, and not everything sent once more.
            found.run = folder if left or not meta.get("finished", True) else None
            return found
        with folder.lock():
            pass  # nobody holds it: it ended while it was reading, and sent nothing
    return found


def _is_same_work(meta: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a run had this file's content, and a target of this name."""
    told, wanted = meta.get("input", {}), facts["input"]
    same_target = meta.get("target", {}).get("name") == facts["target"]["name"]
    return bool(meta.get("sealed")) and same_target and told.get("sha256") == wanted["sha256"]


def _remove_if_unused(folder: RunFolder) -> None:
    """A run that never began to send is nothing to keep."""
    unused = True
    if folder.journal.exists():
        with Journal.open(folder.journal) as journal:
            unused = journal.sessions().started_at is None
    if unused:
        folder.remove()
