"""Plans for tests, made of rows as a journal has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchupdate.model import PlanLine, RowLabels
from batchupdate.reporter import Plan
from batchupdate.reporter.plan_files import write_plan
from batchupdate.targets.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

ABSENT, HIDDEN = object(), object()
"""Old values: of a field that the record does not have, and of one that nothing reads."""


def changed(key: int, record_id: str = "k", /, **changes: tuple[Any, Any]) -> PlanLine:
    """A row that changes fields: each with its old and its new value."""
    known = {name: old for name, (old, _) in changes.items() if old is not ABSENT and old is not HIDDEN}
    absent = tuple(name for name, (old, _) in changes.items() if old is ABSENT)
    fields = json.dumps({name: new for name, (_, new) in changes.items()})
    return PlanLine(key, record_id, fields, None, "", Seen(known, absent).to_json())


def ended(key: int, outcome: str, error: str, record_id: str = "k", /, *, gone: bool = False, **new: Any) -> PlanLine:
    """A row of which nothing is sent."""
    return PlanLine(key, record_id, json.dumps(new), outcome, error, Seen(gone=gone).to_json() if gone else None)


def plan_of(lines: Sequence[PlanLine], labels: RowLabels | None = None) -> Plan:
    """A plan, counted."""
    made = Plan(
        "20261129-080000-in-plan-1234",
        Path("batchupdate-runs/20261129-080000-in-plan-1234"),
        "things",
        "https://api.example",
        "in.csv",
        "0" * 64,
        len(lines),
        3,
        1_796_000_000.0,
        labels=labels or RowLabels(),
        lines=lambda *outcomes: [line for line in lines if not outcomes or line.outcome in outcomes],
    )
    for _ in made.count(made.changes()):
        pass
    return made


def written(plan: Plan, folder: Path) -> Path:
    """Writes a plan's files; returns their folder."""
    write_plan(folder, plan, plan.changes())
    return folder
