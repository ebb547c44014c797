"""How long somebody else's change can slip in between the last reading of a record and its change.

    python benchmarks/window.py [--rows 100] [--latency 0.05] [--cases unlimited/1 unlimited/10 10/s/1 10/s/10]

Where an API has no versions, a record is read and then changed, and a change that comes between the two is overwritten.
A run of a plan and its undo are measured as the API sees them: from the moment at which a record is read to that at
which it is changed. The sandbox has no versions and runs in this process, the commands in their own; its replies take
`--latency` seconds. A case is a rate and the requests at once. In batches, up to 100 records are changed together.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from batchupdate.sandbox import Sandbox, run_in_thread

if TYPE_CHECKING:
    from datetime import datetime

PROGRAM = str(Path(sys.executable).with_name("batchupdate"))
TARGET = Path(__file__).parents[1] / "samples" / "sandbox-contacts.yaml"
CASES = ["unlimited/1", "unlimited/10", "10/s/1", "10/s/10", "1/s/10"]


def command(folder: Path, *arguments: str) -> str:
    """Runs a command of ours; returns what it has printed."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, "CONTACTS_API_KEY": "ct_sandbox"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        sys.exit(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def windows(sandbox: Sandbox, begin: int) -> list[float]:
    """Milliseconds between the last reading of each record and its change, from a request on."""
    changed: dict[int, list[str]] = {}
    for change in sandbox.applied:
        changed.setdefault(change.seq, []).append(change.id)
    read: dict[str, datetime] = {}
    found: list[float] = []
    for request in sandbox.requests[begin:]:
        if request.method == "GET" and request.id:
            read[request.id] = request.at
        ours = changed.get(request.seq, [])
        found += [(request.at - read[one]).total_seconds() * 1000 for one in ours]
    return sorted(found)


def line(what: str, found: list[float]) -> str:
    """One line of the table."""
    at = [found[min(len(found) - 1, math.ceil(len(found) * share) - 1)] for share in (0.5, 0.95, 1.0)]
    return f"{what:38}{len(found):6}" + "".join(f"{ms:10,.0f}" for ms in at)


def one(folder: Path, rows: int, latency: float, case: str, *, batches: bool) -> None:
    """Measures a run of a plan and its undo."""
    rate, _, concurrency = case.rpartition("/")
    target = TARGET.read_text("utf-8")
    if not batches:
        target = target[: target.index("batch:")] + target[target.index("read: {}") :]
    (folder / "contacts.yaml").write_text(target, "utf-8")
    source = folder / "rows.csv"
    source.write_text("id,name\n" + "".join(f"c{number},New {number}\n" for number in range(1, rows + 1)), "utf-8")
    faults = f"slow=1@{latency}" if latency else ""
    with run_in_thread(contacts=rows, faults=faults) as sandbox:
        shared = ["--target", "contacts.yaml", "--base-url", sandbox.url]
        paced = ["--rate", rate, "--burst", "1", "--concurrency", concurrency]
        made = json.loads(command(folder, "plan", str(source), *shared, "--json"))
        name = f"{rate}, {concurrency} at once{', in batches' if batches else ''}"
        for what, arguments in (
            ("run --plan", ["run", "--plan", made["folder"], "--yes", *paced]),
            ("undo", ["undo", "latest", "--yes", *paced]),
        ):
            begin = sandbox.counts.requests
            command(folder, *arguments)
            print(line(f"{what}: {name}", windows(sandbox, begin)), flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--cases", nargs="+", default=CASES)
    options = parser.parse_args()
    print(f"{'milliseconds':38}{'rows':>6}{'p50':>10}{'p95':>10}{'max':>10}")
    for batches in (False, True):
        for case in options.cases:
            rows = min(options.rows, 20) if case.startswith("1/s") else options.rows
            with tempfile.TemporaryDirectory() as folder:
                one(Path(folder), rows, options.latency, case, batches=batches)


if __name__ == "__main__":
    main()
