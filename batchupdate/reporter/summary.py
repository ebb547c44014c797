"""`summary.json`: counts, times, rates and error groups of one run, for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchupdate.reporter.csv_files import iso
from batchupdate.reporter.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchupdate.model import ErrorGroup, Outcome, Sessions


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run came to.

    `rate_per_s` is the configured rate, None for unlimited; `stopped` says why the run ended early, or is empty.
    """

    run_id: str
    folder: Path
    target: str
    input_path: str
    input_sha256: str
    rows: int
    counts: dict[Outcome, int]
    sessions: Sessions
    errors: Sequence[ErrorGroup]
    rate_per_s: float | None
    exit_code: int
    stopped: str = ""

    def to_json(self) -> dict[str, Any]:
        """The summary as `summary.json` has it; times are UTC in ISO 8601, durations in seconds."""
        traffic, duration = self.sessions.traffic, self.sessions.duration_s
        return {
            "run_id": self.run_id,
            "target": self.target,
            "input": {"path": self.input_path, "sha256": self.input_sha256, "rows": self.rows},
            "counts": {outcome.value: count for outcome, count in self.counts.items()},
            "requests": {"sent": traffic.sent, "retried": traffic.retried, "throttled": traffic.throttled},
            "rate": {
                "configured_per_s": self.rate_per_s,
                "achieved_per_s": round(traffic.sent / duration, 3) if duration else 0.0,
            },
            "errors": [
                {"message": group.message, "count": group.count, "example_row": group.example_row}
                for group in self.errors
            ],
            "started_at": iso(self.sessions.started_at),
            "finished_at": iso(self.sessions.finished_at),
            "duration_s": round(duration, 3),
            "exit_code": self.exit_code,
        }


def write_summary(path: Path, summary: Summary) -> None:
    """Writes `summary.json`."""
    with replacing(path) as file:
        json.dump(summary.to_json(), file, indent=2, ensure_ascii=False)
        file.write("\n")
