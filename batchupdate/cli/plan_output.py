"""A plan on the screen: what keeps rows from being sent, changes that many rows make alike, and old → new by row."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from batchupdate.cli.console import harmless
from batchupdate.cli.units import many
from batchupdate.cli.word_diff import GONE, NEW, around, difference
from batchupdate.model import FINE_STATES, SENT_STATES, FieldChange, PlanState
from batchupdate.reporter.plan_rows import as_text, old_values
from batchupdate.reporter.plan_values import in_words, value_of
from batchupdate.util import json as exact_json
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from batchupdate.cli.console import Room, Screen
    from batchupdate.model import PlannedRow
    from batchupdate.reporter import Plan
    from batchupdate.reporter.plan_rows import EqualChange

SHOWN_ROWS = 20
"""Changes and problems that are shown one by one."""
SHOWN_EQUAL = 5
LEAST_EQUAL = 5
"""So many rows that make the same change are shown as one line."""
MOST_LINES = 3
"""A value takes no more than about so many lines."""
TIMES = "\N{MULTIPLICATION SIGN}"
INDENT = 4
WIDE_ENOUGH = 120
"""In so many columns, a row of which one field changes is one line."""
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
_UNKNOWN = FieldChange("", None, None, known=False)
_OF_ROW = {**NAMES, PlanState.CHANGE: "", PlanState.UNKNOWN: "will be sent"}


@dataclass(slots=True)
class _Excerpt:
    """What is shown of a plan's rows: the first, how many more there are, and in how many all is told by a group."""

    problems: list[PlannedRow] = field(default_factory=list)
    changes: list[PlannedRow] = field(default_factory=list)
    more_problems: int = 0
    more_changes: int = 0
    grouped: int = 0


def show_plan(plan: Plan, screen: Screen, warnings: Sequence[str] = ()) -> None:
    """Shows a plan; `warnings` are sentences about rows that are sent all the same."""
    bad = bool(plan.exit_code)
    screen.say(f"{plan.input_path} → {plan.target} at {plan.base_url}", style="bold")
    for notice in plan.notices:
        screen.say(f"  {notice}")
    for warning in warnings:
        screen.say(f"  {warning}", style="yellow")
    if (room := screen.room(failure=bad)) is not None:
        _show_rows(plan, screen, room)
    table = [(NAMES[state], f"{count:,}") for state, count in plan.counts.items() if count]
    screen.table(("plan", "rows"), table or [("nothing to do", "0")], failure=bad)
    if plan.cleared:
        fields = ", ".join(f"{name} {count:,}" for name, count in plan.cleared.items())
        screen.result(f"{many(plan.cleared.total(), 'field')} will be cleared: {fields}.", style="yellow")
    screen.result(f"Plan: {plan.folder}", failure=bad)
    if plan.to_send:
        screen.result(f"To send exactly this: batchupdate run --plan {shlex.quote(str(plan.folder))}", failure=bad)


def _show_rows(plan: Plan, screen: Screen, room: Room) -> None:
    """Problems first, then what many rows have in common, then the other rows."""
    from rich.text import Text

    groups = [one for one in plan.equal[:SHOWN_EQUAL] if one.rows >= LEAST_EQUAL]
    told = {(one.name, one.old, one.new) for one in groups}
    excerpt = _excerpt(plan, told)
    rows = [*excerpt.problems, *excerpt.changes]
    width = max((len(plan.labels.label(row.key)) for row in rows), default=0)
    heads = {row.key: _head(plan, row, width) for row in rows}
    for row in excerpt.problems:
        said = Text().append(f"{NAMES[row.state]}: ", "bold red").append(_plain(row.message))
        _lines(screen, room, heads[row.key], [said], failure=True)
    _more(screen, excerpt.more_problems, "problem", failure=True)
    if screen.room() is None:  # only what is amiss is shown
        return
    if excerpt.problems and (groups or excerpt.changes):
        screen.result()
    for one in groups:
        _line(screen, room, _group(one, room), 0)
    for row in excerpt.changes:
        head, changes = heads[row.key], [_change(change, room) for change in row.changes]
        if _OF_ROW[row.state]:
            head.append(f"  {_OF_ROW[row.state]}", "green" if row.state is PlanState.CREATE else "")
        _lines(screen, room, head, changes)
    _more(screen, excerpt.more_changes, "row")


def _group(one: EqualChange, room: Room) -> Text:
    """A change that many rows make."""
    new, before = exact_json.loads(one.new), f"{one.rows:,} {TIMES} "
    if one.old is None:
        return _change(FieldChange(one.name, None, new), room, before, old_values(one.values))
    known = one.old != as_text(_UNKNOWN)
    old = exact_json.loads(one.old) if one.old and known else None
    return _change(FieldChange(one.name, old, new, known=known, absent=not one.old), room, before)


