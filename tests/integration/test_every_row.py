"""The promise of the product, over real sockets: every row has one outcome, and it is true."""

from __future__ import annotations

import asyncio
import csv
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchupdate import Settings
from batchupdate.run import execute, prepare
from batchupdate.sandbox import Faults, Sandbox, make_records

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.reporter import Summary

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
KINDS = ["reset-before", "reset-after", "500", "502", "503", "503-retry-after", "500-after", "garbage", "garbage-body"]
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


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds)
def test_every_row_has_one_outcome_and_it_is_true(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("world")
    clock = QuickClock()

    async def main() -> tuple[Summary, Sandbox]:
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

    summary, sandbox = asyncio.run(main())
    lines = result_lines(summary)
    given_rows = [(n, row) for n, row in enumerate(world.rows, 2) if any(cell.strip() for cell in row.values())]
    assert [int(line["_row"]) for line in lines] == [number for number, _ in given_rows]
    assert sum(summary.counts.values()) == len(given_rows)
    assert Counter(line["_outcome"] for line in lines) == {o: c for o, c in summary.counts.items() if c}
    assert json.loads((summary.folder / "summary.json").read_text("utf-8"))["counts"] == dict(summary.counts)

    seen = {request.id.lower() for request in sandbox.requests}
    applied: dict[str, list[dict[str, Any]]] = {}
    for change in sandbox.applied:
        applied.setdefault(change.id, []).append(dict(change.fields))
    for (_, row), line in zip(given_rows, lines, strict=True):
        record = row["integrationId"].lower()
        wanted = {name: value for name, value in row.items() if value and name != "integrationId"}
        if "<empty>" in wanted.values() or "<null>" in wanted.values():
            wanted = {name: {"<empty>": "", "<null>": None}.get(value, value) for name, value in wanted.items()}
        match line["_outcome"]:
            case "updated" if world.on_duplicate == "merge":
                joined = {name for change in applied[record] for name in change}
                assert joined >= set(wanted)
            case "updated":
                assert wanted in applied[record]
            case "failed":
                assert record in seen
            case "invalid":
                assert line["_attempts"] == "0"
            case "unchanged":
                assert world.on_duplicate == "last"

    for path in summary.folder.iterdir():
        assert KEY.encode() not in path.read_bytes(), path.name
