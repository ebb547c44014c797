"""Targets of an OpenAPI document against Prism, which judges every request by that document."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import SEARCHED
from openapi_prism import write
from openapi_rows import rows_for, variables_for
from real_servers import free_port, running

import batchupdate
from batchupdate.targets.openapi import draft_target, find_operation, load_document, operations_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.third_party("prism")]
SPEC = Path(__file__).parent / "prism.yaml"
KEYS = {
    "ACME_API_KEY": "k-of-no-account",
    "ACME_TOKEN": "t-of-no-account",
    "ACME_USER": "ann",
    "ACME_KEY": "k-of-nobody",
}
ROWS = {
    "updateContact": [
        {"id": "1", "name": "Ann", "seats": "3", "since": "2026-11-21", "address.city": "Ulm", "address.zip": "89073"},
        {"id": "a/b ?", "name": "Bo", "seats": "<null>", "seen": "2026-11-21T18:45:00Z", "tags": "a, b"},
        {"id": "3", "name": "Cy", "site": "https://example.com/a"},
    ],
    "updateProfile": [{"id": "p1", "email": "ann@example.com"}],
    "updateAccount": [{"id": "a1", "Code": "200", "Active": "no"}],
    "updateCustomer": [{"id": "c1", "email": "a b@example.com", "balance": "7"}],
}


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    """Prism's URL, once it answers."""
    port = free_port()
    program = shutil.which("prism", path=SEARCHED)
    assert program
    with running([program, "mock", "--errors", "--host", "127.0.0.1", "--port", str(port), SPEC], port) as url:
        yield url


@pytest.mark.parametrize("name", ROWS)
async def test_a_target_of_a_document_is_accepted_by_a_server_that_validates_by_it(
    prism: str, tmp_path: Path, name: str
) -> None:
    document = load_document(SPEC)
    target = tmp_path / "target.yaml"
    target.write_text(draft_target(document, find_operation(operations_of(document), name)).yaml, "utf-8")
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS[name]), "utf-8")
    settings = batchupdate.Settings.model_validate(
        {"target": str(target), "base_url": prism, "rate": "unlimited", "runs_dir": tmp_path / "runs"}
    )
    summary = await batchupdate.run_file(source, settings, environ=KEYS)
    assert summary.counts[batchupdate.Outcome.UPDATED] == len(ROWS[name]), summary.results()


@pytest.mark.parametrize("name", [*ROWS, "updateLine"])
async def test_what_a_target_says_of_its_fields_is_enough_to_fill_in_rows_that_are_accepted(
    prism: str, tmp_path: Path, name: str
) -> None:
    document = load_document(SPEC)
    draft = draft_target(document, find_operation(operations_of(document), name))
    (rows,) = rows_for(draft.target)
    target, source = write(tmp_path, draft.yaml, rows)
    settings = batchupdate.Settings.model_validate(
        {"target": str(target), "base_url": prism, "rate": "unlimited", "runs_dir": tmp_path / "runs"}
        | {"variables": variables_for(draft.target)}
    )
    summary = await batchupdate.run_file(source, settings, environ=KEYS)
    assert summary.counts[batchupdate.Outcome.UPDATED] == len(rows) > 0, summary.results()


async def test_the_server_does_judge_what_it_gets(prism: str, tmp_path: Path) -> None:
    document = load_document(SPEC)
    made = draft_target(document, find_operation(operations_of(document), "updateContact")).yaml
    target = tmp_path / "target.yaml"
    target.write_text(made.replace("  name:", "  nam:"), "utf-8")
    source = tmp_path / "rows.csv"
    source.write_text("id,nam\n1,Ann\n", "utf-8")
    settings = batchupdate.Settings.model_validate(
        {"target": str(target), "base_url": prism, "rate": "unlimited", "runs_dir": tmp_path / "runs"}
    )
    summary = await batchupdate.run_file(source, settings, environ=KEYS)
    assert summary.counts[batchupdate.Outcome.FAILED] == 1
    assert "name" in str(summary.results()["_error"][0])