def _excerpt(plan: Plan, told: set[tuple[str, str | None, str]]) -> _Excerpt:
    """What is shown of the rows; read to the end only if the figures don't say already what is left out."""
    excerpt = _Excerpt(list(islice(plan.problem_rows(), SHOWN_ROWS)))
    bad = sum(count for state, count in plan.counts.items() if state not in FINE_STATES)
    for row in plan.changes():
        if row.state not in SENT_STATES:
            continue
        if told and row.changes and all(_is_told(one, told) for one in row.changes):
            excerpt.grouped += 1
        elif len(excerpt.changes) < SHOWN_ROWS:
            excerpt.changes.append(row)
        elif not told:
            break
    excerpt.more_problems = bad - len(excerpt.problems)
    excerpt.more_changes = plan.to_send - excerpt.grouped - len(excerpt.changes)
    return excerpt


def _is_told(change: FieldChange, told: set[tuple[str, str | None, str]]) -> bool:
    name, new = change.name, exact_json.dumps(change.new)
    return (name, None, new) in told or (name, as_text(change), new) in told


def _head(plan: Plan, row: PlannedRow, width: int) -> Text:
    """What a row is called; ids stand below each other."""
    from rich.text import Text

    label = _plain(plan.labels.label(row.key))
    head = Text().append(label, "bold")
    if row.record_id:
        head.append(f"{' ' * (width - len(label))}  {_plain(row.record_id)}", "dim")
    return head


def _more(screen: Screen, count: int, noun: str, *, failure: bool = False) -> None:
    if count > 0:
        screen.result(f"… and {many(count, f'more {noun}')}: see plan.csv", failure=failure)


def _change(change: FieldChange, room: Room, before: str = "", old: str = "") -> Text:
    """`name: old → new`, or the new text with its changed words marked; `old` is what stands for the old value."""
    from rich.text import Text

    said = Text(f"{_plain(change.name)}: {before}")
    most = max(40, room.width * MOST_LINES - INDENT * 2 * MOST_LINES)
    old, new = old or _shown(change), _value(change.new)
    if change.known and not change.absent and _alike(change.old, change.new) and not before:
        marked = difference(old[1:-1], new[1:-1], colour=room.colour, most=most)
        if marked is not None:
            return said.append(old[0]).append(marked).append(old[-1])
    old, new = around(old, new, max(20, most // 2))
    return said.append(old, GONE.split()[0]).append(" → ").append(new, NEW.split()[0])


def _alike(old: object, new: object) -> bool:
    """Whether both are texts with something in them, or both lists."""
    return bool(old and new) and any(isinstance(old, kind) and isinstance(new, kind) for kind in (str, list))


def _shown(change: FieldChange) -> str:
    return _value(change.old) if change.known and not change.absent else in_words(change)


def _value(value: object) -> str:
    """A value on one line: a text in quotes, so that blanks at its ends are seen; null and '' as words."""
    if isinstance(value, str) and value:
        return quoted(value, len(value))
    return _plain(value_of(value))


def _plain(text: str) -> str:
    """Somebody else's text on one line, with nothing that a terminal would obey or can't take."""
    return " ".join(harmless(text).encode("utf-8", "backslashreplace").decode().splitlines())


def _lines(screen: Screen, room: Room, head: Text, parts: Sequence[Text], *, failure: bool = False) -> None:
    """Prints what is said of one row: on one line where that fits, or below its head."""
    if len(parts) == 1 and room.width >= WIDE_ENOUGH and head.cell_len + 2 + parts[0].cell_len <= room.width:
        _line(screen, room, head.copy().append("  ").append(parts[0]), 0, failure=failure)
        return
    _line(screen, room, head, 0, failure=failure)
    for part in parts:
        _line(screen, room, part, INDENT, failure=failure)


def _line(screen: Screen, room: Room, text: Text, indent: int, *, failure: bool = False) -> None:
    """Prints a line, folded at words with a hanging indent where there is an edge."""
    from rich.text import Text

    if not room.folds:
        screen.styled(Text(" " * indent).append(text), failure=failure)
        return
    for place, line in enumerate(_folded(text, max(10, room.width - indent - 2))):
        screen.styled(Text(" " * (indent + 2 * (place > 0))).append(line), failure=failure)


def _folded(text: Text, width: int) -> Iterator[Text]:
    from rich.console import Console

    for line in text.wrap(Console(width=width, file=None), width):
        line.rstrip()
        yield line
