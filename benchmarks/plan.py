"""What a plan costs where records are read by pages of a list: requests, memory, and processor time beside `check`.

    python benchmarks/plan.py [--rows 10000 200000] [--page 1000]

The records are those of the sandbox, which runs in this process. Half of the rows change something. The seconds
are those of the processor in the process that plans, so that neither the network nor the server is in them; `--dry-run`
checks the same file and writes it into a journal, and reads no record.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from batchupdate.sandbox import run_in_thread

PROGRAM = str(Path(sys.executable).with_name("batchupdate"))
TARGET = Path(__file__).parents[1] / "samples" / "sandbox-contacts.yaml"


def measured(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Runs a command; returns its processor seconds, its peak memory in MiB, and what it printed."""
    environment = {**os.environ, "CONTACTS_API_KEY": "ct_sandbox"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=folder
    ) as child:
        printed = child.stdout.read().decode() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in {0, 1}:
        sys.exit(f"{command} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--page", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{'rows':>9} {'check s':>8} {'dry run':>8} {'plan s':>8} {'ratio':>6} {'requests':>9} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paged = TARGET.read_text("utf-8").replace(
            "  path: /contacts\n  records: contacts",
            f"  path: /contacts?limit={arguments.page}\n  records: contacts\n"
            "  pagination: {style: cursor, next: next, parameter: after}",
        )
        (folder / "contacts.yaml").write_text(paged, "utf-8")
        for count in arguments.rows:
            one(folder, count)


def one(folder: Path, count: int) -> None:
    """Prints one line."""
    path = folder / f"{count}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = ([f"c{n}", f"Contact {n}" if n % 2 else f"New {n}"] for n in range(1, count + 1))
        csv.writer(file).writerows([["id", "name"], *rows])
    with run_in_thread(contacts=count, langdock=0, nairi=0, keep_requests=False) as sandbox:
        about = [str(path), "-t", "contacts.yaml"]
        sending = ["--base-url", sandbox.url, "--rate", "unlimited"]
        check, _, _ = measured([PROGRAM, "check", *about, "--quiet"], folder)
        dry, _, _ = measured([PROGRAM, "run", *about, *sending, "--dry-run", "--quiet"], folder)
        plan, peak, printed = measured([PROGRAM, "plan", *about, *sending, "--json", "--quiet"], folder)
    requests = json.loads(printed)["requests"]
    print(f"{count:9,} {check:8.2f} {dry:8.2f} {plan:8.2f} {plan / check:6.2f} {requests:9,} {peak:9.1f}", flush=True)


if __name__ == "__main__":
    main()
