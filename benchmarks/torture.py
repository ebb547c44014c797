"""Runs that are killed with `kill -9` up to five times, started again, and held against what the sandbox really did.

    python benchmarks/torture.py [--seeds 1000] [--rows 2000] [--at-once 2] [--minutes 10]
    python benchmarks/torture.py --seed 17
    python benchmarks/torture.py --kind blind --seeds 50     (or plain, faulty, unrepeatable, blind-once-only)
    python benchmarks/torture.py --two-way --seeds 60        (or --kind plan, plan-run, undo, verify, match)
    python benchmarks/torture.py --workers --seeds 100       (or --workers 4: so many processes, not two to four)

The long form of `tests/torture`. Of six seeds, two have no faults; two have none either, but a target whose records
can't be read, and for one of them repeating is not safe; and two have faults, again one of them where repeating is not
safe. With `--two-way`, the stories are of plans, of their runs, of undos, of runs that read back what they have sent,
and of runs that look for ids: each in turn, half of them with faults, and mostly with a second writer at the API. With
`--workers`, runs have worker processes, of which some are killed, and the run itself less often. Exits 1 if a rule is
broken, and names the seed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from torture import two_way_story
from torture.story import LONG, World, blind, faulty, on_workers, plain, tell
from torture.truth import OUT_AT_MOST, Verdict, judge
from torture.two_way_story import TALES, Tale
from torture.two_way_truth import TwoWayVerdict, judge_tale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HEADINGS = ("stories", "seeds", "kills", "rows", "lost", "false", "again", "twice a kill", "unknown a kill", "time")
WIDTHS = (26, 7, 7, 11, 6, 7, 7, 16, 16, 9)


KINDS: dict[str, Callable[[int, int], World]] = {
    "plain": plain,
    "blind": lambda seed, rows: blind(seed, repeatable=True, rows=rows),
    "blind-once-only": lambda seed, rows: blind(seed, repeatable=False, rows=rows),
    "faulty": lambda seed, rows: faulty(seed, repeatable=True, rows=rows),
    "unrepeatable": lambda seed, rows: faulty(seed, repeatable=False, rows=rows),
}
"""All kinds of stories by name."""


MIX = ("plain", "plain", "blind", "blind-once-only", "faulty", "unrepeatable")
ONCE_ONLY = frozenset({"blind-once-only", "unrepeatable"})
EACH_NUMBER = 0
"""Of worker processes: two to four, by the seed."""


def world_of(seed: int, kind: str | None, rows: int, workers: int | None) -> World:
    """What a seed stands for here."""
    world = KINDS[kind or MIX[seed % len(MIX)]](seed, rows)
    return world if workers is None else on_workers(world, workers or None)


def live(world: World) -> tuple[Verdict, float]:
    """Tells and judges one story; its files are kept where a rule is broken."""
    folder = Path(tempfile.mkdtemp(prefix=f"{world}-"))
    story = tell(world, folder)
    verdict = judge(story)
    for sentence in verdict.broken:
        print(f"{world}: {sentence}", file=sys.stderr, flush=True)
    if verdict.broken:
        print(f"{world}: its files are kept in {folder}", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(folder)
    return verdict, story.seconds


def line(cells: Sequence[str]) -> str:
    """One line of the table, in Markdown."""
    return "| " + " | ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)) + " |"


def most_and_mean(told: Iterable[Sequence[int]]) -> str:
    """The most rows, and the mean, of all kills of some stories."""
    counts = [count for kills in told for count in kills] or [0]
    return f"{max(counts):,} / {mean(counts):,.1f}"


def print_line(name: str, told: Sequence[tuple[Verdict, float]]) -> None:
    """The figures of all stories of one kind."""
    verdicts = [verdict for verdict, _ in told]
    kills = sum((verdict.kills for verdict in verdicts), Counter())
    once_only = name.removesuffix("-on-workers") in ONCE_ONLY
    cells = (
        name,
        f"{len(verdicts):,}",
        f"{kills.total() + sum(verdict.worker_kills for verdict in verdicts):,}",
        f"{sum(verdict.rows for verdict in verdicts):,}",
        f"{sum(verdict.lost for verdict in verdicts):,}",
        f"{sum(verdict.false for verdict in verdicts):,}",
        f"{sum(verdict.again for verdict in verdicts):,}" if once_only else "–",
        most_and_mean(verdict.twice for verdict in verdicts) if not once_only else "–",
        most_and_mean(verdict.unsure for verdict in verdicts) if once_only else "–",
        f"{sum(seconds for _, seconds in told):,.0f} s",
    )
    print(line(cells), flush=True)


TWO_WAY_HEADINGS = ("stories", "seeds", "kills", "rows", "lost", "false", "over", "foreign", "window", "twice a kill")


def live_two_way(tale: Tale) -> tuple[TwoWayVerdict, float]:
    """Tells and judges one tale; its files are kept where a rule is broken."""
    folder = Path(tempfile.mkdtemp(prefix=f"{tale}-"))
    told = two_way_story.tell(tale, folder)
    verdict = judge_tale(told)
    for sentence in verdict.broken:
        print(f"{tale}: {sentence}", file=sys.stderr, flush=True)
    if verdict.broken:
        print(f"{tale}: its files are kept in {folder}", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(folder)
    return verdict, told.seconds


def two_way(options: argparse.Namespace) -> None:
    """The tables of the tales."""
    started = time.monotonic()
    names = [options.kind] if options.kind else list(TALES)
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    tales = [TALES[names[seed % len(names)]](seed // len(names), options.rows) for seed in seeds]
    if options.kind:
        tales = [TALES[options.kind](seed, options.rows) for seed in seeds]

    def in_time(tale: Tale) -> tuple[Tale, TwoWayVerdict, float] | None:
        if options.minutes and time.monotonic() - started > options.minutes * 60:
            return None
        return tale, *live_two_way(tale)

    with ThreadPoolExecutor(options.at_once) as pool:
        told = [story for story in pool.map(in_time, tales) if story]
    print("| " + " | ".join(TWO_WAY_HEADINGS) + " |")
    print("|" + " --- |" * len(TWO_WAY_HEADINGS))
    for name in names:
        verdicts = [verdict for tale, verdict, _ in told if tale.kind == name]
        numbers = (
            len(verdicts),
            sum(verdict.kills.total() for verdict in verdicts),
            *(sum(getattr(verdict, what) for verdict in verdicts) for what in ("rows", "lost", "false", "overwritten")),
            *(sum(getattr(verdict, what) for verdict in verdicts) for what in ("foreign", "window")),
        )
        twice = most_and_mean(verdict.twice for verdict in verdicts)
        print(f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + f" | {twice} |", flush=True)
    kills = sum((verdict.kills for _, verdict, _ in told), Counter())
    print(f"\nKills while {', '.join(f'{moment.value}: {kills[moment]:,}' for moment in sorted(kills))}.")
    print(f"{time.monotonic() - started:,.0f} s in all.")
    if wrong := [str(tale) for tale, verdict, _ in told if verdict.broken]:
        sys.exit(f"Rules are broken by: {', '.join(wrong)}")


def main() -> None:
    """Prints the table; exits 1 if a rule is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--rows", type=int, help=f"rows of a story; {LONG:,} unless it is a two-way one")
    parser.add_argument("--at-once", type=int, default=2, help="stories under way at a time")
    parser.add_argument("--minutes", type=float, help="begin no further story after this time")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--workers", type=int, nargs="?", const=EACH_NUMBER, help="on so many worker processes")
    parser.add_argument("--kind", choices=[*KINDS, *TALES], help="stories of this kind alone")
    parser.add_argument("--two-way", action="store_true", help="stories of plans, undos, read-backs and matches")
    options = parser.parse_args()
    if options.two_way or options.kind in TALES:
        two_way(options)
        return
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    started = time.monotonic()

    def in_time(seed: int) -> tuple[World, Verdict, float] | None:
        if options.minutes and time.monotonic() - started > options.minutes * 60:
            return None
        world = world_of(seed, options.kind, options.rows or LONG, options.workers)
        return world, *live(world)

    with ThreadPoolExecutor(options.at_once) as pool:
        told = [story for story in pool.map(in_time, seeds) if story]
    print(line(HEADINGS))
    print("|" + "|".join(f" {'-' * (width - 1)}: " for width in WIDTHS) + "|")
    for name in dict.fromkeys(world.name for world, *_ in told):
        print_line(name, [(verdict, seconds) for world, verdict, seconds in told if world.name == name])
    kills = sum((verdict.kills for _, verdict, _ in told), Counter())
    print(f"\nKills while {', '.join(f'{stage.value}: {kills[stage]:,}' for stage in sorted(kills))}.")
    print(
        f"{time.monotonic() - started:,.0f} s in all. At most {OUT_AT_MOST} rows a kill may be sent twice, or unknown."
    )
    if options.workers is not None:
        verdicts = [verdict for _, verdict, _ in told]
        deaths, within = (sum(getattr(verdict, what) for verdict in verdicts) for what in ("worker_kills", "within"))
        died = sum(verdict.died for verdict in verdicts)
        print(
            f"Worker processes killed: {deaths:,}; for that {within:,} rows went out twice, and {died:,} are unknown."
        )
    if wrong := [str(world) for world, verdict, _ in told if verdict.broken]:
        sys.exit(f"Rules are broken by: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
