"""How many processor instructions a row costs: in a whole run, in a bare aiohttp loop, in `check`, and in plainer code.

    python benchmarks/instructions.py [--rows 2300 4300] [--loops asyncio] [--without direct --without sweeper]

Needs valgrind. A count does not depend on how busy the machine is, as times do, so that one percent shows in one
measurement. Each is made with two numbers of rows (for `check`, ten times as many); their difference has no start-up
in it, nor the rows that report.html shows: those are the first 2,000 that succeeded. All threads of the process are
counted, but not what the system does for it, nor that one thread waits for another. `--without` takes the plain form
of something that was written for speed (see `plain.py`), each in a measurement of its own; `--without all` does so for
all of them.

Valgrind makes a program about 50 times slower. What happens every so many seconds is made rarer in the same measure,
or its share in a row would be 50 times too large.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import loops
import plain
from nginx import nginx
from rows import write_rows
from throughput import bare, ours

SLOWER = 50
TIMES_FOR_CHECK = 10


def one(which: str, path: Path, url: str, loop: str, without: str | None) -> None:
    """What is counted: everything from the start of the process on."""
    import batchupdate.api.client
    import batchupdate.engine.pools
    import batchupdate.journal.queue
    import batchupdate.run

    batchupdate.api.client.SWEEP_EVERY_S *= SLOWER
    batchupdate.engine.pools.PROGRESS_EVERY_S *= SLOWER
    batchupdate.journal.queue.FLUSH_AFTER_S *= SLOWER
    if without:
        plain.FORMS[without]()
    if which == "check":
        batchupdate.check_file(path, batchupdate.Settings(target="langdock-integration"))
    else:
        loops.run(loop, ours(path, url) if which == "ours" else bare(path, url))


def count(which: str, path: Path, url: str, loop: str, without: str | None = None) -> int:
    """Instructions of a whole process."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, __file__, "--one", which, "--file", str(path), "--url", url, "--loops", loop]
    command += ["--without", without] if without else []
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stderr
    found = re.search(r"I +refs: +([\d,]+)", said)
    assert found, said
    return int(found[1].replace(",", ""))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs=2, default=[2300, 4300])
    parser.add_argument("--loops", choices=loops.LOOPS, nargs="+", default=["asyncio"])
    parser.add_argument("--without", action="append", choices=[*plain.FORMS, "all"], default=[])
    parser.add_argument("--one", choices=["ours", "bare", "check"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.file, options.url, options.loops[0], next(iter(options.without), None))
        return
    if shutil.which("valgrind") is None:
        sys.exit("This benchmark needs valgrind, for example: apt-get install valgrind")
    without = [*plain.FORMS] if "all" in options.without else options.without
    with tempfile.TemporaryDirectory() as folder, nginx() as url:

        def a_row(which: str, loop: str, form: str | None = None) -> float:
            few, many = (rows * (TIMES_FOR_CHECK if which == "check" else 1) for rows in options.rows)
            counts = []
            for rows in (few, many):
                path = Path(folder) / f"{rows}.csv"
                write_rows(path, rows)
                counts.append(count(which, path, url, loop, form))
            return (counts[1] - counts[0]) / (many - few)

        for loop in options.loops:
            bare_row, whole, check = (a_row(which, loop) for which in ("bare", "ours", "check"))
            print(f"instructions a row on {loop:12}{'whole run':>10}{'':10}{'check':>10}")
            print(f"  {'':32}{whole:10,.0f}{'':10}{check:10,.0f}")
            print(f"  {'bare loop':32}{bare_row:10,.0f}   bare loop / whole run = {bare_row / whole:.3f}", flush=True)
            for form in without:
                run, checked = a_row("ours", loop, form), a_row("check", loop, form)
                gains = f"{run:10,.0f}{run / whole - 1:+9.1%} {checked:10,.0f}{checked / check - 1:+9.1%}"
                print(f"  {'without ' + form:32}{gains}", flush=True)


if __name__ == "__main__":
    main()
