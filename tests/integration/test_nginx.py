"""`--rate auto` against a real server that knows nothing of us: nginx with `limit_req`."""

from __future__ import annotations

import csv
import uuid
from typing import TYPE_CHECKING

import pytest

import batchupdate

if TYPE_CHECKING:
    from pathlib import Path

PER_S, BURST, ROWS = 60, 20, 300


@pytest.mark.third_party("nginx")
async def test_a_limit_that_nobody_told_is_found_and_every_row_gets_through(tmp_path: Path) -> None:
    from nginx import nginx  # noqa: PLC0415 - ends the program where there is none

    source = tmp_path / "in.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name"])
        writer.writerows([str(uuid.uuid4()), f"Name {number}"] for number in range(ROWS))
    with nginx(PER_S, BURST) as url:
        settings = batchupdate.Settings.model_validate(
            {"target": "langdock-integration", "base_url": url, "rate": "auto", "max_rate": "1000/s"}
            | {"concurrency": 32, "runs_dir": tmp_path / "runs"}
        )
        summary = await batchupdate.run_file(source, settings, environ={"LANGDOCK_API_KEY": "sk-ld-of-no-account"})
    assert summary.counts[batchupdate.Outcome.UPDATED] == ROWS
    traffic = summary.sessions.traffic
    assert 0 < traffic.throttled < ROWS * 0.1  # it looked for the limit, and did not run against it again and again
    assert traffic.allowed_per_s is None  # the burst would be counted as a rate in a run of a few seconds
