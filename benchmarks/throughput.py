"""A whole `run` against a bare aiohttp loop: PATCHes to a local nginx, 64 at once, no rate limit.

    python benchmarks/throughput.py [--rows 20000 100000] [--loops asyncio uvloop] [--rounds 5] [--workbook]
                                    [--without together]

Each measurement is a process of its own, the two in turn, on the same kind of event loop. A whole run reads, validates,
writes its journal (synchronous=FULL), sends, and writes its reports; the bare loop reads the file with the csv module
and sends. There is no results.xlsx among the reports unless `--workbook` asks for it: by itself, a run writes one up to
25,000 rows only, and it costs as much as the sending, so that two sizes could not be compared. Time counts from the end
of the imports to the end of the work. The ratio is taken pair by pair, once of the time on the wall and once of the
processor time of all threads: a busy machine disturbs the second far less. `instructions.py` compares the same two and
is not disturbed at all, but counts neither the system's work nor waits.

`--without` adds a whole run with the plain form of something that was written for speed (see `plain.py`) to each pair.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import loops
import plain
from nginx import nginx
from rows import write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 64
KEY = "sk-ld-benchmark"
GOAL = 0.95


class Took(NamedTuple):
    """Seconds on the wall, and of the processor."""

    wall: float
    cpu: float


async def bare(path: Path, url: str) -> int:
    """What a person would write: a queue of rows and 64 workers."""
    import aiohttp

    sent = 0
    with path.open(newline="", encoding="utf-8") as file:
        rows = iter(list(csv.DictReader(file)))

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal sent
        for row in rows:
            record = row.pop("integrationId")
            async with session.patch(f"{url}/integrations/v1/{record}", json=row) as response:
                await response.read()
                sent += response.status == 200

    headers = {"Authorization": f"Bearer {KEY}"}
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await asyncio.gather(*(worker(session) for _ in range(AT_ONCE)))
    return sent


async def ours(path: Path, url: str, *, workbook: bool = False) -> int:
    """The product; `workbook` is whether results.xlsx is written, too."""
    import batchupdate

    settings = batchupdate.Settings(
        target="langdock-integration",
        base_url=url,
        rate="unlimited",
        concurrency=AT_ONCE,
        runs_dir=path.parent / "runs",
        results_xlsx="always" if workbook else "never",
    )
    summary = await batchupdate.run_file(path, settings, new=True, environ={"LANGDOCK_API_KEY": KEY})
    return summary.counts[batchupdate.Outcome.UPDATED]


def one(which: str, path: Path, url: str, loop: str, without: Sequence[str] = (), *, workbook: bool = False) -> None:
    """One measurement; prints its seconds."""
    import jinja2  # noqa: F401 - imports are not what is measured
    import structlog  # noqa: F401

    import batchupdate.api.client
    import batchupdate.run  # noqa: F401

    for name in without:
        plain.FORMS[name]()
    wall, cpu = time.perf_counter(), time.process_time()
    sent = loops.run(loop, ours(path, url, workbook=workbook) if which == "ours" else bare(path, url))
    took = Took(time.perf_counter() - wall, time.process_time() - cpu)
    with path.open(encoding="utf-8") as file:
        assert sent == sum(1 for _ in file) - 1, f"{which} confirmed only {sent}"
    print(json.dumps(took))


def measure(
    which: str, path: Path, url: str, loop: str, without: Sequence[str] = (), *, workbook: bool = False
) -> Took:
    """Runs one measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", which, "--file", str(path), "--url", url, "--loops", loop]
    command += ["--workbook"] if workbook else []
    command += [word for name in without for word in ("--without", name)]
    return Took(*json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def compare(path: Path, url: str, rows: int, loop: str, rounds: int, without: Sequence[str], *, workbook: bool) -> None:
    """Prints the pairs of one size on one kind of loop, and their medians."""
    measure("bare", path, url, loop)  # warms the file cache and nginx
    wall, cpu, gained = [], [], []
    print(f"{rows:,} rows on {loop}")
    print(f"{'bare loop':>12} {'whole run':>12} {'ratio':>8} {'of CPU':>8}   (rows/s)")
    for _ in range(rounds):
        a, b = measure("bare", path, url, loop), measure("ours", path, url, loop, workbook=workbook)
        wall.append(a.wall / b.wall)
        cpu.append(a.cpu / b.cpu)
        print(f"{rows / a.wall:12,.0f} {rows / b.wall:12,.0f} {wall[-1]:8.3f} {cpu[-1]:8.3f}", flush=True)
        if without:
            plain_form = measure("ours", path, url, loop, without, workbook=workbook)
            gained.append(plain_form.wall / b.wall - 1)
            print(
                f"{'':12} {rows / plain_form.wall:12,.0f} without {', '.join(without)}: {gained[-1]:+.1%}", flush=True
            )
    for name, ratios in (("wall", wall), ("CPU", cpu)):
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"median ratio of {name} time {median(ratios):.3f} ({spread}; goal: at least {GOAL})", flush=True)
    if gained:
        print(f"median of the time that is lost without {', '.join(without)}: {median(gained):+.1%}", flush=True)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--loops", choices=loops.LOOPS, nargs="+", default=[*loops.LOOPS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workbook", action="store_true", help="let the runs write results.xlsx, too")
    parser.add_argument("--one", choices=["ours", "bare"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--without", action="append", choices=plain.FORMS, default=[], help="run its plain form, too")
    options = parser.parse_args()
    if options.one:
        one(options.one, options.file, options.url, options.loops[0], options.without, workbook=options.workbook)
        return
    with tempfile.TemporaryDirectory() as folder, nginx() as url:
        for rows in options.rows:
            path = Path(folder) / f"{rows}.csv"
            write_rows(path, rows)
            for loop in options.loops:
                compare(path, url, rows, loop, options.rounds, options.without, workbook=options.workbook)


if __name__ == "__main__":
    main()
