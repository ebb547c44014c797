"""The promise of the product, over real sockets: every row has one outcome, and it is true."""

from __future__ import annotations

import asyncio
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate import Settings
from batchupdate.run import execute, prepare
from batchupdate.sandbox import Faults, Sandbox, make_records
from batchupdate.validator.checks.suspicious_text import trimmed

if TYPE_CHECKING:
    from batchupdate.reporter import Summary

pytestmark = [pytest.mark.slow, pytest.mark.counted("nothing")]

KEY = "sk-ld-propertytest-0123456789"
RECORDS = make_records(langdock=30, nairi=1)
FORBIDDEN = RECORDS.forbidden[0].id
IDS = [record.id for record in RECORDS.langdock if record.id != FORBIDDEN]
STRANGER = "00000000-0000-4000-8000-000000000000"

names = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=45),
    st.sampled_from(
        ["=cmd()", "007", "NA", "<null>", "<empty>", "x" * 41, "Größe 😀", "a,b;c", 'say "hi"', "two\nlines"]
    ),
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "integrationId": st.sampled_from([*IDS, *IDS, *IDS, STRANGER, FORBIDDEN, "no-id", ""]),
            "name": st.one_of(st.just(""), names),
            "description": st.one_of(st.just(""), st.just(""), names),
        }
    ),
    max_size=25,
)
KINDS = [
    "reset-before", "reset-after", "500", "502", "503", "503-retry-after", "500-after", "garbage", "garbage-body",
    "hang", "hang-after",
]  # fmt: skip
faults = st.one_of(
    st.just({}),
    st.dictionaries(st.sampled_from(KINDS), st.floats(0.02, 0.25), max_size=3),
)


@dataclass(frozen=True)
class World:
    """One random case."""

    rows: list[dict[str, str]]
    faults: dict[str, float]
    seed: int
    limit: str
    kind: Any
    headers: Any
    on_duplicate: Any
    concurrency: int


worlds = st.builds(
    World,
    rows=rows,
    faults=faults,
    seed=st.integers(0, 2**31),
    limit=st.sampled_from(["unlimited", "50/s", "600/min"]),
    kind=st.sampled_from(["fixed-window", "sliding-window", "token-bucket"]),
    headers=st.sampled_from(["none", "retry-after"]),
    on_duplicate=st.sampled_from(["error", "last", "merge"]),
    concurrency=st.integers(1, 12),
)


async def apply(world: World, folder: Path, sandbox: Sandbox, clock: QuickClock) -> Summary:
    source = folder / "input.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["integrationId", "name", "description"])
        writer.writeheader()
        writer.writerows(world.rows)
    chosen = Settings.model_validate(
        {
            "target": "langdock-integration",
            "base_url": sandbox.url,
            "runs_dir": folder / "runs",
            "rate": "100/s",
            "burst": 5,
            "concurrency": world.concurrency,
            "max_attempts": 4,
            "input": {"on_duplicate": world.on_duplicate},
        }
    )
    with prepare(source, chosen, new=True, environ={"LANGDOCK_API_KEY": KEY}, clock=clock) as prepared:
        return await execute(prepared)


def result_lines(summary: Summary) -> list[dict[str, str]]:
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


async def live(world: World, folder: Path) -> tuple[Summary, Sandbox]:
    clock = QuickClock()
    text = ",".join(f"{kind}={share}" for kind, share in world.faults.items())
    async with Sandbox(
        records=RECORDS,
        keys=[KEY],
        limit=world.limit,
        limit_kind=world.kind,
        headers=world.headers,
        faults=Faults.parse(text, world.seed),
        clock=clock,
    ) as sandbox:
        return await apply(world, folder, sandbox, clock), sandbox


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(world=worlds)
def test_every_row_has_one_outcome_and_it_is_true(world: World) -> None:
    with TemporaryDirectory() as folder:
        summary, sandbox = asyncio.run(live(world, Path(folder)))
        check_counts(world, summary)
        check_truth(world, summary, sandbox)
        for path in summary.folder.iterdir():
            assert KEY.encode() not in path.read_bytes(), path.name


def rows_of(world: World) -> list[tuple[int, dict[str, str]]]:
    """The rows that a spreadsheet program would show as not blank, with their numbers."""
    return [(number, row) for number, row in enumerate(world.rows, 2) if any(cell.strip() for cell in row.values())]


def check_counts(world: World, summary: Summary) -> None:
    lines = result_lines(summary)
    assert [int(line["_row"]) for line in lines] == [number for number, _ in rows_of(world)]
    assert sum(summary.counts.values()) == len(lines)
    assert Counter(line["_outcome"] for line in lines) == {o: c for o, c in summary.counts.items() if c}
    assert json.loads((summary.folder / "summary.json").read_text("utf-8"))["counts"] == dict(summary.counts)


def check_truth(world: World, summary: Summary, sandbox: Sandbox) -> None:
    seen = {request.id.lower() for request in sandbox.requests}
    applied: dict[str, list[dict[str, Any]]] = {}
    for change in sandbox.applied:
        applied.setdefault(change.id, []).append(dict(change.fields))
    for (_, row), line in zip(rows_of(world), result_lines(summary), strict=True):
        record = row["integrationId"].lower()
        match line["_outcome"]:
            case "updated" if world.on_duplicate == "merge":
                assert {name for change in applied[record] for name in change} >= set(wanted(row))
            case "updated":
                assert wanted(row) in applied[record]
            case "failed":
                assert record in seen
            case "invalid":
                assert line["_attempts"] == "0"
            case "unchanged":
                assert world.on_duplicate == "last"


def wanted(row: dict[str, str]) -> dict[str, str | None]:
    """What a row asks for, by the words of the contract; unseen characters at a cell's ends are left out, and told."""
    markers = {"<empty>": "", "<null>": None}
    return {name: markers.get(cell, trimmed(cell)) for name, cell in row.items() if cell and name != "integrationId"}
