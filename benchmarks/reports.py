"""What the reports of a run cost: time and memory of `results.csv` with `failed.csv`, and of all reports together.

    reports.py [ROWS]

The run's journal is made here, without an API. The reports are rebuilt in a process of their own, whose memory counts.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report_html import make_run

from batchupdate.journal import Journal
from batchupdate.reporter.results_csv import write_results
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.history import rebuild_reports

GOAL_PER_S = 30_000


def in_a_process(what: str, folder: Path) -> tuple[float, float]:
    """Processor time and peak memory (MiB) of one part of the reports, in a process of its own."""
    command = [sys.executable, __file__, "--only", what, "--folder", str(folder)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, mib = map(float, said.split()[-2:])
    return seconds, mib


def peak_mib() -> float:
    """The peak of this process alone: `ru_maxrss` of a child is at least what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"^VmHWM:\s+(\d+)", status.read_text(), re.MULTILINE)[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def write(what: str, folder: RunFolder) -> None:
    """Writes the two tables, or all reports; or only opens the journal, for what that costs by itself."""
    if what == "all":
        rebuild_reports(folder)
        return
    with Journal.open(folder.journal) as journal:
        meta = journal.meta()
        if what == "csv":
            paths = folder.path / "results.csv", folder.path / "failed.csv"
            write_results(*paths, meta["columns"], meta["width"], journal.lines())


def main() -> None:
    """Prints a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--only")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.only:
        began = time.process_time()
        write(options.only, RunFolder(options.folder))
        print(time.process_time() - began, peak_mib())
        return
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as scratch:
            run = make_run(Path(scratch), rows)
            _, base_mib = in_a_process("nothing", run.path)
            for what in ("csv", "all"):
                start = time.perf_counter()
                cpu_s, peak = in_a_process(what, run.path)
                wall_s = time.perf_counter() - start
                print(
                    f"{rows:>9,} rows, {what:3}: {wall_s:6.1f} s, {rows / cpu_s:9,.0f} rows/s of processor "
                    f"time, peak {peak:.0f} MiB ({peak - base_mib:+.0f})"
                )
    print(f"goal: results.csv at {GOAL_PER_S:,} rows/s or more, and the same memory at each size")


if __name__ == "__main__":
    main()
