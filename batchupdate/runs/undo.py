"""An earlier run turned round: its records get back what they were before it, as a run of its own."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.api.verdict import errors_in_doubt
from batchupdate.errors import ConfigError
from batchupdate.journal import Journal
from batchupdate.model import Outcome, Result
from batchupdate.runs.folder import LATEST, RunFolder, find
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of, only_secrets
from batchupdate.runs.old_values import OldValues, reasons
from batchupdate.runs.reopen import checkup_of, hold_target, open_run, refuse_other_api
from batchupdate.runs.selection import spans_of
from batchupdate.runs.undo_csv import OldValueTable
from batchupdate.runs.unfinished import begin_linked
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen
from batchupdate.util import json as exact_json
from batchupdate.util.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchupdate.config import Settings
    from batchupdate.journal.records import Copy
    from batchupdate.runs.old_values import Undone
    from batchupdate.runs.reopen import Earlier

RowsOfFile = tuple[str, int, int]
"""What a file is called, '' in a run of one, and its first and last row."""

CANT = "can't be restored: "


def find_to_undo(runs_dir: Path, run: str) -> RunFolder:
    """Finds the run that is to be undone, as `find` does.

    Raises:
        ConfigError: there is no such run; or `latest` is itself an undo: who gives the command again, as with another
            option or after a kill, would take back what is restored already.
    """
    folder = find(runs_dir, run)
    if run != LATEST:
        return folder
    with Journal.open(folder.journal) as journal:
        meta = journal.meta()
    if "undo_of" in meta:
        name, undone = folder.command_name, folder.path.with_name(meta["undo_of"])
        again = f"To undo {meta['undo_of']} once more: batchupdate undo {RunFolder(undone).command_name}"
        ended = ""
        if not meta.get("finished"):
            again, ended = f"To go on with it: batchupdate resume {name}", ", and has not ended"
        raise ConfigError(
            f"The latest run, {folder.run_id}, is itself an undo, of {meta['undo_of']}{ended}.",
            f"{again}; to take back what it has restored: batchupdate undo {name}",
        )
    return folder


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
        earlier = open_run(stack, folder, settings_with)
        settings, target, base_url = earlier.settings, earlier.target, earlier.base_url
        refuse_other_api("run", earlier.meta["same"]["base_url"], base_url)
        in_doubt = errors_in_doubt(target)
        rows = earlier.journal.may_have_changed(in_doubt=in_doubt)
        if not rows:
            raise _nothing_changed(folder, earlier.journal)
        forced = _forced(earlier.journal, rows, force_rows, in_doubt, all_rows=force)
        credentials = (only_secrets if keyless else credentials_of)(target, settings, environ, clock)
        if not keyless:
            earlier.keep_the_proxy()
            hold_target(stack, settings, target, base_url)
        made, journal = begin_linked(stack, earlier, "undo", clock.now())
        table = OldValueTable.of(target, earlier.journal, folder.run_id)
        turned = _Turned(table, earlier.journal, forced)
        for batch in earlier.journal.copies(rows):
            copies, results = turned.round(batch)
            journal.add_copies(copies)
            journal.withdraw(results)
        turned.refuse_nothing(folder)
        if target.read is None and not force:
            raise ConfigError(
                f"{target.name} does not declare how one record is read, so undo can't see whether somebody else has "
                "changed it since.",
                "--force restores the old values without looking.",
            )
        facts = {**earlier.facts_for(rows, "undo_of"), "not_restored": turned.left(), **made.facts()}
        journal.seal({**facts, "columns": table.headings, "width": len(table.headings), "sheet": {}})
        checkup = checkup_of(journal.meta())
        checkup.invalid = turned.unknowable
        checkup.notices += _notices(folder, earlier)
        yield Job(made, journal, target, settings, base_url, credentials, clock, checkup)


class _Turned:
    """Turns rows round, and counts what can't be restored.

    The cells of a row are then those of `undo.csv`: its old values, and what the run has set. So the reports of the
    undo show what was restored, and running its `failed.csv` goes on with that, and does not repeat what is undone.
    """

    def __init__(self, table: OldValueTable, earlier: Journal, forced: frozenset[int]) -> None:
        self._table, self._earlier, self._forced = table, earlier, forced
        self._old = OldValues(table.target)
        self.restorable, self.unknowable = 0, 0
        self._lost: Counter[tuple[str, str]] = Counter()

    def round(self, rows: Sequence[Copy]) -> tuple[list[Copy], list[Result]]:
        """Some rows for the new journal, and the results of those that can't be sent."""
        copies: list[Copy] = []
        results = []
        carriers = [row for row in rows if row[5] is None]
        elsewhere = {row[5] for row in rows if row[5] is not None} - {row[0] for row in carriers}
        carriers += [row for batch in self._earlier.copies(sorted(elsewhere)) for row in batch]
        before = self._earlier.before([row[0] for row in carriers])
        turned = {row[0]: self._turned(row, before.get(row[0], "")) for row in carriers}
        for key, _, record_id, path, fields, carrier, _, _checksum, _unanswered in rows:
            cells, undone, sent = turned[key if carrier is None else carrier]
            new: str | None = fields
            known: str | None = None
            if carrier is None:
                self._lost.update(undone.lost.items())
                new = exact_json.dumps(undone.fields)
                if undone.fields:
                    self.restorable += 1
                    set_then = {} if key in self._forced else {name: sent[name] for name in undone.fields}
                    known = Pulled(seen=Seen(values=set_then), by="run", lost=undone.lost).to_json()
                else:
                    self.unknowable += 1
                    results.append(Result(key, Outcome.INVALID, error=CANT + reasons(undone.lost.items())))
            copies.append((key, cells, record_id, path, new, carrier, known, None, 0))
        return copies, results

    def _turned(self, row: Copy, before: str) -> tuple[str, Undone, Mapping[str, Any]]:
        """A row's new cells as the journal has them, its old values, and what it has set."""
        key, _, record_id, path, fields, _, pulled, *_ = row
        sent = exact_json.loads(fields or "{}")
        undone = self._old.of(sent, before, pulled or "")
        expects = key not in self._forced
        cells = self._table.cells(record_id or "", path or "", sent, undone.fields, expects=expects)
        return exact_json.dumps(cells), undone, sent

    def left(self) -> list[dict[str, Any]]:
        """What can't be restored, by field and reason, with how many rows that is."""
        return [{"field": name, "reason": why, "rows": count} for (name, why), count in sorted(self._lost.items())]

    def refuse_nothing(self, folder: RunFolder) -> None:
        """Makes no run that could only say of every row that nothing is known.

        Raises:
            ConfigError: no row can be restored.
        """
        if not self.restorable:
            why = reasons(self._lost)
            raise ConfigError(
                f"Nothing of the run {folder.run_id} can be restored: {why}.",
                "Old values are known of runs of a plan or a pulled sheet, and where each record is read just before "
                "its change.",
            )


