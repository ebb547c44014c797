from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from batchupdate.sandbox import make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchupdate.sandbox import Sandbox

IDS = [record.id for record in make_records().langdock]


def test_diff_names_the_rows_whose_outcome_or_values_differ(
    cli: Callable[..., Any], batchupdate_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    to = ("--target", "langdock-integration", "--base-url", sandbox.url, "--yes", "--rate", "unlimited")

    def run(name: str, *rows: tuple[str, str]) -> Path:
        source = tmp_path / f"{name}.csv"
        source.write_text("id,name\n" + "".join(f"{record},{value}\n" for record, value in rows), "utf-8")
        cli("run", str(source), *to, "--diff", "never")
        (folder,) = (tmp_path / "batchupdate-runs").glob(f"2*-{name}-*")
        return folder

    first = run("first", (IDS[0], "A"), (IDS[1], "B"), (IDS[2], "C"))
    second = run("second", (IDS[1], "B"), (IDS[0], "Z"), (IDS[3], "D"))
    shown = cli("diff", first.name, second.name)
    assert shown.exit_code == 1
    assert f'row 2: {IDS[0]}: name: "A" → "Z"' in shown.stdout
    assert f"row 4: {IDS[2]}: updated → not there" in shown.stdout
    assert f"row 4: {IDS[3]}: not there → updated" in shown.stdout
    assert IDS[1] not in shown.stdout
    told = json.loads(cli("diff", first.name, second.name, "--json").stdout)
    assert told["counts"] == {"outcome": 0, "fields": 1, "only_in_first": 1, "only_in_second": 1}
    assert told["rows"][0]["fields"] == {"name": ["A", "Z"]}
    assert cli("diff", first.name, first.name).exit_code == 0
    assert cli("diff", first.name, "nonsense").exit_code == 2
