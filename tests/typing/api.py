"""Calls as a user of the library writes them; `make test` has mypy check them, nothing runs them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import batchupdate


def told(progress: batchupdate.Progress) -> None:
    done: int = progress.done
    total: int | None = progress.total
    print(progress.stage, done, total, progress.counts[batchupdate.Outcome.FAILED])


def found(problem: batchupdate.Problem) -> None:
    print(
        problem.code,
        problem.file,
        problem.row,
        problem.column,
        problem.sentence(),
        problem.level is batchupdate.Level.WARNING,
    )


async def main() -> int:
    settings = batchupdate.Settings(target="langdock-integration", concurrency=4, runs_dir=Path("runs"))
    settings = batchupdate.load_settings({"rate": "5/s"}, Path("config.yaml"))
    checkup: batchupdate.Checkup = batchupdate.check_file("in.csv", settings, on_problem=found)
    several: dict[str, int] = batchupdate.check_file(["a.csv", Path("b.xlsx")], settings).files
    print(several, (await batchupdate.run_file([Path("a.csv"), Path("b.csv")], settings)).files)
    frame: pd.DataFrame = batchupdate.check_file(pd.DataFrame({"id": ["1"]}), settings).problems()
    for chunk in (await batchupdate.run_file([frame, "b.csv"], settings)).results(chunksize=1000):
        print(chunk["_outcome"].value_counts())
    try:
        summary: batchupdate.Summary = await batchupdate.run_file(
            Path("in.csv"), settings, new=True, on_problem=found, on_progress=told, environ={"LANGDOCK_API_KEY": "k"}
        )
        summary = await batchupdate.resume("latest", settings, on_progress=told)
        failed = batchupdate.Selection(outcomes=[batchupdate.Outcome.FAILED], statuses=[(500, 599)])
        summary = await batchupdate.retry(summary.run_id, failed)
        summary = await batchupdate.undo(summary.run_id, settings, force=True)
        print((await batchupdate.verify(summary.run_id, settings)).to_frame())
        differing: pd.DataFrame = batchupdate.diff("latest", summary.folder, settings).to_frame()
        for chunk in batchupdate.diff("latest", summary.folder).to_frame(chunksize=1000):
            print(chunk["new_outcome"], differing["old"])
        results: pd.DataFrame = summary.results()
        print(results.dtypes, summary.durations()["p95"], summary.timeline("1min")["rows_per_s"].max())
    except (batchupdate.UsageError, batchupdate.RunLocked) as error:
        print(error.message, error.hint)
        return error.exit_code
    counts: dict[batchupdate.Outcome, int] = summary.counts
    return summary.exit_code + counts[batchupdate.Outcome.UNKNOWN] + checkup.invalid