def sentences(left: Sequence[Mapping[str, Any]]) -> list[str]:
    """What can't be restored, in sentences."""
    return [
        f"{one['field']} can't be restored in {one['rows']:,} row{'s' if one['rows'] != 1 else ''}: {one['reason']}."
        for one in left
    ]


def _nothing_changed(folder: RunFolder, earlier: Journal) -> ConfigError:
    hint = f"See what became of its rows with: batchupdate show {folder.command_name}"
    if given_to := earlier.given():
        hint = f"Rows of it were sent again by {', '.join(given_to)}: undo that one."
    return ConfigError(f"The run {folder.run_id} has changed nothing that could be undone.", hint)


def _forced(
    earlier: Journal,
    rows: Sequence[int],
    force_rows: Sequence[RowsOfFile],
    in_doubt: Sequence[int],
    *,
    all_rows: bool,
) -> frozenset[int]:
    if all_rows:
        return frozenset(rows)
    if not force_rows:
        return frozenset()
    found = earlier.may_have_changed(spans_of(force_rows, earlier), in_doubt=in_doubt)
    if not found:
        raise ConfigError("--force-row names no row that this run has changed.", "Rows are those of its input: 4,10-20")
    return frozenset(found)


def _notices(folder: RunFolder, earlier: Earlier) -> list[str]:
    notices = []
    if undone := earlier.meta.get("undo_of"):
        notices.append(f"The run {folder.run_id} is itself an undo: this sets again what {undone} had set.")
    if earlier.journal.to_send():
        notices.append(
            f"The run {folder.run_id} is unfinished. Only what it has sent is undone; 'resume' would send the rest."
        )
    if given_to := earlier.journal.given():
        notices.append(f"Rows that were sent again are not undone with it; undo these runs too: {', '.join(given_to)}.")
    return notices
