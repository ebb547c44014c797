"""An earlier run turned round: its records get back what they were before it, as a run of its own."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result
from batchupdate.runs.credentials import credentials_of, only_secrets
from batchupdate.runs.folder import create
from batchupdate.runs.job import Job
from batchupdate.runs.lock import one_at_a_time
from batchupdate.runs.old_values import MAY_HAVE_CHANGED, OldValues
from batchupdate.runs.reopen import checkup_of, hold_target, open_earlier
from batchupdate.runs.selection import Selection
from batchupdate.runs.unfinished import name_of, remove_if_unused
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json
from batchupdate.util.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.journal.records import Copy
    from batchupdate.runs.folder import RunFolder
    from batchupdate.runs.reopen import Earlier
    from batchupdate.targets import Target

RowsOfFile = tuple[str, int, int]
"""What a file is called, '' in a run of one, and its first and last row."""

CANT = "can't be restored: "


@contextmanager
def undo_job(
    folder: RunFolder,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    force: bool = False,
    force_rows: Sequence[RowsOfFile] = (),
    keyless: bool = False,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Job]:
    """Makes a new run, linked to an earlier one, that gives its records back what they were before it.

    Each record is read first. One that somebody has changed since is a `conflict` and keeps what it has; a row of which
    no old value is known is `invalid`.

    Args:
        folder: the earlier run.
        settings_with: makes settings out of those that the earlier run has kept; what is said now goes before them.
        force: restore records also that somebody has changed since.
        force_rows: the same for these rows alone.
        keyless: ask for no API key; such a job is not to be executed.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: the earlier run can't be read, nothing of it can be restored, or the target can't read a record.
        RunLocked: another process holds the earlier run, or is working on its target.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        earlier = open_earlier(stack, folder, settings_with)
        settings, target, base_url = earlier.settings, earlier.target, earlier.base_url
        _refuse_other_api(earlier)
        rows = Selection(MAY_HAVE_CHANGED).numbers(earlier.journal, repeatable=True)
        if not rows:
            raise _nothing_changed(folder, earlier.journal)
        forced = _forced(earlier.journal, rows, force_rows, all_rows=force)
        credentials = (only_secrets if keyless else credentials_of)(target, settings, environ, clock)
        if not keyless:
            earlier.keep_the_proxy()
            hold_target(stack, settings, target, base_url)
        with one_at_a_time(settings.runs_dir):
            made = create(settings.runs_dir, f"{name_of(earlier.meta['input'])}-undo", clock.now())
            stack.callback(remove_if_unused, made)
            stack.enter_context(made.lock())
        journal = stack.enter_context(Journal.create(made.journal))
        turned = _Turned(target, forced)
        for batch in earlier.journal.copies(rows):
            copies, results = turned.round(batch, earlier.journal.before([row[0] for row in batch]))
            journal.add_copies(copies)
            journal.withdraw(results)
        turned.refuse_nothing(folder)
        if target.read is None and not force:
            raise ConfigError(
                f"{target.name} does not declare how one record is read, so undo can't see whether somebody else has "
                "changed it since.",
                "--force restores the old values without looking.",
            )
        journal.seal({**earlier.facts_for(rows, "undo_of"), "not_restored": turned.left(), **made.facts()})
        checkup = checkup_of(journal.meta())
        checkup.invalid = turned.unknowable
        checkup.notices += _notices(folder, earlier)
        yield Job(made, journal, target, settings, base_url, credentials, clock, checkup)


class _Turned:
    """Turns rows round, and counts what can't be restored."""

    def __init__(self, target: Target, forced: frozenset[int]) -> None:
        self._old, self._forced = OldValues(target), forced
        self.restorable, self.unknowable = 0, 0
        self._lost: Counter[tuple[str, str]] = Counter()

    def round(self, rows: Sequence[Copy], before: Mapping[int, str]) -> tuple[list[Copy], list[Result]]:
        """Some rows for the new journal, and the results of those that can't be sent."""
        copies: list[Copy] = []
        results = []
        for key, cells, record_id, path, fields, carrier, pulled, _checksum, _unanswered in rows:
            new: str | None = fields
            known: str | None = None
            if carrier is None:
                sent = exact_json.loads(fields or "{}")
                undone = self._old.of(sent, before.get(key, ""), pulled or "")
                self._lost.update(undone.lost.items())
                new = exact_json.dumps(undone.fields)
                if undone.fields:
                    self.restorable += 1
                    set_then = {} if key in self._forced else {name: sent[name] for name in undone.fields}
                    known = Pulled(seen=Seen(values=set_then), by="run").to_json()
                else:
                    self.unknowable += 1
                    results.append(Result(key, Outcome.INVALID, error=CANT + _reasons(undone.lost.items())))
            copies.append((key, cells, record_id, path, new, carrier, known, None, 0))
        return copies, results

    def left(self) -> list[dict[str, Any]]:
        """What can't be restored, by field and reason, with how many rows that is."""
        return [{"field": name, "reason": why, "rows": count} for (name, why), count in sorted(self._lost.items())]

    def refuse_nothing(self, folder: RunFolder) -> None:
        """Makes no run that could only say of every row that nothing is known.

        Raises:
            ConfigError: no row can be restored.
        """
        if not self.restorable:
            why = _reasons(self._lost)
            raise ConfigError(
                f"Nothing of the run {folder.run_id} can be restored: {why}.",
                "Old values are known of runs of a plan or a pulled sheet, and where each record is read just before "
                "its change.",
            )


def _reasons(lost: Iterable[tuple[str, str]]) -> str:
    """Why fields can't be restored, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, why in lost:
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())


def sentences(left: Sequence[Mapping[str, Any]]) -> list[str]:
    """What can't be restored, in sentences."""
    return [
        f"{one['field']} can't be restored in {one['rows']:,} row{'s' if one['rows'] != 1 else ''}: {one['reason']}."
        for one in left
    ]


def _refuse_other_api(earlier: Earlier) -> None:
    if earlier.base_url != earlier.meta["same"]["base_url"]:
        raise ConfigError(
            f"This run has changed records at {earlier.meta['same']['base_url']}, and now {earlier.base_url} is named.",
            "Old values are good for one API: leave the other base URL out.",
        )


def _nothing_changed(folder: RunFolder, earlier: Journal) -> ConfigError:
    hint = f"See what became of its rows with: batchupdate show {folder.run_id}"
    if given_to := earlier.given():
        hint = f"Rows of it were sent again by {', '.join(given_to)}: undo that one."
    return ConfigError(f"The run {folder.run_id} has changed nothing that could be undone.", hint)


def _forced(
    earlier: Journal, rows: Sequence[int], force_rows: Sequence[RowsOfFile], *, all_rows: bool
) -> frozenset[int]:
    if all_rows:
        return frozenset(rows)
    if not force_rows:
        return frozenset()
    found = Selection(MAY_HAVE_CHANGED, rows=force_rows).numbers(earlier, repeatable=True)
    if not found:
        raise ConfigError("--force-row names no row that this run has changed.", "Rows are those of its input: 4,10-20")
    return frozenset(found)


def _notices(folder: RunFolder, earlier: Earlier) -> list[str]:
    notices = []
    if earlier.journal.to_send():
        notices.append(
            f"The run {folder.run_id} is unfinished. Only what it has sent is undone; 'resume' would send the rest."
        )
    if given_to := earlier.journal.given():
        notices.append(f"Rows that were sent again are not undone with it; undo these runs too: {', '.join(given_to)}.")
    return notices
