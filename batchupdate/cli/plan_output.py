"""A plan on the screen: figures, changes that many rows make alike, and old → new by row."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from batchupdate.cli.units import many
from batchupdate.model import SENT_STATES, PlanState
from batchupdate.reporter.plan_files import shown, shown_old

if TYPE_CHECKING:
    from batchupdate.cli.console import Screen
    from batchupdate.model import FieldChange, PlannedRow
    from batchupdate.reporter import Plan

SHOWN_ROWS = 20
SHOWN_EQUAL = 5
NAMES = {
    PlanState.CHANGE: "will change",
    PlanState.CREATE: "will be created",
    PlanState.UNKNOWN: "will be sent; the old values can't be known",
    PlanState.UNCHANGED: "already so",
    PlanState.CONFLICT: "conflict",
    PlanState.NOT_THERE: "not there",
    PlanState.UNREADABLE: "can't be read",
    PlanState.INVALID: "invalid",
}


def show_plan(plan: Plan, screen: Screen) -> None:
    """Shows a plan."""
    bad = bool(plan.exit_code)
    screen.say(f"{plan.input_path} → {plan.target} at {plan.base_url}", style="bold")
    for notice in plan.notices:
        screen.say(f"  {notice}")
    for one in plan.equal[:SHOWN_EQUAL]:
        screen.result(f"{one.name}: {one.rows:,} x {one.old or 'blank'} → {one.new}")
    rows = (row for row in plan.changes() if row.state is not PlanState.UNCHANGED)
    for row in islice(rows, SHOWN_ROWS):
        screen.result(
            f"{plan.labels.label(row.key)}: {row.record_id}: {_said(row)}", failure=row.state not in SENT_STATES
        )
    table = [(NAMES[state], f"{count:,}") for state, count in plan.counts.items() if count]
    screen.table(("plan", "rows"), table or [("nothing to do", "0")], failure=bad)
    if plan.cleared:
        fields = ", ".join(f"{name} {count:,}" for name, count in plan.cleared.items())
        screen.result(f"{many(plan.cleared.total(), 'field')} will be cleared: {fields}.", style="yellow")
    screen.result(f"Plan: {plan.folder}", failure=bad)
    if plan.to_send:
        screen.result(f"To send exactly this: batchupdate run --plan {plan.folder}", failure=bad)


def _said(row: PlannedRow) -> str:
    return row.message or ", ".join(map(_change, row.changes))


def _change(change: FieldChange) -> str:
    return f"{change.name}: {shown_old(change) or 'blank'} → {shown(change.new)}"
