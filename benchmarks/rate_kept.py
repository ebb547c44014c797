"""How exactly `--rate` is kept, on each kind of event loop: their timers are as coarse as a millisecond.

    python benchmarks/rate_kept.py [--rates 200 1000] [--loops asyncio uvloop] [--seconds 10]

A whole run against a local nginx that allows everything; the rate is that between the first and the last result, as
results.csv has them. It may never be above what was asked for, and should be less than a percent below.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from datetime import datetime
from pathlib import Path

import loops
from nginx import nginx
from rows import write_rows

import batchupdate

GOAL = 0.01


def kept(folder: Path, url: str, rate: int, seconds: float, loop: str) -> float:
    """Requests per second between the first and the last."""
    path = folder / f"{rate}.csv"
    write_rows(path, round(rate * seconds))
    settings = batchupdate.Settings(
        target="langdock-integration", base_url=url, rate=f"{rate}/s", burst=1, runs_dir=folder / f"{loop}-{rate}"
    )
    run = batchupdate.run_file(path, settings, new=True, environ={"LANGDOCK_API_KEY": "sk-ld-benchmark"})
    summary = loops.run(loop, run)
    with (Path(summary.folder) / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        times = sorted(datetime.fromisoformat(row["_finished_at"]) for row in csv.DictReader(file))
    return (len(times) - 1) / (times[-1] - times[0]).total_seconds()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--loops", choices=loops.LOOPS, nargs="+", default=[*loops.LOOPS])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, nginx() as url:
        for rate in options.rates:
            for loop in options.loops:
                found = kept(Path(folder), url, rate, options.seconds, loop)
                print(f"{rate:6}/s on {loop:8}{found:10.2f}/s  {found / rate - 1:+.2%}", flush=True)
    print(f"goal: not above, and at most {GOAL:.0%} below")


if __name__ == "__main__":
    main()
