"""Time and memory of results.xlsx beside those of the other reports.

    python benchmarks/results_xlsx.py [ROWS [FAILS_EVERY]]

A run is made up: its rows are read from a file, and results are written to its journal, every tenth a failure.
Then a new process writes its reports, the workbook last.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import write_rows

from batchupdate.config import load_settings
from batchupdate.journal import Journal, Session
from batchupdate.model import Outcome, Result
from batchupdate.reporter import write_reports
from batchupdate.run import prepare
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import details_of, summarise
from batchupdate.runs.results_xlsx import write_workbook

ROWS = 100_000
FAILS_EVERY = 10
GOAL_MIB = 60


def make_run(folder: Path, count: int, fails_every: int) -> None:
    """A run of so many rows, finished."""
    path = folder / "rows.csv"
    write_rows(path, count)
    settings = load_settings({"target": "langdock-integration", "runs_dir": folder / "runs"})
    with prepare(path, settings, environ={"LANGDOCK_API_KEY": "sk-ld-benchmark"}) as job:
        journal, now = job.journal, job.clock.unix()
        session = journal.begin_session(now, repeatable=True)
        keys = [request.row for request in journal.upcoming(0, count)]
        results = [
            Result(key, Outcome.FAILED, 404, 1, f"404 there is no such record: {key} was not found", "r", "", now, 3.1)
            if at % fails_every == 0
            else Result(key, Outcome.UPDATED, 200, 1, "", "request-1234", "", now, 3.1)
            for at, key in enumerate(keys)
        ]
        journal.commit(keys, [(result, True) for result in results])
        journal.end_session(Session(session, now + 1, count), 1)


def peak_mib() -> float:
    """The largest resident set of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def write(folder: Path) -> None:
    """Writes the reports of a run one after the other, and prints what the workbook took beyond the others."""
    run = RunFolder(folder)
    with Journal.open(run.journal) as journal:
        summary, meta = summarise(run, journal), journal.meta()
        began = time.process_time()
        write_reports(summary, meta["columns"], meta["width"], journal.lines(), details_of(journal))
        others_s, others = time.process_time() - began, peak_mib()
        began = time.process_time()
        write_workbook(journal, summary, meta, "asked")
        took_s, size = time.process_time() - began, (folder / "results.xlsx").stat().st_size / 1e6
        print(f"{summary.rows:,} rows: the other reports {others_s:.1f} s; {others:.1f} MiB with all that is loaded")
        print(
            f"results.xlsx ({size:.1f} MB): {took_s:.1f} s; {peak_mib() - others:.1f} MiB more (goal: {GOAL_MIB} MiB)"
        )


def main() -> None:
    """Prints the figures, in seconds of the processor."""
    match sys.argv[1:]:
        case ["make", folder, count, every]:
            make_run(Path(folder), int(count), int(every))
        case ["write", folder]:
            write(next((Path(folder) / "runs").glob("2*")))
        case options:
            count, every = [*options, *(str(ROWS), str(FAILS_EVERY))[len(options) :]][:2]
            with tempfile.TemporaryDirectory() as folder:
                for step in (["make", folder, count, every], ["write", folder]):
                    subprocess.run([sys.executable, __file__, *step], check=True)


if __name__ == "__main__":
    main()
