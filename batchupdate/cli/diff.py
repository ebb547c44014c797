"""`diff`: what became of rows in one run and in another."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchupdate.cli import completion, options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.output_file import Force, refuse_stdout
from batchupdate.cli.units import many
from batchupdate.errors import UsageError
from batchupdate.util.text import cut

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

Output = Annotated[Path | None, typer.Option("-o", "--output", help="A CSV file to write with every such row.")]


@reports_errors
def diff(
    run1: Run,
    run2: Run,
    output: Output = None,
    force: Force = False,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show the rows whose outcome, or whose values, differ between two runs.

    Rows belong together by the ids of their records. Exit code 0 if nothing differs, 1 if something does.

    Examples:

      batchupdate diff 20261121-184500-renames-7f3a latest

      batchupdate diff 20261121-184500-renames-7f3a latest -o differences.csv
    """
    from batchupdate.roundtrip.sheet import atomic_file
    from batchupdate.runs.differences import RunDiff
    from batchupdate.runs.folder import find

    screen = Screen(quiet=quiet, as_json=as_json)
    refuse_stdout(output)
    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"The rows are written as CSV, and {output} does not end in .csv.", "Name it so.")
    found = RunDiff.of(find(runs_dir, run1), find(runs_dir, run2))
    kept: list[dict[str, Any]] = []
    shown = 0
    with ExitStack() as stack:
        rows = found.rows()
        if output is not None:
            beside = stack.enter_context(atomic_file(output, force=force))
            rows = found.written(stack.enter_context(beside.open("w", encoding="utf-8", newline="")), rows)
        for row in rows:
            shown += 1
            if shown <= SHOWN_ROWS:
                screen.result(_line(found, row))
            if len(kept) < JSON_ROWS:
                kept.append(found.row_to_json(row))
    if shown > SHOWN_ROWS and output is None:
        screen.result(f"… and {many(shown - SHOWN_ROWS, 'row')} more; all of them with: -o differences.csv")
    table = [(said, f"{found.counts[kind]:,}") for kind, said in _KINDS.items() if found.counts[kind]]
    screen.table(("rows that", "rows"), table or [("differ", "0")])
    if output is not None:
        screen.result(f"All rows: {output}")
    told = {**found.to_json(), "rows": kept, "rows_left_out": shown - len(kept)}
    screen.json(told | ({} if output is None else {"file": str(output)}))
    raise typer.Exit(found.exit_code)


def _line(diff: RunDiff, row: Difference) -> str:
    place = (
        diff.one_labels.label(row.one_row) if row.one_row is not None else diff.other_labels.label(row.other_row or 0)
    )
    said = [f"{place}: {row.record_id}".removesuffix(": ")]
    if row.one_outcome != row.other_outcome:
        said.append(f"{row.one_outcome or 'not there'} → {row.other_outcome or 'not there'}")
    said += [f"{one.name}: {_short(one.one, one.in_one)} → {_short(one.other, one.in_other)}" for one in row.fields]
    return ": ".join([said[0], ", ".join(said[1:])])


def _short(value: object, known: bool) -> str:
    from batchupdate.util import json as exact_json

    text = exact_json.dumps(value) if known else "not set"
    return cut(text, LONGEST)
