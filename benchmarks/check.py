"""`check` of a million CSV rows against a plain `csv.reader` pass over the same file.

    python benchmarks/check.py [--rows 1000000] [--rounds 3]

Both are whole processes, in turn; the ratio is taken pair by pair.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from processes import seconds
from rows import write_rows

PLAIN = "import csv, sys\nfor row in csv.reader(open(sys.argv[1], newline='', encoding='utf-8')): pass"


def main() -> None:
    """Prints a line a round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    program = str(Path(sys.executable).with_name("batchupdate"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(path, options.rows)
        plain = [sys.executable, "-c", PLAIN, str(path)]
        ours = [program, "check", str(path), "--target", "langdock-integration", "--quiet"]
        seconds(plain)
        pairs = []
        for _ in range(options.rounds):
            pairs.append((seconds(plain), seconds(ours)))
            base, check = pairs[-1]
            print(f"csv.reader {base:6.2f} s   check {check:6.2f} s   ratio {check / base:.2f}")
    check = median(check for _, check in pairs)
    print(f"check: {options.rows / check:,.0f} rows/s (goal: at least 40,000)")
    print(f"median ratio {median(check / base for base, check in pairs):.2f} (goal: at most 8)")


if __name__ == "__main__":
    main()
