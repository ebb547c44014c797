"""`worker` and `cluster-certs`: what they say and refuse; what they do is in tests/integration/test_cluster.py."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from batchupdate.cli import worker_group
from batchupdate.cli.worker_group import run_group

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Cli = Callable[..., Result]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="worker processes need Linux or macOS")

NOBODY = "tls://127.0.0.1:9"


def test_cluster_certs_says_who_needs_what_and_replaces_nothing(cli: Cli, tmp_path: Path) -> None:
    made = cli("cluster-certs", "certs", "--days", "30")
    assert made.exit_code == 0
    assert "valid until" in made.stdout
    assert "--cluster-certs certs/coordinator" in made.stderr
    assert "batchupdate worker tls://HOST:PORT --certs worker" in made.stderr
    before = (tmp_path / "certs" / "worker" / "key.pem").read_bytes()
    again = cli("cluster-certs", "certs")
    assert again.exit_code == 2
    assert "already" in again.stderr
    assert (tmp_path / "certs" / "worker" / "key.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["tcp://127.0.0.1:8786", "--certs", "certs"], "does not begin with tls://"),
        (["10.0.0.5", "--certs", "certs"], "is not the address of a coordinator"),
        ([NOBODY], "there are none"),
        ([NOBODY, "--certs", "nowhere"], "The folder nowhere has no ca.pem"),
    ],
)
def test_a_worker_refuses_what_is_not_safe_with_the_way_out(cli: Cli, words: list[str], why: str) -> None:
    assert cli("cluster-certs", "certs").exit_code == 0
    refused = cli("worker", *words)
    assert refused.exit_code == 2
    assert why in refused.stderr


@pytest.mark.slow
def test_a_worker_without_a_run_waits_for_it_and_then_says_why_it_ends(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("cluster-certs", "certs").exit_code == 0
    monkeypatch.setenv("BATCHUPDATE_CLUSTER_CERTS", "certs")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = cli("worker", f"tls://127.0.0.1:{port}", "--wait", "0.1")
    assert ended.exit_code == 3
    assert f"There is no coordinator at tls://127.0.0.1:{port}" in ended.stderr
    assert "Connection refused" in ended.stderr


@pytest.mark.slow
async def test_of_several_processes_one_that_is_killed_is_started_again_and_all_get_a_signal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("cluster-certs", "certs").exit_code == 0
    monkeypatch.setattr(worker_group, "SOON_S", 0.0)
    said: list[str] = []
    group = asyncio.ensure_future(run_group(2, ["worker", NOBODY, "--certs", "certs", "--wait", "60"], said.append))
    killed = await children(2)
    killed[0].kill()
    while killed[0] in await children(2):  # noqa: ASYNC110 - other processes are watched
        await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(group, 60) == (signal.SIGTERM, 128 + signal.SIGTERM)
    assert said == ["A process was killed (SIGKILL); another one takes its place."]


async def children(count: int) -> list[psutil.Process]:
    """So many processes of ours that are at work."""
    async with asyncio.timeout(60):
        while True:
            alive = [one for one in psutil.Process().children() if is_at_work(one)]
            if len(alive) == count:
                return alive
            await asyncio.sleep(0.05)


def is_at_work(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False
