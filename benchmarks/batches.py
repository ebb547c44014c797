"""Rows per second with many records in one request, and with one, against the same limit of requests.

    python benchmarks/batches.py [--rows 10000] [--size 100] [--limit 10]

Two whole runs through the library against the sandbox, which allows so many requests per second; the runs keep 95 % of
that. Few rows are sent one by one, because a second of it is like any other.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import tempfile
import time
from pathlib import Path

import batchupdate
from batchupdate.model import Outcome
from batchupdate.sandbox import Sandbox

TARGET = Path(__file__).parents[1] / "samples" / "sandbox-contacts.yaml"
GOAL = 20.0


async def rows_per_s(folder: Path, rows: int, size: int, limit: int) -> float:
    """How many rows a run updates in a second, from its first request to its last."""
    path = folder / f"{size}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "name"], *([f"c{n}", f"New {n}"] for n in range(1, rows + 1))])
    async with Sandbox(contacts=rows, limit=f"{limit}/s", limit_kind="token-bucket") as sandbox:
        settings = batchupdate.Settings(
            target=str(TARGET),
            base_url=sandbox.url,
            batch_size=size,
            rate=f"{0.95 * limit:g}/s",
            runs_dir=folder / "runs",
        )
        started = time.monotonic()
        summary = await batchupdate.run_file(path, settings, new=True, environ={"CONTACTS_API_KEY": "ct_sandbox"})
        seconds = time.monotonic() - started
        requests = sandbox.counts.requests
    assert summary.counts[Outcome.UPDATED] == rows, summary.counts
    print(
        f"{size:5} a request: {rows:7,} rows in {requests:5,} requests, {seconds:6.2f} s, {rows / seconds:9.1f} rows/s"
    )
    return rows / seconds


def main() -> None:
    """Prints both figures and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--limit", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone = asyncio.run(rows_per_s(Path(folder), 10 * options.limit, 1, options.limit))
        together = asyncio.run(rows_per_s(Path(folder), options.rows, options.size, options.limit))
    print(f"ratio {together / alone:.1f} (goal {GOAL:.0f})")


if __name__ == "__main__":
    main()
