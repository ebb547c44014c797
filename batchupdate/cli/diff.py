"""`diff`: what became of rows in one run and in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchupdate.cli import completion, options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.units import many

if TYPE_CHECKING:
    from batchupdate.journal.differences import Difference
    from batchupdate.runs.differences import RunDiff

SHOWN_ROWS = 50
JSON_ROWS = 10_000
LONGEST = 60
_KINDS = {
    "outcome": "differ in their outcome",
    "fields": "differ in what they set",
    "only_in_first": "only in the first",
    "only_in_second": "only in the second",
}

Run = Annotated[str, typer.Argument(help="A run's id, its folder, or the word latest.", autocompletion=completion.runs)]


@reports_errors
def diff(
    run1: Run,
    run2: Run,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show the rows whose outcome, or whose values, differ between two runs.

    Rows belong together by the ids of their records. Exit code 0 if nothing differs, 1 if something does.

    Examples:

      batchupdate diff 20261121-184500-renames-7f3a latest
    """
    from batchupdate.runs.differences import RunDiff
    from batchupdate.runs.folder import find

    screen = Screen(quiet=quiet, as_json=as_json)
    found = RunDiff.of(find(runs_dir, run1), find(runs_dir, run2))
    kept: list[dict[str, Any]] = []
    shown = 0
    for row in found.rows():
        shown += 1
        if shown <= SHOWN_ROWS:
            screen.result(_line(found, row))
        if len(kept) < JSON_ROWS:
            kept.append(found.to_json(row))
    if shown > SHOWN_ROWS:
        screen.result(f"… and {many(shown - SHOWN_ROWS, 'row')} more; the first {JSON_ROWS:,} are in --json.")
    rows = [(said, f"{found.counts[kind]:,}") for kind, said in _KINDS.items() if found.counts[kind]]
    screen.table(("rows that", "rows"), rows or [("differ", "0")])
    code = int(bool(shown))
    runs = [found.one.run_id, found.other.run_id]
    screen.json(
        {"runs": runs, "counts": {kind: found.counts[kind] for kind in _KINDS}, "rows": kept, "exit_code": code}
    )
    raise typer.Exit(code)


def _line(diff: RunDiff, row: Difference) -> str:
    place = (
        diff.one_labels.label(row.one_row) if row.one_row is not None else diff.other_labels.label(row.other_row or 0)
    )
    said = [f"{place}: {row.record_id}".removesuffix(": ")]
    if row.one_outcome != row.other_outcome:
        said.append(f"{row.one_outcome or 'not there'} → {row.other_outcome or 'not there'}")
    said += [f"{name}: {_short(one)} → {_short(other)}" for name, (one, other) in row.fields.items()]
    return ": ".join([said[0], ", ".join(said[1:])])


def _short(value: object) -> str:
    from batchupdate.util import json as exact_json

    text = "not set" if value is None else exact_json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
