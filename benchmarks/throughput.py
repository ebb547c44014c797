"""A whole `run` against a bare aiohttp loop: 20,000 PATCHes to a local nginx, 64 at once, no rate limit.

    python benchmarks/throughput.py [--rows 20000] [--rounds 5]

Each measurement is a process of its own, the two in turn, on the standard event loop. A whole run reads, validates,
writes its journal (synchronous=FULL), sends, and writes its reports; the bare loop reads the file with the csv module
and sends. Time counts from the end of the imports to the end of the work. The ratio is taken pair by pair.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from nginx import nginx
from rows import write_rows

AT_ONCE = 64
KEY = "sk-ld-benchmark"


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


async def ours(path: Path, url: str) -> int:
    """The product."""
    import batchupdate

    settings = batchupdate.Settings(
        target="langdock-integration",
        base_url=url,
        rate="unlimited",
        concurrency=AT_ONCE,
        runs_dir=path.parent / "runs",
    )
    summary = await batchupdate.run_file(path, settings, new=True, environ={"LANGDOCK_API_KEY": KEY})
    return summary.counts[batchupdate.Outcome.UPDATED]


def one(which: str, path: Path, url: str) -> None:
    """One measurement; prints its seconds."""
    import aiohttp  # noqa: F401 - imports are not what is measured

    import batchupdate

    _ = batchupdate.run_file
    started = time.perf_counter()
    sent = asyncio.run(ours(path, url) if which == "ours" else bare(path, url))
    seconds = time.perf_counter() - started
    with path.open(encoding="utf-8") as file:
        assert sent == sum(1 for _ in file) - 1, f"{which} confirmed only {sent}"
    print(seconds)


def measure(which: str, path: Path, url: str) -> float:
    """Runs one measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", which, "--file", str(path), "--url", url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=["ours", "bare"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.file, options.url)
        return
    with tempfile.TemporaryDirectory() as folder, nginx() as url:
        path = Path(folder) / "rows.csv"
        write_rows(path, options.rows)
        measure("bare", path, url)  # warms the file cache and nginx
        ratios = []
        print(f"{'bare loop':>12} {'whole run':>12} {'ratio':>8}   ({options.rows:,} rows, rows/s)")
        for _ in range(options.rounds):
            a, b = measure("bare", path, url), measure("ours", path, url)
            ratios.append(a / b)
            print(f"{options.rows / a:12,.0f} {options.rows / b:12,.0f} {a / b:8.3f}")
    print(f"median ratio {median(ratios):.3f} (goal: at least 0.90)")


if __name__ == "__main__":
    main()
