"""`--workers`: whole runs on several processes, against a server on 127.0.0.1 that notes all that it sees."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import socket
import ssl
from bisect import bisect_left
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from aiohttp import web
from other_processes import worker_pids
from real_servers import listening

import batchupdate
from batchupdate import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

KEY = "sk-never-to-be-seen-4711"
TARGET = """\
name: things
title: "Things"
base_url: {url}
path: /things/{{id}}
auth: {{scheme: bearer, env: THINGS_KEY}}
id: {{id: {{}}}}
fields: {{name: {{}}}}
capture: {{said: message}}
repeatable: {repeatable}
"""
READ = "read: {}\n"

pytestmark = pytest.mark.slow


class Things:
    """An API that applies each change after a while, and notes when it came."""

    def __init__(self, answer: Callable[[str, int], int] = lambda _id, _nth: 200, latency_s: float = 0.0) -> None:
        self.answer, self.latency_s = answer, latency_s
        self.seen: Counter[str] = Counter()
        self.times: list[float] = []
        self.applied: set[str] = set()
        self.keys: set[str] = set()
        self.readable: dict[str, str] = {}
        self.url = ""

    async def patch(self, request: web.Request) -> web.Response:
        thing = request.match_info["id"]
        self.times.append(asyncio.get_running_loop().time())
        self.seen[thing] += 1
        self.keys.add(request.headers["Authorization"])
        status = self.answer(thing, self.seen[thing])
        if status < 300:
            self.applied.add(thing)
            self.readable[thing] = (await request.json())["name"]
        await asyncio.sleep(self.latency_s)
        headers = {"Retry-After": "1"} if status == 429 else {}
        return web.json_response({"message": f"it is {status}"}, status=status, headers=headers)

    async def get(self, request: web.Request) -> web.Response:
        thing = request.match_info["id"]
        return web.json_response({"id": thing, "name": self.readable.get(thing, "")})


class Limited(Things):
    """The same with so many changes in each second, and maybe headers that say so."""

    def __init__(self, per_s: int, *, tells: bool) -> None:
        super().__init__(latency_s=0.02)
        self._per_s, self._tells = per_s, tells
        self._window, self._left = 0, per_s

    async def patch(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        if int(now) != self._window:
            self._window, self._left = int(now), self._per_s
        taken, self._left = self._left > 0, max(0, self._left - 1)
        self.answer = lambda _id, _nth: 200 if taken else 429
        left_s = 1 - now % 1
        response = await super().patch(request)
        if self._tells:
            response.headers["RateLimit-Policy"] = f"{self._per_s};w=1"
            response.headers["RateLimit"] = f"limit={self._per_s}, remaining={self._left}, reset={left_s:.3f}"
        return response


@asynccontextmanager
async def serving(things: Things) -> AsyncIterator[Things]:
    app = web.Application()
    app.router.add_patch("/things/{id}", things.patch)
    app.router.add_get("/things/{id}", things.get)
    async with listening(app) as things.url:
        yield things


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINGS_KEY", KEY)


def file_of(folder: Path, rows: int) -> Path:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "name"], *([f"t{n}", f"Name {n}"] for n in range(rows))])
    return path


def settings(things: Things, folder: Path, *, repeatable: bool = True, read: bool = False, **more: Any) -> Any:
    target = folder / "things.yaml"
    text = TARGET.format(url=things.url, repeatable=str(repeatable).lower()) + (READ if read else "")
    target.write_text(text, encoding="utf-8")
    options = {"target": str(target), "runs_dir": folder / "runs", "rate": "unlimited", "concurrency": 8, "workers": 2}
    return batchupdate.Settings.model_validate({**options, **more})


def results(summary: batchupdate.Summary) -> list[tuple[str, ...]]:
    kept = ("_row", "_id", "_outcome", "_http_status", "_attempts", "_error", "_reply.said")
    with (summary.folder / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return [tuple(line[name] for name in kept) for line in csv.DictReader(file)]


async def once(wanted: Callable[[], bool]) -> None:
    while not wanted():  # noqa: ASYNC110 - a server and other processes are watched
        await asyncio.sleep(0.005)


async def disturbed(run: Awaitable[batchupdate.Summary], disturb: Awaitable[None]) -> batchupdate.Summary:
    disturbing = asyncio.ensure_future(disturb)
    try:
        return await run
    finally:
        disturbing.cancel()
        await asyncio.gather(disturbing, return_exceptions=True)


def moody(thing: str, nth: int) -> int:
    """Refuses some for good, fails others once, and slows everybody down now and then."""
    number = int(thing[1:])
    if number % 17 == 0:
        return 422
    if number % 23 == 0:
        return 500 if nth == 1 else 200
    if number == 150:
        return 429 if nth == 1 else 200
    return 404 if number % 41 == 0 else 200


@pytest.mark.counted("children")
async def test_two_processes_give_the_same_results_as_one(tmp_path: Path) -> None:
    said = []
    for workers in (None, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        async with serving(Things(moody)) as things:
            summary = await batchupdate.run_file(file_of(folder, 300), settings(things, folder, workers=workers))
            said.append((results(summary), summary.counts, summary.exit_code, things.seen, things.applied))
    assert said[0] == said[1]
    assert said[0][1][Outcome.FAILED] > 20


async def test_no_row_is_sent_twice_and_each_process_sends_some(tmp_path: Path) -> None:
    async with serving(Things(latency_s=0.01)) as things:
        summary = await batchupdate.run_file(file_of(tmp_path, 3000), settings(things, tmp_path))
    assert summary.counts[Outcome.UPDATED] == 3000 == summary.sessions.traffic.sent
    assert set(things.seen.values()) == {1}
    assert [*summary.folder.glob("in-flight*")] == []
    assert worker_pids() == []


@pytest.mark.parametrize("read", [False, True])
async def test_a_killed_process_costs_no_row_and_repeats_no_more_than_was_out(tmp_path: Path, *, read: bool) -> None:
    async with serving(Things(latency_s=0.02)) as things:

        async def kill() -> None:
            for after in (300, 900):
                await once(lambda after=after: len(things.times) > after)  # type: ignore[misc]
                os.kill(worker_pids()[0], signal.SIGKILL)

        run = batchupdate.run_file(file_of(tmp_path, 2000), settings(things, tmp_path, read=read))
        summary = await disturbed(run, kill())
        log = (summary.folder / "run.log").read_text(encoding="utf-8")
    assert log.count("worker_lost") == 2
    assert summary.counts[Outcome.UPDATED] == 2000 == len(things.applied)
    assert max(things.seen.values()) <= 2
    twice = sum(times > 1 for times in things.seen.values())
    assert twice <= (0 if read else 2 * 4)  # each process has four requests in flight; what can be read is looked up


async def test_where_repeating_is_not_safe_a_killed_process_leaves_what_was_out_unknown(tmp_path: Path) -> None:
    async with serving(Things(latency_s=0.1)) as things:  # so long that requests are out whenever the process is killed

        async def kill() -> None:
            await once(lambda: len(things.times) > 100)
            os.kill(worker_pids()[0], signal.SIGKILL)

        run = batchupdate.run_file(file_of(tmp_path, 300), settings(things, tmp_path, repeatable=False))
        summary = await disturbed(run, kill())
    assert set(things.seen.values()) == {1}
    unknown = summary.counts[Outcome.UNKNOWN]
    assert 0 < unknown <= 4
    assert summary.counts[Outcome.UPDATED] == 300 - unknown
    for _, thing, outcome, *_ in results(summary):
        assert outcome == Outcome.UNKNOWN or thing in things.applied


async def test_the_rate_is_kept_by_all_together_also_when_one_of_them_is_killed(tmp_path: Path) -> None:
    rate, rows = 400, 2400
    async with serving(Things()) as things:

        async def kill() -> None:
            await once(lambda: len(things.times) > rows / 2)
            os.kill(worker_pids()[0], signal.SIGKILL)

        run = batchupdate.run_file(file_of(tmp_path, rows), settings(things, tmp_path, rate=f"{rate}/s"))
        await disturbed(run, kill())
    times = things.times
    for at, since in enumerate(times):
        assert bisect_left(times, since + 1.0) - at <= rate * 1.05 + 1  # as the server sees it, on a busy machine
    assert (
        len(times) / (times[-1] - times[0]) > 0.4 * rate
    )  # turns of a process that the machine keeps waiting are lost


async def test_a_refusal_that_one_process_hears_holds_the_other(tmp_path: Path) -> None:
    async with serving(Things(lambda thing, nth: 429 if thing == "t500" and nth == 1 else 200, 0.01)) as things:
        summary = await batchupdate.run_file(file_of(tmp_path, 1200), settings(things, tmp_path))
    assert summary.counts[Outcome.UPDATED] == 1200
    assert summary.sessions.traffic.throttled == 1
    gap, at = max((later - sooner, sooner) for sooner, later in zip(things.times, things.times[1:], strict=False))
    assert gap > 0.8, (gap, at)  # it asked for a second


@pytest.mark.parametrize("tells", [True, False])
async def test_a_limit_that_nobody_named_is_found_by_all_processes_together(tmp_path: Path, *, tells: bool) -> None:
    rate, rows = 60, 600 if tells else 1200  # what nobody tells takes longer to find
    async with serving(Limited(rate, tells=tells)) as things:
        summary = await batchupdate.run_file(file_of(tmp_path, rows), settings(things, tmp_path, rate="auto"))
    assert summary.counts[Outcome.UPDATED] == rows == len(things.applied)
    assert len(things.times) < rows * 1.05  # the others were refused
    found = rows * 2 // 3
    # How exactly it is found, test_leased_turns_auto says in virtual time.
    assert (len(things.times) - found) / (things.times[-1] - things.times[found]) > 0.6 * rate


async def test_rows_that_fail_count_for_all_processes_together(tmp_path: Path) -> None:
    async with serving(Things(lambda *_: 422, 0.01)) as things:
        summary = await batchupdate.run_file(file_of(tmp_path, 2000), settings(things, tmp_path, max_failures=20))
    assert summary.exit_code == 3
    assert 21 <= summary.counts[Outcome.FAILED] < 400
    assert summary.counts[Outcome.FAILED] + summary.counts[Outcome.NOT_ATTEMPTED] == 2000
    assert summary.counts[Outcome.FAILED] == len(things.seen)


async def test_a_run_that_was_stopped_is_resumed_and_sends_nothing_twice(tmp_path: Path) -> None:
    refuse = [True]

    def answer(thing: str, _nth: int) -> int:
        return 401 if refuse[0] and int(thing[1:]) >= 400 else 200

    async with serving(Things(answer, 0.005)) as things:
        chosen = settings(things, tmp_path)
        stopped = await batchupdate.run_file(file_of(tmp_path, 1000), chosen)
        assert stopped.exit_code == 3
        assert stopped.counts[Outcome.UNKNOWN] == 0
        refuse[0] = False
        summary = await batchupdate.resume(settings=chosen)
    assert summary.counts[Outcome.UPDATED] == 1000
    assert all(things.seen[thing] == 1 for thing in (f"t{n}" for n in range(400)))


def greet(port: int, *, tls: bool) -> bytes:
    """What a client without a certificate gets to read, from a process that would say who it is."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as plain:
            if not tls:
                return plain.recv(1)
            with context.wrap_socket(plain) as secure:
                return secure.recv(1)
    except OSError:  # refused, or not listened to
        return b""


