"""A run is killed at everything it does to the disk after its last answer; the same command sends nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from batchupdate.sandbox import LANGDOCK_KEY, run_in_thread
from torture.story import World, records, write_input

ROWS = 5
AT_ONCE = 3
NEVER = 10**6
COMMAND = Path(__file__).parent / "dies.py"


def run(folder: Path, at: int, url: str) -> subprocess.CompletedProcess[str]:
    """Gives the command; the process dies at the n-th thing that it does to the disk, or at none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [
            *(sys.executable, "-B", str(COMMAND), str(at)),  # -B: a compiled module that is written would be counted
            *("run", "changes.csv", "--yes", "--quiet", "--rate", "unlimited", "--diff", "never"),
            *("--target", "blind-once-only.yaml", "--base-url", url, "--runs-dir", "runs"),
        ],
        cwd=folder,
        env={**environment, "LANGDOCK_API_KEY": LANGDOCK_KEY},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def killed_at(folder: Path, at: int) -> tuple[int, int, int, str]:
    """Requests before the kill and after the same command; the second exit code, and what it said."""
    folder.mkdir()
    write_input(World("end", 0, ROWS, (), repeatable=False, readable=False), folder)
    with run_in_thread(records=records()) as sandbox:
        first = run(folder, at, sandbox.url)
        assert first.returncode < 0, first.stderr
        before = sandbox.counts.requests
        second = run(folder, NEVER, sandbox.url)
        return before, sandbox.counts.requests, second.returncode, second.stderr


def test_whenever_it_dies_after_its_last_answer_no_row_goes_out_again(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    write_input(World("end", 0, ROWS, (), repeatable=False, readable=False), tmp_path / "whole")
    with run_in_thread(records=records()) as sandbox:
        did = [line for line in run(tmp_path / "whole", 0, sandbox.url).stderr.splitlines() if line.startswith("did ")]
    reports = next(number for number, line in enumerate(did, 1) if "results.csv" in line)
    reported = max(number for number, line in enumerate(did, 1) if "summary.json" in line)
    finished = did.index("did after COMMIT", reported) + 1
    points = range(reports - 8, len(did) + 1)  # two transactions before the reports: the last results, and the end
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = dict(zip(points, pool.map(lambda at: killed_at(tmp_path / str(at), at), points), strict=True))
    for at, (before, after, code, said) in told.items():
        assert before == after == ROWS, f"killed at {did[at - 1]}"
        if at < finished:
            assert (code, said) == (0, ""), f"killed at {did[at - 1]}"
        else:
            assert code == 2
            assert "has sent this file, and ended less than a minute ago" in " ".join(said.split())
            assert "--new" in said
