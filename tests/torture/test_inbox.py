"""A process that takes the files of a folder is killed at everything it does to the disk after the last answer."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from batchupdate.sandbox import run_in_thread
from torture.dying import NEVER, Run, dying
from torture.story import World, records, write_input

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 3
AT_ONCE = 2
INBOX = ("inbox/*.csv", "--archive", "done", "--failed", "failed")


def prepared(folder: Path) -> None:
    """A folder with one file in its inbox, that nobody writes to any more."""
    folder.mkdir()
    write_input(World("inbox", 0, ROWS, (), repeatable=False, readable=False), folder)
    (folder / "inbox").mkdir()
    file = (folder / "changes.csv").rename(folder / "inbox" / "changes.csv")
    long_ago = time.time() - 60
    os.utime(file, (long_ago, long_ago))


def files_of(folder: Path, name: str) -> list[str]:
    return sorted(path.name for path in (folder / name).glob("*"))


def killed_at(run: Run, folder: Path, at: int) -> tuple[int, int, str, list[str], list[str]]:
    """Requests, the exit code of the same command after the kill and what it said, and the files in both folders."""
    prepared(folder)
    with run_in_thread(records=records()) as sandbox:
        first = run(folder, at, sandbox.url, *INBOX)
        assert first.returncode < 0, first.stderr
        second = run(folder, NEVER, sandbox.url, *INBOX)
        sent = sandbox.counts.requests
        return sent, second.returncode, second.stderr, files_of(folder, "inbox"), files_of(folder, "done")


def test_whenever_it_dies_a_file_is_sent_once_and_moved_once(tmp_path: Path) -> None:
    prepared(tmp_path / "whole")
    with dying(AT_ONCE) as run, ThreadPoolExecutor(AT_ONCE) as pool:
        with run_in_thread(records=records()) as sandbox:
            said = run(tmp_path / "whole", 0, sandbox.url, *INBOX).stderr
        did = [line for line in said.splitlines() if line.startswith("did ")]
        assert files_of(tmp_path / "whole", "done") == ["changes.csv"]
        reported = max(number for number, line in enumerate(did, 1) if "summary.json" in line)
        points = range(reported, len(did) + 1)  # what may happen before is that of any run; see test_the_end
        told = dict(zip(points, pool.map(lambda at: killed_at(run, tmp_path / str(at), at), points), strict=True))
    for at, (sent, code, said, inbox, done) in told.items():
        assert (sent, code, said) == (ROWS, 0, ""), f"killed at {did[at - 1]}"
        assert (inbox, done) == ([], ["changes.csv"]), f"killed at {did[at - 1]}"
