"""What a plan costs where records are read by pages of a list: requests, memory, and processor time beside `check`.

    python benchmarks/plan.py [--rows 10000 100000 200000] [--page 1000] [--rounds 3]

The records are those of the sandbox, in another process. Half of the rows change something. The seconds are those of
the processor in the process at work, so that neither the network nor the server is in them: of `check`; of `ingest`, a
`--dry-run`, which checks the same file, writes it into a journal and reads no record; and of `plan`, in all, and of its
two stages after the ingest. Of several rounds, the medians are shown.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from batchupdate.sandbox import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

PROGRAM = str(Path(sys.executable).with_name("batchupdate"))
TARGET = Path(__file__).parents[1] / "samples" / "sandbox-contacts.yaml"
STAGES = ("compare", "made_plan")
"""The functions of `batchupdate.run` that are timed by themselves."""


def plan_in_stages(arguments: list[str]) -> None:
    """Is the command `plan`, and writes what its stages took to standard error: the last line, as JSON."""
    from batchupdate import run
    from batchupdate.cli import app

    took: dict[str, float] = {}
    compare, made_plan = run.compare, run.made_plan

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        started = time.process_time()
        yield
        took[stage] = time.process_time() - started

    async def timed_compare(*args: object, **named: object) -> object:
        with timed("compare"):
            return await compare(*args, **named)  # type: ignore[arg-type]

    def timed_plan(*args: object, **named: object) -> object:
        with timed("made_plan"):
            return made_plan(*args, **named)  # type: ignore[arg-type]

    run.compare, run.made_plan = timed_compare, timed_plan  # type: ignore[assignment]
    try:
        app(["plan", *arguments])
    finally:
        print(json.dumps(took), file=sys.stderr)


def measured(command: list[str], folder: Path) -> tuple[float, float, str, str]:
    """Runs a command; returns its processor seconds, its peak memory in MiB, and what it printed to both streams."""
    environment = {**os.environ, "CONTACTS_API_KEY": "ct_sandbox"}
    with (folder / "errors").open("w+", encoding="utf-8") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder)
        with child:
            printed = child.stdout.read().decode() if child.stdout else ""
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read()
    if child.returncode not in {0, 1}:
        sys.exit(f"{command} ended with {child.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed, said


def serve(count: int, ours: Connection) -> None:
    """Is the sandbox until the other end is closed."""
    with run_in_thread(contacts=count, langdock=0, nairi=0, keep_requests=False) as sandbox:
        ours.send(sandbox.url)
        ours.recv()


@contextmanager
def sandbox_with(count: int) -> Iterator[str]:
    """The sandbox in a process of its own: a child of this one has at least the peak memory that this one has."""
    fresh = multiprocessing.get_context("spawn")
    ours, theirs = fresh.Pipe()
    server = fresh.Process(target=serve, args=(count, theirs))
    server.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        server.join()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 200_000])
    parser.add_argument("--page", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(
        f"{'rows':>9} {'check s':>8} {'ingest':>7} {'plan s':>7} {'compare':>8} {'reports':>8} "
        f"{'plan/check':>11} {'requests':>9} {'peak MiB':>9}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paged = TARGET.read_text("utf-8").replace(
            "  path: /contacts\n  records: contacts",
            f"  path: /contacts?limit={arguments.page}\n  records: contacts\n"
            "  pagination: {style: cursor, next: next, parameter: after}",
        )
        (folder / "contacts.yaml").write_text(paged, "utf-8")
        for count in arguments.rows:
            one(folder, count, arguments.rounds)


def one(folder: Path, count: int, rounds: int) -> None:
    """Prints one line."""
    path = folder / f"{count}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = ([f"c{n}", f"Contact {n}" if n % 2 else f"New {n}"] for n in range(1, count + 1))
        csv.writer(file).writerows([["id", "name"], *rows])
    about = [str(path), "-t", "contacts.yaml", "--quiet"]
    times: list[tuple[float, ...]] = []
    with sandbox_with(count) as url:
        sending = ["--base-url", url, "--rate", "unlimited"]
        for _ in range(rounds):
            check, *_ = measured([PROGRAM, "check", *about], folder)
            dry, *_ = measured([PROGRAM, "run", *about, *sending, "--dry-run"], folder)
            plan, peak, printed, said = measured([sys.executable, __file__, "plan", *about, *sending, "--json"], folder)
            took = json.loads(said.splitlines()[-1])
            times.append((check, dry, plan, *(took[stage] for stage in STAGES), plan / check))
    check, dry, plan, compare, reports, ratio = map(median, zip(*times, strict=True))
    requests = json.loads(printed)["requests"]
    print(
        f"{count:9,} {check:8.2f} {dry:7.2f} {plan:7.2f} {compare:8.2f} {reports:8.2f} "
        f"{ratio:11.2f} {requests:9,} {peak:9.1f}",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["plan"]:
        plan_in_stages(sys.argv[2:])
    else:
        main()
