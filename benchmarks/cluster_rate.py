"""How exactly several processes keep a rate together, as a server in another process sees it.

    python benchmarks/cluster_rate.py [--rates 400 1000] [--workers 2] [--seconds 60] [--scenes plain killed slow held]

The server answers after 10 ms. Scenes: `one` is a run in a single process; `plain` one on worker processes; in `killed`
one of them is killed half way, and another takes its place; in `slow` the server takes ten times as long for the
requests of one of them; in `held` one of them gets the processor for a tenth of the time only (it is stopped and
continued). Goals: the mean within -2 % and +0.5 % of the rate, no second with more than 3 % above it, and no more than
5 % lost by `slow`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from bisect import bisect_left
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
from rows import write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENES = ("one", "plain", "killed", "slow", "held")
HELD_S, FREE_S = 0.09, 0.01
LOOK_EVERY_S = 0.5


class Kept(NamedTuple):
    """The mean rate that a server saw, the most in a second, and the machine's load average."""

    mean: float
    most: int
    load: float


@contextmanager
def arrivals(folder: Path, latency_ms: float) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    """The server, its URL, and where it writes the times when its input ends."""
    path = folder / "arrivals"
    command = [sys.executable, str(Path(__file__).with_name("arrivals.py")), str(path), "--latency", str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}", server, path
        server.communicate()


def workers_of(run: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The worker processes of a run, the oldest first."""
    children = psutil.Process(run.pid).children(recursive=True)
    found = [child for child in children if any("spawn_main" in word for word in child.cmdline())]
    return sorted(found, key=lambda child: (child.create_time(), child.pid))


def slow_down(victim: psutil.Process, server: subprocess.Popen[str]) -> None:
    """Lets the server know which connections are those of a process."""
    assert server.stdin is not None
    for connection in victim.net_connections("tcp"):
        server.stdin.write(f"{connection.laddr.port}\n")
    server.stdin.flush()


def disturb(scene: str, run: subprocess.Popen[bytes], server: subprocess.Popen[str], seconds: float) -> None:
    """What happens in a scene, for so long."""
    until = time.monotonic() + seconds
    if scene == "killed":
        time.sleep(seconds / 2)
        workers_of(run)[0].kill()
    victim = workers_of(run)[0] if scene in {"slow", "held"} else None
    while (left_s := until - time.monotonic()) > 0:
        with suppress(psutil.NoSuchProcess):
            if victim is not None and scene == "held":
                victim.suspend()
                time.sleep(HELD_S)
                victim.resume()
                time.sleep(FREE_S)
                continue
            if victim is not None:
                slow_down(victim, server)
        time.sleep(min(left_s, LOOK_EVERY_S))


def keep(folder: Path, scene: str, per_s: int, options: argparse.Namespace) -> Kept:
    """Lets a run keep a rate in a scene."""
    path = folder / f"{per_s}.csv"
    if not path.exists():
        write_rows(path, round(per_s * (options.seconds + 20)))
    with arrivals(folder, options.latency) as (url, server, times_path):
        command = [sys.executable, "-m", "batchupdate", "run", str(path), "--target", "langdock-integration", "--yes"]
        command += ["--new", "--quiet", "--base-url", url, "--runs-dir", str(folder / "runs"), "--rate", f"{per_s}/s"]
        command += ["--concurrency", str(options.concurrency)]
        command += [] if scene == "one" else ["--workers", str(options.workers)]
        run = subprocess.Popen(
            command, env={**os.environ, "LANGDOCK_API_KEY": "sk-ld-benchmark"}, stderr=subprocess.DEVNULL
        )
        wait_for_first(url, run)
        time.sleep(options.settle)
        since = time.monotonic()
        disturb(scene, run, server, options.seconds)
        until, load = time.monotonic(), os.getloadavg()[0]
        run.send_signal(signal.SIGINT)
        run.wait(60)
    times = array("d")
    times.frombytes(times_path.read_bytes())
    seen = sorted(at for at in times if since <= at < until)
    most = max(bisect_left(seen, at + 1.0) - number for number, at in enumerate(seen))
    return Kept(len(seen) / (until - since), most, load)


def wait_for_first(url: str, run: subprocess.Popen[bytes]) -> None:
    """Waits until some process of a run has a connection to the server."""
    port = int(url.rpartition(":")[2])
    while run.poll() is None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(run.pid)
            for one in (process, *process.children(recursive=True)):
                if any(c.raddr and c.raddr.port == port for c in one.net_connections("tcp")):
                    return
        time.sleep(0.1)
    sys.exit("the run has ended before it sent anything")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=[400, 1000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=2.0, help="seconds from the first connection that don't count")
    parser.add_argument("--latency", type=float, default=10.0, help="milliseconds that the server takes")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES)
    options = parser.parse_args()
    print("| rate | scene | mean | | most in a second | | load average |\n| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for per_s in options.rates:
            for scene in options.scenes:
                mean, most, load = keep(Path(folder), scene, per_s, options)
                cells = f"{mean:.1f}/s | {mean / per_s - 1:+.1%} | {most} | {most / per_s - 1:+.1%} | {load:.1f}"
                print(f"| {per_s}/s | {scene} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