async def test_no_process_can_be_reached_from_elsewhere_or_without_a_certificate_and_the_key_is_written_nowhere(
    tmp_path: Path,
) -> None:
    listening: set[tuple[str, int]] = set()
    heard: list[bytes] = []
    async with serving(Things(latency_s=0.02)) as things:

        async def look() -> None:
            await once(lambda: len(things.times) > 100)
            for pid in (os.getpid(), *worker_pids()):
                found = psutil.Process(pid).net_connections()
                listening.update(tuple(one.laddr) for one in found if one.status == psutil.CONN_LISTEN)
            heard.extend(
                await asyncio.gather(
                    *(asyncio.to_thread(greet, port, tls=tls) for _, port in listening for tls in (False, True))
                )
            )

        looking = asyncio.ensure_future(look())
        summary = await batchupdate.run_file(file_of(tmp_path, 2000), settings(things, tmp_path, max_attempts=1))
        await looking
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert len(heard) >= 10  # the scheduler, and each process with what watches over it
    assert set(heard) == {b""}
    assert things.keys == {f"Bearer {KEY}"}
    for path in summary.folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


async def test_a_process_without_a_key_stops_the_run_with_a_sentence(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("THINGS_KEY")
    async with serving(Things()) as things:
        summary = await batchupdate.run_file(
            file_of(tmp_path, 10), settings(things, tmp_path), environ={"THINGS_KEY": KEY}
        )
    assert summary.exit_code == 3
    assert summary.stopped is not None
    assert "There is no API key" in summary.stopped.message
    assert not things.seen
