"""Worker processes against one process and against curl: PATCHes to a local nginx, 64 at once, no rate limit.

    python benchmarks/cluster.py [--rows 100000] [--workers 2] [--rounds 3]

All in turn, on the same processors as nginx. Ours are whole commands, in seconds on the wall, and rows per second
between the first and the last result; curl sends the same bodies to the same addresses, from a configuration file
(`curl -Z --parallel-max 64`), and keeps neither a journal nor results. Nor does the bare loop of `throughput.py`: as
many of them as there are worker processes, each with its share of the rows, are what aiohttp could reach here at most.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import loops
from nginx import nginx
from rows import write_rows

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 64
KEY = "sk-ld-benchmark"


class Took(NamedTuple):
    """Seconds of the whole, rows per second while it sent, and the processor's seconds of all its processes."""

    wall_s: float
    per_s: float
    cpu_s: float


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds on the wall and of the processor that a command takes."""
    before, began = os.times(), time.monotonic()
    environment = {**os.environ, "LANGDOCK_API_KEY": KEY}
    subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall_s, after = time.monotonic() - began, os.times()
    return wall_s, after.children_user + after.children_system - before.children_user - before.children_system


def ours(path: Path, url: str, workers: int | None) -> Took:
    """The product."""
    runs = path.parent / f"runs-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "batchupdate", "run", str(path), "--target", "langdock-integration", "--yes"]
    command += ["--base-url", url, "--runs-dir", str(runs), "--rate", "unlimited", "--concurrency", str(AT_ONCE)]
    command += ["--quiet"] if workers is None else ["--quiet", "--workers", str(workers)]
    wall_s, cpu_s = timed(command, path.parent)
    with (runs / "latest" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        ended = [datetime.fromisoformat(row["_finished_at"]) for row in csv.DictReader(file)]
    shutil.rmtree(runs)
    return Took(wall_s, len(ended) / (max(ended) - min(ended)).total_seconds(), cpu_s)


def curl(path: Path, url: str, rows: int) -> Took:
    """curl, with the requests in a configuration file."""
    config = path.with_suffix(".curl")
    with path.open(newline="", encoding="utf-8") as file, config.open("w", encoding="utf-8") as out:
        for number, row in enumerate(csv.DictReader(file)):
            record = row.pop("integrationId")
            body = json.dumps(row).replace("\\", "\\\\").replace('"', '\\"')
            out.write("next\n" if number else "")
            out.write(f'url = "{url}/integrations/v1/{record}"\nrequest = "PATCH"\ndata = "{body}"\n')
            out.write(f'header = "Content-Type: application/json"\nheader = "Authorization: Bearer {KEY}"\n')
            out.write('output = "/dev/null"\n')
    command = ["curl", "-Z", "--parallel-max", str(AT_ONCE), "-s", "-K", str(config)]
    wall_s, cpu_s = timed(command, path.parent)
    return Took(wall_s, rows / wall_s, cpu_s)


def bare(path: Path, url: str, count: int) -> Took:
    """So many bare loops at once."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = file.readlines()
    each: list[Path] = []
    for number in range(count):
        each.append(path.with_name(f"{number}-of-{count}.csv"))
        each[-1].write_text("".join([header, *lines[number::count]]), "utf-8")
    script = str(Path(__file__).with_name("throughput.py"))
    command = [sys.executable, script, "--one", "bare", "--url", url, "--loops", list(loops.LOOPS)[-1], "--file"]
    before, began = os.times(), time.monotonic()
    running = [subprocess.Popen([*command, str(part)], stdout=subprocess.PIPE, text=True) for part in each]
    took = [json.loads(one.communicate()[0]) for one in running]
    wall_s, after = time.monotonic() - began, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(wall_s, sum(len(lines[number::count]) / one[0] for number, one in enumerate(took)), cpu_s)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("curl") is None:
        sys.exit("This benchmark needs curl.")
    told: dict[str, list[Took]] = {}
    print(f"{'':16} {'wall':>9} {'sending':>12} {'processor':>10} {'load':>6}")
    with tempfile.TemporaryDirectory() as folder, nginx() as url:
        path = Path(folder) / "rows.csv"
        write_rows(path, options.rows)
        measures: dict[str, Callable[[], Took]] = {
            "one process": lambda: ours(path, url, None),
            f"{options.workers} processes": lambda: ours(path, url, options.workers),
            f"{options.workers} bare loops": lambda: bare(path, url, options.workers),
            "curl": lambda: curl(path, url, options.rows),
        }
        for _ in range(options.rounds):
            for name, measure in measures.items():
                took = measure()
                told.setdefault(name, []).append(took)
                load = os.getloadavg()[0]
                print(
                    f"{name:16} {took.wall_s:7.1f} s {took.per_s:10,.0f}/s {took.cpu_s:8.1f} s {load:6.1f}", flush=True
                )
    one, several, loop, theirs = (median(took.per_s for took in each) for each in told.values())
    print(
        f"sending: {several / one:.2f} times one process, {several / theirs:.2f} of curl, {several / loop:.2f} of "
        f"{options.workers} bare loops, which are {loop / theirs:.2f} of curl"
    )


if __name__ == "__main__":
    main()
