"""`--cluster`: a run whose rows are sent by worker processes of other machines."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from distributed.core import rpc
from two_machines import Machine, connected, listening, two_machines

import batchupdate
from batchupdate import Outcome
from batchupdate.engine.cluster import joining
from batchupdate.engine.cluster.joining import work_for
from batchupdate.engine.cluster.security import security_of
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.runs.certificate_authority import make_certificates
from batchupdate.runs.cluster_certs import Certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from batchupdate.model import Progress

KEY = "sk-never-to-be-seen-4712"
TARGET = """\
name: things
title: "Things"
base_url: {url}
path: /things/{{id}}
auth: {{scheme: bearer, env: THINGS_KEY}}
id: {{id: {{}}}}
fields: {{name: {{}}}}
repeatable: {repeatable}
"""
HERE = Machine("127.0.0.1")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="worker processes need Linux or macOS"),
]


class Things:
    """An API that applies each change after a while, and counts."""

    def __init__(self, latency_s: float = 0.01) -> None:
        self.latency_s, self.url = latency_s, ""
        self.seen: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.in_flight = self.most_in_flight = 0

    async def patch(self, request: web.Request) -> web.Response:
        self.seen[request.match_info["id"]] += 1
        self.keys.add(request.headers["Authorization"])
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self.in_flight -= 1
        return web.json_response({})

    async def saw(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.seen) < count:  # noqa: ASYNC110 - other processes are watched
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(things: Things, machine: Machine = HERE) -> AsyncIterator[Things]:
    app = web.Application()
    app.router.add_patch("/things/{id}", things.patch)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listener = machine.listen()
    await web.SockSite(runner, listener).start()
    things.url = f"http://{machine.address}:{listener.getsockname()[1]}"
    yield things
    await runner.cleanup()


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    make_certificates(folder, 2)
    return folder


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINGS_KEY", KEY)


def written(folder: Path, things: Things, rows: int, *, repeatable: bool = True) -> None:
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "name"], *([f"t{n}", f"Name {n}"] for n in range(rows))])
    text = TARGET.format(url=things.url, repeatable=str(repeatable).lower())
    (folder / "things.yaml").write_text(text, encoding="utf-8")


class Room:
    """A run of this process, and worker processes that are tasks of it."""

    def __init__(
        self,
        folder: Path,
        things: Things,
        certs: Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        rows: int = 300,
        **more: Any,
    ) -> None:
        self.address, self.certs, self.said = f"tls://127.0.0.1:{HERE.free_port()}", certs, list[str]()
        written(folder, things, rows)
        options = {
            "target": str(folder / "things.yaml"),
            "runs_dir": folder / "runs",
            "rate": "unlimited",
            "concurrency": 8,
            "workers": 2,
            "cluster": self.address,
            "cluster_certs": certs,
        }
        settings = batchupdate.Settings.model_validate({**options, **more})
        self.run = asyncio.ensure_future(batchupdate.run_file(folder / "in.csv", settings, on_progress=on_progress))

    def worker(self, certs: Path | None = None, wait_s: float = 30.0) -> tuple[asyncio.Future[None], asyncio.Event]:
        leaving = asyncio.Event()
        certificates = Certificates.of(certs or self.certs, "worker", "--certs")
        work = work_for(self.address, certificates, leaving, self.said.append, wait_s=wait_s)
        return asyncio.ensure_future(work), leaving


@pytest.mark.counted("children")
@pytest.mark.skipif(sys.platform != "linux", reason="it looks at sockets in /proc")
async def test_processes_of_another_machine_send_a_run_while_they_come_go_and_are_killed(
    tmp_path: Path, certs: Path
) -> None:
    with two_machines() as (here, there):
        async with serving(Things(0.02), here) as things:
            rows, concurrency = 800, 8
            written(tmp_path, things, rows, repeatable=False)
            (tmp_path / "config.yaml").write_text("allow_http: true\n", encoding="utf-8")
            address = f"tls://{here.address}:{here.free_port()}"
            began: list[asyncio.subprocess.Process] = []

            async def begin(machine: Machine, *words: str) -> asyncio.subprocess.Process:
                process = await asyncio.create_subprocess_exec(
                    *machine.command(*words), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
                began.append(process)
                return process

            async def begin_worker() -> asyncio.subprocess.Process:
                host = () if there.namespace else ("--host", there.address)
                return await begin(there, "worker", address, "--certs", str(certs / "worker"), *host)

            try:
                killed, leaves = await begin_worker(), await begin_worker()
                send = ["run", "in.csv", "-t", "things.yaml", "--config", "config.yaml", "--yes", "--json", "-v"]
                where = ["--workers", "2", "--cluster", address, "--cluster-certs", str(certs / "coordinator")]
                pace = ["--rate", "unlimited", "--concurrency", str(concurrency)]
                run = await begin(here, *send, *where, *pace)
                await things.saw(100)
                for process in (killed, leaves):
                    assert {host for host, _ in listening(process.pid)} == {there.address, "127.0.0.1"}
                assert {host for host, _ in listening(run.pid)} == {here.address, "127.0.0.1"}
                doors = {place for process in (killed, leaves) for place in listening(process.pid)}
                assert not doors & connected(run.pid)  # so that only the run's port has to be open in a firewall
                stays = await begin_worker()
                killed.kill()
                await things.saw(300)
                leaves.send_signal(signal.SIGTERM)
                said = [(await process.communicate())[0] for process in (killed, leaves, stays, run)]
            finally:
                for process in began:
                    with suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
    assert [process.returncode for process in (killed, leaves, stays)] == [-signal.SIGKILL, 128 + signal.SIGTERM, 0]
    summary = json.loads(said[3][said[3].index(b"{\n") :])
    unknown = summary["counts"]["unknown"]
    # What the killed one had: four in flight, four claimed, and what it had not reported; nothing of the one that left.
    assert 0 < unknown <= 2 * concurrency
    assert summary["counts"]["updated"] == rows - unknown
    assert set(things.seen.values()) == {1}
    assert things.most_in_flight <= concurrency
    assert things.keys == {f"Bearer {KEY}"}
    found = [path.read_bytes() for path in (tmp_path / "batchupdate-runs").rglob("*") if path.is_file()]
    assert len(found) > 4
    assert not any(KEY.encode() in text for text in (*found, *said))


@pytest.mark.counted("children")
async def test_a_spare_process_takes_the_place_of_one_that_leaves_and_each_row_is_sent_once(
    tmp_path: Path, certs: Path
) -> None:
    async with serving(Things()) as things:
        room = Room(tmp_path, things, certs, workers=1, concurrency=4)
        first, leaving = room.worker()
        await things.saw(20)
        second, _ = room.worker()
        await things.saw(60)
        leaving.set()
        await first
        assert len(things.seen) < 200
        summary = await room.run
        await second
    assert summary.counts[Outcome.UPDATED] == 300
    assert set(things.seen.values()) == {1}
    assert things.most_in_flight <= 4
    assert any("waits to replace" in sentence for sentence in room.said)
    assert room.said[-1] == "The run has ended."


async def test_processes_stay_from_the_canary_to_the_end_of_the_run(tmp_path: Path, certs: Path) -> None:
    async with serving(Things()) as things:
        room = Room(tmp_path, things, certs, canary=5)
        work, _ = room.worker()
        summary = await room.run
        await work
    assert summary.counts[Outcome.UPDATED] == 300
    assert room.said.count(f"At work for {room.address}.") == 2


async def test_a_run_to_which_no_process_comes_stops_with_a_sentence_and_is_resumed_without_any(
    tmp_path: Path, certs: Path
) -> None:
    async with serving(Things()) as things:
        troubles: set[str] = set()
        room = Room(tmp_path, things, certs, lambda progress: troubles.add(progress.trouble), give_up_after=1.0)
        stopped = await room.run
        assert stopped.exit_code == 3
        assert stopped.counts[Outcome.NOT_ATTEMPTED] == 300
        assert stopped.stopped is not None
        assert "no worker process" in stopped.stopped.message
        assert any(f"batchupdate worker {room.address} --certs" in sentence for sentence in troubles)
        summary = await batchupdate.resume(settings=batchupdate.Settings(runs_dir=tmp_path / "runs"))
    assert summary.counts[Outcome.UPDATED] == 300


@pytest.mark.counted("children")
async def test_a_machine_without_a_key_says_so_on_both_sides_and_does_not_stop_the_run(
    tmp_path: Path, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: set[str] = set()
    async with serving(Things()) as things:
        room = Room(tmp_path, things, certs, lambda progress: troubles.add(progress.trouble), rows=20)
        await asyncio.sleep(0)  # it has read its key
        monkeypatch.delenv("THINGS_KEY")
        with pytest.raises(ConfigError, match="There is no API key"):
            await room.worker()[0]
        async with asyncio.timeout(30):
            while not any("can't begin: There is no API key" in sentence for sentence in troubles):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        monkeypatch.setenv("THINGS_KEY", KEY)
        work, _ = room.worker()
        summary = await room.run
        await work
    assert summary.counts[Outcome.UPDATED] == 20


async def test_a_run_that_cannot_listen_says_so(tmp_path: Path, certs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with serving(Things()) as things:
            address = f"tls://127.0.0.1:{taken.getsockname()[1]}"
            summary = await Room(tmp_path, things, certs, cluster=address).run
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert f"can't listen at {address}" in summary.stopped.message


def greeted(port: int, certificates: Certificates | None) -> bytes:
    """What a client gets to read from a coordinator, which says who it is first."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificates:
        context.load_cert_chain(certificates.cert, certificates.key)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 2) as plain,
            context.wrap_socket(plain) as secure,
        ):
            return secure.recv(1)
    except OSError:
        return b""


