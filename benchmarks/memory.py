"""Peak memory of `check` and of `run` at a small and at a large number of rows.

    python benchmarks/memory.py
    python benchmarks/memory.py --workers 2 [--rows 100000 1000000]

`run` sends to a local nginx. The peak is the largest resident set of the whole process, as the system accounts it.
With `--workers`, a run on so many worker processes is measured alone: the largest of its processes, which is the one
that keeps the journal. What it has left at the larger size is then compared with what one process leaves of the same
file: the journal, but for what differs from run to run, and the reports, but for times.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from nginx import nginx
from rows import write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

GOAL = 15.0
TIMES = {"_finished_at", "_duration_ms"}
JOURNAL = {
    "rows": "SELECT key, cells, record_id, path, fields, carrier, pulled FROM row ORDER BY key",
    "rows that were started": "SELECT key, unanswered FROM started ORDER BY key",
    "results": "SELECT key, final, outcome, http_status, attempts, error, request_id FROM result ORDER BY key",
    "requests of sessions": "SELECT sum(sent), sum(retried), sum(throttled) FROM session",
    "records before": "SELECT key, state FROM before ORDER BY key",
}
"""What has to be the same, by what it is."""


def peak_mib(command: list[str], folder: str) -> float:
    """Runs a command and returns its peak memory in MiB."""
    environment = {**os.environ, "LANGDOCK_API_KEY": "sk-ld-benchmark"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=folder
    ) as child:
        errors = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command} ended with {child.returncode}: {errors.decode()}")
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def compare(what: str, folder: str, sizes: Sequence[int], arguments: list[str]) -> None:
    """Prints the peak at each size, from small to large."""
    program = str(Path(sys.executable).with_name("batchupdate"))
    peaks = []
    for count in sizes:
        path = Path(folder) / f"{count}.csv"
        if not path.exists():
            write_rows(path, count)
        peaks.append(
            peak_mib([program, what, str(path), "--target", "langdock-integration", "--quiet", *arguments], folder)
        )
        print(f"{what:5} {count:>9,} rows: {peaks[-1]:6.1f} MiB", flush=True)
    if len(peaks) > 1:
        print(f"{what:5} grows by {(peaks[-1] / peaks[0] - 1) * 100:.1f} % (goal: under {GOAL:.0f} %)")


def tell_differences(one: Path, other: Path) -> None:
    """Prints how many entries of two runs' journals, and how many lines of their reports, differ."""
    with (
        closing(sqlite3.connect(one / "journal.sqlite3")) as journal,
        closing(sqlite3.connect(other / "journal.sqlite3")) as theirs,
    ):
        for what, query in JOURNAL.items():
            differ = total = 0
            for mine, its in zip_longest(journal.execute(query), theirs.execute(query)):
                total, differ = total + 1, differ + (mine != its)
            print(f"journal, {what}: {differ:,} of {total:,} differ")
    for name in ("results.csv", "failed.csv"):
        with (
            (one / name).open(newline="", encoding="utf-8-sig") as file,
            (other / name).open(newline="", encoding="utf-8-sig") as their_file,
        ):
            differ = total = 0
            for line, its_line in zip_longest(csv.DictReader(file), csv.DictReader(their_file)):
                mine, its = ({k: v for k, v in (each or {}).items() if k not in TIMES} for each in (line, its_line))
                total, differ = total + 1, differ + (mine != its)
            print(f"{name}: {differ:,} of {total:,} lines differ")
    summaries = [json.loads((folder / "summary.json").read_text("utf-8")) for folder in (one, other)]
    same = [summary[key] for summary in summaries for key in ("counts", "errors", "exit_code", "stopped")]
    print(f"summary.json: {'the same' if same[:4] == same[4:] else f'differs: {same}'}")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, help="measure a run on so many worker processes")
    parser.add_argument("--rows", type=int, nargs=2, default=[100_000, 1_000_000], help="of a run on worker processes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, nginx() as url:
        sending = ["--yes", "--new", "--base-url", url, "--rate", "unlimited", "--concurrency", "64"]
        if options.workers:
            runs = [Path(folder) / name for name in ("several", "one")]
            each = [[*sending, "--runs-dir", str(path)] for path in runs]
            compare("run", folder, options.rows, [*each[0], "--workers", str(options.workers)])
            compare("run", folder, options.rows[1:], each[1])
            tell_differences(*(path / "latest" for path in runs))
            return
        compare("check", folder, (10_000, 1_000_000), [])
        compare("run", folder, (10_000, 200_000), sending)


if __name__ == "__main__":
    main()
