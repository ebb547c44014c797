"""`batchupdate --help` against importing what any typer program imports.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

from processes import seconds

GOAL = 2.5
BASE = [sys.executable, "-c", "import typer, rich.console"]
OURS = [str(Path(sys.executable).with_name("batchupdate")), "--help"]


def main() -> None:
    """Prints the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    seconds(BASE), seconds(OURS)
    pairs = [(seconds(BASE), seconds(OURS)) for _ in range(rounds)]
    print(f"import typer, rich.console  {median(base for base, _ in pairs) * 1000:6.0f} ms")
    print(f"batchupdate --help          {median(ours for _, ours in pairs) * 1000:6.0f} ms")
    print(f"median ratio {median(ours / base for base, ours in pairs):.2f} (goal: at most {GOAL})")


if __name__ == "__main__":
    main()
