"""`--rate auto` over real sockets, against limits that it is not told of; beside it, the script people write today.

    python benchmarks/limiter_real.py [--seconds 30]
    python benchmarks/limiter_real.py --workers 2

The servers are the sandbox, with several kinds of limits and headers, and a real nginx with `limit_req`. Each is worked
on for a while by `batchupdate run --rate auto`, and then, from the same file, by a script with eight workers that sends
as fast as it can and sleeps 15 s after a 429. "of the limit" is what was updated, as a share of what the server would
have allowed in that time; "throttled" is the share of requests that were answered with 429. With `--workers`, a run on
so many worker processes takes the place of the script, and for both runs the time begins with the first result.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nginx import nginx

from batchupdate.sandbox import LANGDOCK_KEY, make_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

RECORDS = 9000
WORKERS = 8
PAUSE_S = 15


@dataclass(frozen=True)
class Worked:
    """What somebody got done in `seconds`."""

    updated: int
    sent: int
    throttled: int
    seconds: float


@contextmanager
def sandbox(limit: str, kind: str, headers: str) -> Iterator[str]:
    """The sandbox with a limit, in a process of its own; its URL."""
    command = [sys.executable, "-m", "batchupdate", "sandbox", "--port", "0", "--limit", limit]
    command += ["--limit-kind", kind, "--headers", headers, "--langdock", str(RECORDS)]
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            for _ in range(200):
                said.seek(0)
                if url := next((word for word in said.read().decode().split() if word.startswith("http://")), None):
                    break
                time.sleep(0.05)
            else:
                sys.exit("the sandbox did not start")
            yield url
        finally:
            server.terminate()
            server.wait()


def ours(path: Path, url: str, seconds: float, workers: int | None = None, *, sending: bool = False) -> Worked:
    """The product, ended after a while as Ctrl-C ends it; `sending` is whether only the time of sending counts."""
    runs = path.parent / f"runs-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "batchupdate", "run", str(path), "--target", "langdock-integration", "--yes"]
    command += ["--rate", "auto", "--max-rate", "unlimited", "--concurrency", "64", "--base-url", url, "--json"]
    command += ["--runs-dir", str(runs), "--quiet"]
    command += [] if workers is None else ["--workers", str(workers)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY})
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    summary = json.loads(out)
    requests = summary["requests"]
    if sending:
        with (runs / "latest" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
            ended = sorted(datetime.fromisoformat(at) for row in csv.DictReader(file) if (at := row["_finished_at"]))
        summary["duration_s"] = (ended[-1] - ended[0]).total_seconds()
    return Worked(summary["counts"]["updated"], requests["sent"], requests["throttled"], summary["duration_s"])


def script(path: Path, url: str, seconds: float) -> Worked:
    """Eight workers, each of which sleeps 15 s after a 429 and tries again."""
    return asyncio.run(_script(path, url, seconds))


async def _script(path: Path, url: str, seconds: float) -> Worked:
    import aiohttp

    with path.open(newline="", encoding="utf-8") as file:
        rows = iter(list(csv.DictReader(file)))
    updated = sent = throttled = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal updated, sent, throttled
        for row in rows:
            record = row.pop("integrationId")
            while True:
                sent += 1
                async with session.patch(f"{url}/integrations/v1/{record}", json=row) as response:
                    await response.read()
                if response.status != 429:
                    updated += response.status == 200
                    break
                throttled += 1
                await asyncio.sleep(PAUSE_S)

    started = time.monotonic()
    headers = {"Authorization": f"Bearer {LANGDOCK_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        tasks = [asyncio.create_task(worker(session)) for _ in range(WORKERS)]
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Worked(updated, sent, throttled, time.monotonic() - started)


SCENES: list[tuple[str, float, Callable[[], AbstractContextManager[str]]]] = [
    ("sandbox, 20/s, fixed window, IETF headers", 20, lambda: sandbox("20/s", "fixed-window", "ietf")),
    ("sandbox, 30/s, sliding window, epoch headers", 30, lambda: sandbox("30/s", "sliding-window", "legacy")),
    ("sandbox, 100/s, token bucket, Retry-After", 100, lambda: sandbox("100/s", "token-bucket", "retry-after")),
    ("sandbox, 50/s, fixed window, no header", 50, lambda: sandbox("50/s", "fixed-window", "none")),
    ("nginx, 50/s, limit_req burst=20, no header", 50, lambda: nginx(50, 20)),
    ("nginx, 200/s, limit_req burst=50, no header", 200, lambda: nginx(200, 50)),
]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each server and each of the two")
    parser.add_argument("--scenes", type=int, nargs="+", default=range(len(SCENES)), help="by number, from 0")
    parser.add_argument("--workers", type=int, help="compare one process with so many, not with the script")
    options = parser.parse_args()
    rival: tuple[str, Callable[[Path, str, float], Worked]] = (f"script that pauses {PAUSE_S} s", script)
    alone = ours
    if options.workers:
        alone = partial(ours, sending=True)
        rival = (f"batchupdate --rate auto --workers {options.workers}", partial(alone, workers=options.workers))
    print(f"{'':48} {'updated':>9} {'of the limit':>13} {'throttled':>10}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["integrationId", "name"])
            ours_alone = make_records(langdock=RECORDS).langdock[:RECORDS]
            writer.writerows([record.id, f"Integration {number}"] for number, record in enumerate(ours_alone))
        for name, per_s, server in [SCENES[number] for number in options.scenes]:
            print(name)
            for who, work in (("batchupdate --rate auto", alone), rival):
                with server() as url:  # a new one for each, so that neither finds a limit used up
                    worked = work(path, url, options.seconds)
                share = worked.updated / (per_s * worked.seconds)
                print(
                    f"  {who:46} {worked.updated:9,} {share:13.1%} {worked.throttled / max(1, worked.sent):10.2%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
