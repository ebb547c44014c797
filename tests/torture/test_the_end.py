"""A run is killed at everything it does to the disk after its last answer; the same command sends nothing twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from batchupdate.sandbox import run_in_thread
from torture.dying import NEVER, Run, dying
from torture.story import World, records, write_input

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 5
AT_ONCE = 3


def killed_at(run: Run, folder: Path, at: int) -> tuple[int, int, int, str]:
    """Requests before the kill and after the same command; the second exit code, and what it said."""
    folder.mkdir()
    write_input(World("end", 0, ROWS, (), repeatable=False, readable=False), folder)
    with run_in_thread(records=records()) as sandbox:
        first = run(folder, at, sandbox.url, "changes.csv")
        assert first.returncode < 0, first.stderr
        before = sandbox.counts.requests
        second = run(folder, NEVER, sandbox.url, "changes.csv")
        return before, sandbox.counts.requests, second.returncode, second.stderr


def test_whenever_it_dies_after_its_last_answer_no_row_goes_out_again(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    write_input(World("end", 0, ROWS, (), repeatable=False, readable=False), tmp_path / "whole")
    with dying(AT_ONCE) as run, ThreadPoolExecutor(AT_ONCE) as pool:
        with run_in_thread(records=records()) as sandbox:
            said = run(tmp_path / "whole", 0, sandbox.url, "changes.csv").stderr
        did = [line for line in said.splitlines() if line.startswith("did ")]
        reports = next(number for number, line in enumerate(did, 1) if "results.csv" in line)
        reported = max(number for number, line in enumerate(did, 1) if "summary.json" in line)
        finished = did.index("did after COMMIT", reported) + 1
        points = range(reports - 4, len(did) + 1)  # two transactions before the reports: the last results, and the end
        told = dict(zip(points, pool.map(lambda at: killed_at(run, tmp_path / str(at), at), points), strict=True))
    for at, (before, after, code, said) in told.items():
        assert before == after == ROWS, f"killed at {did[at - 1]}"
        if at < finished:
            assert (code, said) == (0, ""), f"killed at {did[at - 1]}"
        else:
            assert code == 2
            assert "has sent this file, and ended less than a minute ago" in " ".join(said.split())
            assert "--new" in said
