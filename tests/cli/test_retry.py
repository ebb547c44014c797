from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

RUN = ("-t", "langdock-integration", "--yes", "--rate", "unlimited", "--base-url")


def outcomes(folder: Path) -> list[str]:
    with (folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return [line["_outcome"] for line in csv.DictReader(file)]


def newest(folder: Path) -> Path:
    return (folder / "batchupdate-runs" / "latest").resolve()


def summary_in(result: Result) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def test_retry_shows_what_it_would_send_and_sends_it_only_when_told(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox(faults="500=1")
    cli("run", str(renames(2)), *RUN, sandbox.url, "--max-attempts", "1")
    first = newest(tmp_path)
    assert outcomes(first) == ["failed"] * 2
    seen = len(sandbox.requests)
    looked = cli("retry", "latest", "--dry-run")
    assert looked.exit_code == 0
    assert "2 of its rows are to be sent again" in looked.stderr
    unasked = cli("retry", "latest")
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    assert len(sandbox.requests) == seen
    result = cli("retry", "latest", "--yes", "--rows", "3", "--json")
    assert result.exit_code == 1
    summary = summary_in(result)
    assert (summary["retry_of"], summary["counts"]["failed"]) == (first.name, 1)
    assert len(sandbox.requests) == seen + 1


def test_a_wish_that_selects_nothing_is_a_sentence(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    cli("run", str(renames(2)), *RUN, batchupdate_sandbox().url)
    result = cli("retry", "latest", "--yes", "--status", "404")
    assert result.exit_code == 2
    assert "none has outcome failed or unknown or conflict or not_attempted and status 404" in result.stderr