async def test_only_machines_with_a_certificate_of_this_cluster_and_the_same_version_take_part(
    tmp_path: Path, certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tmp_path / "others"
    make_certificates(others, 2)
    async with serving(Things()) as things:
        room = Room(tmp_path, things, certs, rows=20)
        port = int(room.address.rpartition(":")[2])
        mine = Certificates.of(certs, "worker", "--certs")
        while await asyncio.to_thread(greeted, port, mine) == b"":  # noqa: ASYNC110 - it is about to listen
            await asyncio.sleep(0.05)
        assert await asyncio.to_thread(greeted, port, None) == b""
        assert await asyncio.to_thread(greeted, port, Certificates.of(others, "worker", "--certs")) == b""
        with pytest.raises(ConfigError, match="don't trust each other"):
            await room.worker(others)[0]
        monkeypatch.setattr(joining, "VERSIONS", {**joining.VERSIONS, "batchupdate": "0.0.9"})
        with pytest.raises(ConfigError, match=r"has batchupdate \S+, and this machine 0\.0\.9"):
            await room.worker()[0]
        monkeypatch.undo()
        monkeypatch.setenv("THINGS_KEY", KEY)
        given_up = {"process": "Worker-gone", "pid": 1, "what": "claim", "data": b""}
        async with rpc(room.address, connection_args=security_of(mine).get_connection_args("worker")) as coordinator:
            with pytest.raises(PermissionError, match="not any more"):
                await coordinator.batchupdate_ask(**given_up)
        assert not things.seen
        work, _ = room.worker()
        summary = await room.run
        await work
    assert summary.counts[Outcome.UPDATED] == 20


@pytest.mark.counted("children")
async def test_without_a_coordinator_a_process_ends_by_itself_and_at_once_when_asked(certs: Path) -> None:
    certificates, said = Certificates.of(certs, "worker", "--certs"), list[str]()
    address = f"tls://127.0.0.1:{HERE.free_port()}"
    with pytest.raises(SafetyStop, match="no coordinator") as stop:
        await work_for(address, certificates, asyncio.Event(), said.append, wait_s=1.0)
    assert "refused" in stop.value.hint
    leaving = asyncio.Event()
    waits = asyncio.ensure_future(work_for(address, certificates, leaving, said.append, wait_s=300))
    asyncio.get_running_loop().call_later(0.2, leaving.set)
    await asyncio.wait_for(waits, 20)


@pytest.mark.counted("children")
async def test_a_process_that_loses_its_coordinator_sends_nothing_more_and_waits_for_it(
    tmp_path: Path, certs: Path
) -> None:
    async with serving(Things()) as things:
        room = Room(tmp_path, things, certs, rows=2000)
        work, _ = room.worker(wait_s=1.0)
        await things.saw(50)
        room.run.cancel()
        await asyncio.gather(room.run, return_exceptions=True)
        seen = len(things.seen)
        with pytest.raises(SafetyStop, match="no coordinator"):
            await asyncio.wait_for(work, 20)
        assert len(things.seen) == seen
    assert room.said[-1].endswith("is gone; it is waited for.")
