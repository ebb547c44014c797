"""Turns a spreadsheet of changes into safe, rate-limited PATCH calls, with one honest result for every row.

The command line is the usual way in; this is the same for programs:

    summary = await batchupdate.run_file("renames.csv", batchupdate.Settings(target="langdock-integration"))

The public names are loaded when they are first used, so that `batchupdate --help` does not wait for them.
"""

from __future__ import annotations

from batchupdate.util.version import __version__

TYPE_CHECKING = False  # as typing has it, and without loading that: Ctrl-C is not handled before this file is read
if TYPE_CHECKING:
    from batchupdate.config import Settings, load_settings
    from batchupdate.errors import (
        BatchUpdateError,
        ConfigError,
        InputError,
        InternalError,
        Interrupted,
        RunLocked,
        SafetyStop,
        UsageError,
    )
    from batchupdate.model import Level, Outcome, Problem, Progress
    from batchupdate.reporter import Plan, Summary
    from batchupdate.roundtrip.verify import verify
    from batchupdate.run import check_file, plan_file, resume, retry, run_file, run_plan, undo
    from batchupdate.runs.differences import diff
    from batchupdate.runs.selection import Selection
    from batchupdate.validator.checkup import Checkup

__all__ = [
    "BatchUpdateError",
    "Checkup",
    "ConfigError",
    "InputError",
    "InternalError",
    "Interrupted",
    "Level",
    "Outcome",
    "Plan",
    "Problem",
    "Progress",
    "RunLocked",
    "SafetyStop",
    "Selection",
    "Settings",
    "Summary",
    "UsageError",
    "__version__",
    "check_file",
    "diff",
    "load_settings",
    "plan_file",
    "resume",
    "retry",
    "run_file",
    "run_plan",
    "undo",
    "verify",
]

_HOMES = {
    "config": ("Settings", "load_settings"),
    "errors": (
        "BatchUpdateError",
        "ConfigError",
        "InputError",
        "InternalError",
        "Interrupted",
        "RunLocked",
        "SafetyStop",
        "UsageError",
    ),
    "model": ("Level", "Outcome", "Problem", "Progress"),
    "reporter": ("Plan", "Summary"),
    "validator.checkup": ("Checkup",),
    "run": ("check_file", "plan_file", "resume", "retry", "run_file", "run_plan", "undo"),
    "roundtrip.verify": ("verify",),
    "runs.differences": ("diff",),
    "runs.selection": ("Selection",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see TYPE_CHECKING

    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
