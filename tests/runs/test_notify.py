from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP
from real_servers import listening
from whole_runs import KEYS, apply, key_refused_after, settings_for, write

from batchupdate.config import load_settings
from batchupdate.errors import ConfigError, UsageError
from batchupdate.run import execute, prepare
from batchupdate.runs.notify import Announcer
from batchupdate.sandbox import LANGDOCK_KEY, make_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from batchupdate.reporter import Summary
    from batchupdate.sandbox import Sandbox

    Sandboxes = Callable[..., Sandbox]

SECRET = "s3cret-part-of-the-url"


class Receiver:
    """A server that notes every request, and answers with a status."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], str]] = []
        self.status = 200
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.method, request.path, dict(request.query), await request.text()))
        return web.Response(status=self.status)

    @property
    def paths(self) -> list[str]:
        return [path.removeprefix(f"/{SECRET}") for _, path, _, _ in self.got]

    @property
    def titles(self) -> list[str]:
        """Of the messages that came as Apprise's JSON."""
        return [json.loads(body)["title"] for *_, body in self.got]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made, app = Receiver(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    async with listening(app) as url:
        made.url = f"{url}/{SECRET}"
        yield made


def webhook(server: Receiver) -> str:
    return server.url.replace("http://", "json://")


def texts_of(folder: Path) -> str:
    return "".join(path.read_text("utf-8", "replace") for path in folder.iterdir() if path.is_file())


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("style", ["healthchecks", "cronitor"])
async def test_a_health_check_hears_of_the_start_and_of_the_end_as_it_was(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    async with receiver() as server:
        monkeypatch.setenv("HEALTH_URL", server.url)
        health = {"env": "HEALTH_URL", "style": style}
        sandbox = batchupdate_sandbox()
        settings = settings_for(sandbox, tmp_path, notify={"health": health}, diff="never")
        good = await apply(write(tmp_path / "a.csv", 3), settings)
        bad = tmp_path / "b.csv"
        bad.write_text("id,name\n00000000-0000-4000-8000-000000000000,Nobody\n", encoding="utf-8")
        failed = await apply(bad, settings)
    assert (good.exit_code, failed.exit_code) == (0, 1)
    if style == "healthchecks":
        assert [method for method, *_ in server.got] == ["POST"] * 4
        assert server.paths == ["/start", "", "/start", "/fail"]
        assert "1 of 1 rows did not succeed" in server.got[3][3]
        assert "3 updated" in server.got[1][3]
    else:
        assert [method for method, *_ in server.got] == ["GET"] * 4
        assert [query["state"] for _, _, query, _ in server.got] == ["run", "complete", "run", "fail"]
        assert "did not succeed" in server.got[3][2]["message"]
    for summary in (good, failed):
        assert SECRET not in texts_of(summary.folder)
        assert LANGDOCK_KEY not in str(server.got)


async def test_a_message_is_sent_on_its_occasions_and_no_other(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "id,name\n00000000-0000-4000-8000-000000000000,Nobody\n"
    path, sandbox = tmp_path / "nightly.csv", batchupdate_sandbox()

    async def told(occasions: str | list[str], texts: list[str | int]) -> list[str]:
        async with receiver() as server:
            monkeypatch.setenv("HOOK", webhook(server))
            folder = tmp_path / str(occasions)
            notify = {"to": [{"env": "HOOK", "when": occasions}]}
            for number, text in enumerate(texts):
                if isinstance(text, int):
                    write(path, text, f"Name {number}")
                else:
                    path.write_text(text, encoding="utf-8")
                await apply(path, settings_for(sandbox, folder, notify=notify, diff="never"))
            return [title.partition("langdock-integration: ")[2] for title in server.titles]

    failed, fine = "finished; 1 of 1 rows did not succeed", "succeeded"
    nights: list[str | int] = [2, nobody, nobody + "\n", 2, 3]
    assert await told("failure", nights) == [failed, failed]
    assert await told(["failure", "finish"], nights) == [fine, failed, failed, fine, fine]
    assert await told("change", nights) == [failed, fine]
    assert await told("unusual", nights) == []


async def test_a_run_that_was_killed_and_fails_when_it_is_resumed_is_told_as_a_change(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sandbox = tmp_path / "nightly.csv", batchupdate_sandbox()
    async with receiver() as server:
        monkeypatch.setenv("HOOK", webhook(server))
        settings = settings_for(sandbox, tmp_path, notify={"to": [{"env": "HOOK", "when": "change"}]}, diff="never")
        await apply(write(path, 3), settings)
        path.write_text("id,name\n00000000-0000-4000-8000-000000000000,Nobody\n", encoding="utf-8")
        with prepare(path, settings, environ=KEYS) as job:
            job.journal.begin_session(job.clock.unix(), repeatable=True)  # and no more: it is killed
        summary = await apply(path, settings)
        with key_refused_after(sandbox, len(sandbox.applied) + 1):
            stopped = await apply(write(path, 3, "Stopped"), settings)
        resumed = await apply(path, settings)
    assert [one.exit_code for one in (summary, stopped, resumed)] == [1, 3, 0]
    assert [title.rpartition(": ")[2] for title in server.titles] == [
        "finished; 1 of 1 rows did not succeed",
        "succeeded",  # after one that was stopped, which was no change after one that failed
    ]


async def test_a_run_of_many_more_rows_than_usual_is_told(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, path = batchupdate_sandbox(records=make_records(langdock=400)), tmp_path / "nightly.csv"
    ids = [record.id for record in make_records(langdock=400).langdock]
    async with receiver() as server:
        monkeypatch.setenv("HOOK", webhook(server))
        settings = settings_for(sandbox, tmp_path, notify={"to": [{"env": "HOOK", "when": "unusual"}]}, diff="never")
        for night, count in enumerate([2, 2, 2, 200]):
            rows = "".join(f"{record},Night {night}\n" for record in ids[:count])
            path.write_text(f"id,name\n{rows}", encoding="utf-8")
            with prepare(path, settings, environ=KEYS, asks=True) as job:
                await execute(job)
    (message,) = server.got
    assert "Usually about 2 rows are sent; today 200." in message[3]


async def test_a_stopped_run_is_never_told_as_a_success(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = batchupdate_sandbox()
    async with receiver() as server:
        monkeypatch.setenv("HOOK", webhook(server))
        monkeypatch.setenv("HEALTH_URL", server.url)
        notify = {"to": [{"env": "HOOK"}], "health": {"env": "HEALTH_URL"}}
        with key_refused_after(sandbox, 1):
            summary = await apply(
                write(tmp_path / "a.csv", 3), settings_for(sandbox, tmp_path, notify=notify, diff="never")
            )
    assert summary.exit_code == 3
    assert server.paths[1] == "/fail"
    message = json.loads(server.got[2][3])
    assert message["title"].endswith("stopped; 2 of 3 rows did not succeed")
    assert message["type"] == "failure"
    assert "batchupdate resume" in message["message"]


async def test_a_title_is_one_line_and_no_cell_calls_everybody_in_a_chat(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two\nlines @here.csv"
    path.write_text("id,name\n@everyone <!channel> <@U1> ann@example.com,x\n", encoding="utf-8")
    async with receiver() as server:
        monkeypatch.setenv("HOOK", webhook(server))
        await apply(path, settings_for(batchupdate_sandbox(), tmp_path, notify={"to": [{"env": "HOOK"}]}))
    said = json.loads(server.got[0][3])
    assert "\n" not in said["title"]
    assert "ann@example.com" in said["message"]
    for mention in ("@here", "@everyone", "<!", "<@"):
        assert mention not in said["title"] + said["message"]


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_what_can_not_be_delivered_is_said_and_changes_no_exit_code(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with receiver() as server:
        server.status = status
        monkeypatch.setenv("HEALTH_URL", server.url)
        monkeypatch.setenv("HOOK", webhook(server))
        notify = {
            "to": [{"env": "HOOK", "when": "finish"}],
            "health": {"env": "HEALTH_URL"},
            "metrics_file": tmp_path / "no such folder" / "a.prom",
            "on_finish": [sys.executable, "-c", "import sys; sys.exit('broken')"],
        }
        settings = settings_for(batchupdate_sandbox(), tmp_path, notify=notify)
        summary = await apply(write(tmp_path / "a.csv", 2), settings)
    assert summary.exit_code == 0
    said = "\n".join(summary.notices)
    assert f"The health check could not be pinged: it answered {status}." in said
    assert "The message to the URL in the environment variable HOOK could not be sent" in said
    assert "could not be written: No such file or directory" in said
    assert "The command of 'on_finish' did not succeed: it failed with exit code 1: broken." in said
    log = (summary.folder / "run.log").read_text("utf-8")
    assert log.count('"not_notified"') == 5  # the start could not be told either
    assert SECRET not in log + said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:1", "no connection to 127.0.0.1: connection refused"),
        ("https://127.0.0.1:1", "no connection to 127.0.0.1: connection refused"),
        ("https://nobody.invalid", "the name nobody.invalid can't be found"),
    ],
)
async def test_a_health_check_that_nobody_answers_is_said(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("HEALTH_URL", f"{address}/{SECRET}")
    settings = settings_for(batchupdate_sandbox(), tmp_path, notify={"health": {"env": "HEALTH_URL"}})
    summary = await apply(write(tmp_path / "a.csv", 1), settings)
    assert summary.exit_code == 0
    assert summary.notices == [f"The health check could not be pinged: {said}."]
    assert SECRET not in texts_of(summary.folder)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def metrics(path: Path) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def test_metrics_say_what_the_last_run_came_to_and_when_one_last_succeeded(
    tmp_path: Path, batchupdate_sandbox: Sandboxes
) -> None:
    prom = tmp_path / "renames.prom"
    sandbox, notify = batchupdate_sandbox(), {"metrics_file": prom}
    await apply(write(tmp_path / "a.csv", 3), settings_for(sandbox, tmp_path, notify=notify, diff="never"))
    good = metrics(prom)
    assert good['batchupdate_rows{file="renames",outcome="updated"}'] == 3
    assert good['batchupdate_rows{file="renames",outcome="failed"}'] == 0
    assert good['batchupdate_exit_code{file="renames"}'] == 0
    assert good['batchupdate_requests{file="renames",kind="sent"}'] == 3
    bad = tmp_path / "b.csv"
    bad.write_text("id,name\n00000000-0000-4000-8000-000000000000,Nobody\n", encoding="utf-8")
    await apply(bad, settings_for(sandbox, tmp_path, notify=notify, diff="never"))
    after = metrics(prom)
    assert after['batchupdate_exit_code{file="renames"}'] == 1
    succeeded = 'batchupdate_last_success_timestamp_seconds{file="renames"}'
    assert after[succeeded] == good[succeeded]
    assert after['batchupdate_last_end_timestamp_seconds{file="renames"}'] > good[succeeded]


async def test_a_command_gets_the_path_of_the_summary_and_no_secret(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen.json"
    monkeypatch.setenv("HEALTH_URL", f"http://127.0.0.1:1/{SECRET}")
    monkeypatch.setenv("HOOK", f"json://127.0.0.1:1/{SECRET}")
    code = f"import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open({str(seen)!r}, 'w'))"
    urls = {"health": {"env": "HEALTH_URL"}, "to": [{"env": "HOOK"}]}
    notify = {**urls, "on_finish": [sys.executable, "-c", code, "$(touch broken)"]}
    summary = await apply(
        write(tmp_path / "a; touch broken.csv", 1), settings_for(batchupdate_sandbox(), tmp_path, notify=notify)
    )
    arguments, environ = json.loads(seen.read_text("utf-8"))
    assert arguments == ["$(touch broken)", str(summary.folder.resolve() / "summary.json")]
    assert environ["BATCHUPDATE_EXIT_CODE"] == "0"
    assert environ["BATCHUPDATE_RUN_ID"] == summary.run_id
    assert "LANGDOCK_API_KEY" not in environ
    assert SECRET not in str(environ)
    assert environ["PATH"] == os.environ["PATH"]
    assert "broken" not in {path.name for path in files_in(Path())}


async def run_command(tmp_path: Path, sandbox: Sandbox, code: str) -> Summary:
    """A run whose command is Python code that begins with the path of a file to write to."""
    command = [sys.executable, "-c", f"import os, subprocess, sys, time; path = {str(tmp_path / 'seen')!r}; {code}"]
    return await apply(write(tmp_path / "a.csv", 1), settings_for(sandbox, tmp_path, notify={"on_finish": command}))


def is_running(process: int) -> bool:
    """Whether there is such a process that is not just waiting for its parent to take notice of its end."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False).stdout
    return bool(said.strip()) and not said.strip().startswith("Z")


LINGERS = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
async def test_a_command_that_hangs_is_ended_with_what_it_has_started(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchupdate.runs.notify.hook.TIMEOUT_S", 1.0)
    code = f"{LINGERS}; open(path, 'w').write(str(child.pid)); time.sleep(60)"
    summary = await run_command(tmp_path, batchupdate_sandbox(), code)
    assert summary.exit_code == 0
    assert "it had not ended after 1 s, and was ended" in summary.notices[0]
    child = int((tmp_path / "seen").read_text("utf-8"))
    for _ in range(200):
        if not is_running(child):
            return
        await asyncio.sleep(0.05)
    pytest.fail("what the command has started is still running")


async def test_a_process_that_a_command_leaves_running_is_not_waited_for(
    tmp_path: Path, batchupdate_sandbox: Sandboxes
) -> None:
    code = f"{LINGERS}; open(path, 'w').write(str(child.pid))"
    summary = await asyncio.wait_for(run_command(tmp_path, batchupdate_sandbox(), code), 30)
    os.kill(int((tmp_path / "seen").read_text("utf-8")), 9)
    assert (summary.exit_code, summary.notices) == (0, [])


async def test_of_what_a_command_prints_the_end_is_said_without_any_secret(
    tmp_path: Path, batchupdate_sandbox: Sandboxes
) -> None:
    code = f"print('x' * 10**6, '{LANGDOCK_KEY}', 'y' * 285, 'the reason'); sys.exit(3)"
    summary = await run_command(tmp_path, batchupdate_sandbox(), code)
    (notice,) = summary.notices
    assert notice.endswith("y the reason.")
    assert "it failed with exit code 3: …" in notice
    assert LANGDOCK_KEY[-6:] not in notice
    assert len(notice) < 400


@pytest.mark.parametrize("words", ["/no/such/command", "'"])
async def test_a_command_that_can_not_be_run_is_a_sentence(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, words: str
) -> None:
    if words == "'":
        with pytest.raises(ConfigError, match="on-finish"):
            load_settings({"notify": {"on_finish": words}}, environ={})
        return
    settings = settings_for(batchupdate_sandbox(), tmp_path, notify={"on_finish": words})
    summary = await apply(write(tmp_path / "a.csv", 1), settings)
    assert summary.exit_code == 0
    assert "can't be run: No such file or directory" in summary.notices[0]


@pytest.mark.parametrize(
    ("notify", "environ", "said"),
    [
        ({"to": [{"env": "HOOK"}]}, {}, "The environment variable HOOK is not set."),
        ({"to": [{"env": "HOOK"}]}, {"HOOK": "hello"}, "does not hold a URL"),
        ({"to": [{"env": "HOOK"}]}, {"HOOK": "nosuch://a"}, "Apprise knows no such URL"),
        ({"to": [{"file": "missing"}]}, {}, "The file missing can't be read"),
        ({"health": {"env": "H"}}, {"H": "http://example.com/x"}, "must begin with https://"),
        ({"health": {"env": "H"}}, {"H": "file:///etc/passwd"}, "must begin with https://"),
        ({"health": {"env": "H"}}, {"H": "http://[::1"}, "must begin with https://"),
    ],
)
def test_a_channel_that_can_not_be_used_is_found_before_anything_is_sent(
    notify: dict[str, Any], environ: dict[str, str], said: str
) -> None:
    settings = load_settings({"notify": notify}, environ={})
    with pytest.raises(UsageError, match=said):
        Announcer.of(settings, environ)


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ({"to": [{}]}, "say either 'env' or 'file'"),
        ({"to": [{"env": "A", "file": "b"}]}, "say either 'env' or 'file'"),
        ({"to": [{"env": "A", "when": "always"}]}, "notify.to.0.when"),
        ({"to": [{"env": "A", "when": []}]}, "notify.to.0.when"),
        ({"to": [{"url": "slack://secret"}]}, "There is no setting 'notify.to.0.url'"),
        ({"metrics_file": "a.txt"}, "must end in .prom"),
    ],
)
def test_what_is_wrong_in_the_config_is_a_sentence_with_its_place(notify: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings({"notify": notify}, environ={})


async def test_a_run_keeps_no_command_and_no_channel_for_later(tmp_path: Path, batchupdate_sandbox: Sandboxes) -> None:
    notify = {"on_finish": [sys.executable, "-c", ""]}
    with prepare(
        write(tmp_path / "a.csv", 1), settings_for(batchupdate_sandbox(), tmp_path, notify=notify), environ=KEYS
    ) as job:
        assert "notify" not in job.journal.meta()["settings"]


async def test_mail_arrives_at_a_local_server(
    tmp_path: Path, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails: list[str] = []

    class Inbox:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802, ARG002
            mails.append(envelope.content.decode())
            return "250 OK"

    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: SMTP(Inbox(), loop=loop), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("MAIL", f"mailto://127.0.0.1:{port}?from=cron@example.com&to=ops@example.com&mode=insecure")
        notify = {"to": [{"env": "MAIL", "when": "finish"}]}
        summary: Summary = await apply(
            write(tmp_path / "a.csv", 2), settings_for(batchupdate_sandbox(), tmp_path, notify=notify)
        )
    assert summary.notices == []
    (mail,) = mails
    assert "To: ops@example.com" in mail
    assert "2 updated" in mail
