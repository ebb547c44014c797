"""`batchupdate --help`, and `check` of a file of ten rows, against importing what any typer program imports.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from processes import seconds
from rows import write_rows

HELP_GOAL = 2.5
CHECK_GOAL = 5.0
BASE = [sys.executable, "-c", "import typer, rich.console"]
OURS = str(Path(sys.executable).with_name("batchupdate"))


def main() -> None:
    """Prints the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(path, 10)
        commands = {
            "import typer, rich.console": BASE,
            "batchupdate --help": [OURS, "--help"],
            "batchupdate check": [OURS, "check", str(path), "--target", "langdock-integration"],
        }
        for command in commands.values():
            seconds(command)
        rounds_of = [[seconds(command) for command in commands.values()] for _ in range(rounds)]
    for name, took in zip(commands, zip(*rounds_of, strict=True), strict=True):
        print(f"{name:28}{median(took) * 1000:6.0f} ms ({min(took) * 1000:.0f} to {max(took) * 1000:.0f})")
    for name, place, goal in (("--help", 1, HELP_GOAL), ("check", 2, CHECK_GOAL)):
        ratio = median(took[place] / took[0] for took in rounds_of)
        print(f"median ratio of {name} {ratio:.2f} (goal: at most {goal})")


if __name__ == "__main__":
    main()
