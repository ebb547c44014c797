"""A story with somebody else in it: plan, run of the plan, undo, and a run that compares its rows first."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from real_servers import settings_for
from second_writer import second_writer
from witness import Witness, judge, unnamed, witnessed

from batchupdate import run_file, undo
from batchupdate.run import plan_file, run_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from batchupdate import Summary

SEEDS = range(1, 1 + int(os.environ.get("TEST_WRITER_SEEDS", "2")))
"""A longer proof has more: TEST_WRITER_SEEDS=50."""

FIELDS = "fields: {name: {}, labels: {type: list}}\n"
COUNT = 30


@dataclass
class Api:
    """An API as the story needs it.

    Attributes:
        url: where it is.
        records: the path of its records.
        target: its declaration, from `name` to `rate`.
        versioned: whether it has versions, and takes `If-Match`.
        wrap: the member of a body that holds the fields.
        environ: has the key.
        theirs: the headers by which somebody else may change records.
    """

    url: str
    records: str
    target: str
    versioned: bool
    wrap: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    theirs: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Told:
    """What became of a story."""

    wrong: list[str] = field(default_factory=list)
    in_the_window: int = 0
    """Foreign changes that were overwritten between the last read of a record and its change."""
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    theirs: int = 0


def record(number: int) -> dict[str, Any]:
    """What a record is at first."""
    return {"name": f"Old {number}", "labels": [f"old {number}"]}


def row(number: int, name: str) -> dict[str, Any]:
    """What is to be set: every third row sets labels, too."""
    return {"name": f"{name} {number}", **({} if number % 3 else {"labels": [f"{name} {number}"]})}


async def tell(
    folder: Path, api: Api, ids: list[str], seed: int, *, faults: float = 0.0, **more: Any
) -> tuple[Told, Witness]:
    """Lets a plan be made, run and undone, and a run compare its rows first, while somebody else changes records.

    `more` are further settings.
    """
    told = Told()
    source = folder / "rows.jsonl"
    witness = Witness(api.url, api.records, wrap=api.wrap, seed=seed, faults=faults)
    async with witnessed(witness):
        options = settings_for(folder, api.target, witness.url, concurrency=4, rate="200/s", burst=1, **more)
        theirs = {
            "url": witness.url + api.records,
            "ids": ids,
            "seed": seed,
            "headers": dict(api.theirs),
            "wrap": api.wrap,
            "fields": ["name", "labels"],
            "ledger": str(folder / "theirs.jsonl"),
        }
        async with second_writer(**theirs):
            try:
                wanted = _write(source, ids, "New")
                made = await plan_file(source, options, environ=api.environ)
                planned = witness.now
                await witness.somebody_changes("name")
                summary = await run_plan(made.folder, options, environ=api.environ)
                ran = witness.now
                await witness.somebody_changes("name")

                def in_plan(record_id: str) -> int:
                    return witness.reads(record_id, 0, planned)[-1]

                proof = _Proof(told, witness, api.versioned, faults > 0)
                proof.stage("run --plan", (planned, ran), summary, wanted, in_plan)

                back = await undo(summary.folder, options, environ=api.environ)
                undone = witness.now
                changed = {one.id: one.seq for one in witness.changes(foreign=False, begin=planned, end=ran)}
                old = {key: record(number) for number, key in enumerate(ids)}

                def in_run(record_id: str) -> int:
                    return changed.get(record_id, planned)

                # The old values are those of the plan's reading, and they may be somebody else's.
                for one in witness.changes(foreign=True, end=planned):
                    if one.seq < in_plan(one.id):
                        old[one.id].update(one.fields)
                proof.stage("undo", (ran, undone), back, old, in_run)

                wanted = _write(source, ids, "Newer")
                compared = await run_file(
                    source, options.model_copy(update={"diff": "always"}), new=True, environ=api.environ
                )
                ended = witness.now

                def in_comparison(record_id: str) -> int:
                    first_change = next((one.seq for one in witness.changes(foreign=False, begin=undone)), ended)
                    return witness.reads(record_id, undone, first_change if api.versioned else ended)[-1]

                proof.stage("run --diff always", (undone, ended), compared, wanted, in_comparison, read_again=False)
            finally:
                witness.over = True
        _compare_ledgers(told, witness, folder / "theirs.jsonl")
    return told, witness


def _write(source: Path, ids: list[str], name: str) -> dict[str, dict[str, Any]]:
    wanted = {key: row(number, name) for number, key in enumerate(ids)}
    source.write_text("".join(json.dumps({"id": key, **one}) + "\n" for key, one in wanted.items()), "utf-8")
    return wanted


@dataclass
class _Proof:
    """Holds the results of stages against what a witness saw."""

    told: Told
    witness: Witness
    versioned: bool
    faults: bool

    def stage(
        self,
        name: str,
        stage: tuple[int, int],
        summary: Summary,
        wanted: Mapping[str, Mapping[str, Any]],
        base: Callable[[str], int],
        *,
        read_again: bool = True,
    ) -> None:
        """One stage; see `Witness.overwritten`."""
        results = summary.results()[["_id", "_outcome", "_error"]].fillna("")
        lines = [{str(name): str(value) for name, value in line.items()} for line in results.to_dict("records")]
        self.told.outcomes[name] = Counter(line["_outcome"] for line in lines)
        seen, window = self.witness.overwritten(stage, base, versioned=self.versioned, read_again=read_again)
        self.told.in_the_window += len(window)
        wrong = [f"overwritten: {one}" for one in seen]
        wrong += judge(self.witness, stage, lines, wanted, faults=self.faults)
        wrong += unnamed(self.witness, stage, lines, wanted)
        if sum(summary.counts.values()) != len(lines):
            wrong.append(f"{summary.counts} of {len(lines)} rows")
        self.told.wrong += [f"{name}: {one}" for one in wrong]


def _compare_ledgers(told: Told, witness: Witness, path: Path) -> None:
    """Somebody else has changed just what was seen to be changed."""
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    told.theirs = len(written)
    passed = [(one.id, dict(one.fields)) for one in witness.changes(foreign=True)]
    if [(one["id"], {one["field"]: one["value"]}) for one in written] != passed:
        told.wrong.append("the ledger of the second writer is not what has passed")
