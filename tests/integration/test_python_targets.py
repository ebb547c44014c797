"""The example package of docs/python_targets.md, installed and run against a server that checks its signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from packages import install
from typer.testing import CliRunner

from batchupdate import ConfigError, Outcome, SafetyStop, Settings, plan_file, resume, retry, run_file, run_plan
from batchupdate.cli import app
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form
from batchupdate.roundtrip.trial import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parent.parent.parent / "docs" / "python_targets.md").read_text("utf-8")
SECRET, KEY_ID = "a-secret-of-the-example", "K-7"
(MODULE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(PROJECT,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


class Widgets(ThreadingHTTPServer):
    """An API that takes only signed requests, and answers 200 to all of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.records: dict[str, dict[str, Any]] = {str(number): {"name": "old"} for number in range(20)}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.refused: list[str] = []
        self.busy: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: Widgets

    def do_GET(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), body))
        text = "\n".join(
            [
                self.command,
                f"http://{self.headers['Host']}{self.path}",
                self.headers.get("X-Time", ""),
                hashlib.sha256(body).hexdigest(),
            ]
        )
        wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        if self.headers.get("X-Signature") != wanted or self.headers.get("X-Key-Id") != KEY_ID:
            self.server.refused.append(text)
            return self.reply(401, {"code": 1})
        record = self.path.rpartition("/")[2]
        if self.command == "GET":
            return self.reply(200, self.server.records[record])
        if record in self.server.busy:
            self.server.busy.remove(record)
            return self.reply(200, {"code": 17})
        if record not in self.server.records:
            return self.reply(200, {"code": 99})
        self.server.records[record].update(json.loads(body) if body.startswith(b"{") else {"name": body.decode()})
        return self.reply(200, {"code": 0})

    def reply(self, status: int, said: dict[str, Any]) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Widgets]:
    server = Widgets()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("EXAMPLE_SECRET", SECRET)
    monkeypatch.setenv("EXAMPLE_KEY_ID", KEY_ID)
    monkeypatch.chdir(tmp_path)
    put(folder)
    return folder


def put(site: Path, *changes: tuple[str, str], version: str = "1.0") -> None:
    """Installs the example of the docs, changed here and there."""
    project = tomllib.loads(PROJECT)["project"]
    text = MODULE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    entries = project["entry-points"]["batchupdate.targets"]
    install(site, "batchupdate_example", text, entries, name=project["name"], version=version)


@pytest.fixture
def settings(api: Widgets, tmp_path: Path) -> Callable[..., Settings]:
    def make(**more: Any) -> Settings:
        made = {
            "target": "example-widget",
            "base_url": api.url,
            "runs_dir": tmp_path / "runs",
            "rate": "unlimited",
            "diff": "never",
        }
        return Settings.model_validate({**made, **more})

    return make


def widgets(*rows: str) -> str:
    Path("widgets.csv").write_text("\n".join(["id,name,price", *rows, ""]), "utf-8")
    return "widgets.csv"


def what_became(folder: Path) -> list[tuple[str, str]]:
    import csv  # noqa: PLC0415 - here alone

    with (folder / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return [(row["_outcome"], row["_error"]) for row in csv.DictReader(file)]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("workers", [None, 2])
async def test_every_request_of_the_example_is_signed_and_every_answer_judged(
    api: Widgets, settings: Callable[..., Settings], workers: int | None
) -> None:
    api.busy.add("2")
    summary = await run_file(widgets("1,Äpfel,1.10", "2,B,", "77,C,"), settings(workers=workers))
    assert not api.refused
    assert api.records["1"]["name"] == "Äpfel"
    assert any(b'"price":1.10' in body for _, _, _, body in api.seen)
    assert what_became(summary.folder) == [
        ("updated", ""),
        ("updated", ""),
        ("failed", '200 refused with code 99: {"code": 99}'),
    ]
    assert summary.exit_code == 1
    for file in summary.folder.rglob("*"):
        assert SECRET.encode() not in file.read_bytes()
    assert all(SECRET not in str(headers) for _, _, headers, _ in api.seen)


@pytest.mark.usefixtures("site")
def test_the_commands_know_the_example(api: Widgets, tmp_path: Path) -> None:
    widgets("1,A,2", "2,B,")

    def command(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    assert "example-widget" in (listed := command("targets", "list"))
    assert "batchupdate-example 1.0" in listed
    shown = command("targets", "show", "example-widget")
    assert "From the package batchupdate-example 1.0, whose code does: sign, judge." in shown
    tried = command("targets", "test", "example-widget", "--file", "widgets.csv")
    assert "PUT https://api.example.com/v1/widgets/1" in tried
    assert "adds headers as the request leaves" in tried
    assert SECRET not in tried
    assert '"name": "old"' in command("targets", "test", "example-widget", "--read", "1", "--base-url", api.url)
    command("template", "example-widget")
    assert (tmp_path / "example-widget.xlsx").exists()
    ran = command("run", "widgets.csv", "-t", "example-widget", "--base-url", api.url, "--yes", "-v")
    assert "updated" in ran
    assert not api.refused


async def test_a_package_that_fails_to_sign_stops_the_run_and_no_row_is_lost(
    api: Widgets, site: Path, settings: Callable[..., Settings]
) -> None:
    put(site, ('"X-Signature": signature}', '"X-Signature": signature if request.headers["Mode"] else request.key}'))
    file = widgets("1,A,", "2,B,", "3,C,")
    summary = await run_file(file, settings())
    assert summary.exit_code == 3
    assert not api.seen
    assert {outcome for outcome, _ in what_became(summary.folder)} == {"not_attempted"}
    assert summary.stopped is not None
    assert "'sign' of the package batchupdate-example 1.0 failed (KeyError: 'Mode', batchupdate_example.py:" in (
        summary.stopped.message
    )
    put(site)
    again = await run_file(file, settings())
    assert again.folder == summary.folder
    assert again.counts[Outcome.UPDATED] == 3


async def test_what_a_failing_package_says_is_shown_without_the_key(
    site: Path, settings: Callable[..., Settings]
) -> None:
    put(site, ("    digest =", "    raise RuntimeError(request.key)\n    digest ="))
    summary = await run_file(widgets("1,A,"), settings())
    assert summary.stopped is not None
    assert "RuntimeError" in summary.stopped.message
    assert SECRET not in summary.stopped.message
    with pytest.raises(SafetyStop, match=r"'sign' of the package batchupdate-example 1\.0 failed") as told:
        await read_record(["1"], settings())
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("header", ["Host", "Content-Type", "idempotency-key", "Transfer-Encoding", "X\\nY"])
async def test_a_package_can_set_no_header_but_its_own(
    api: Widgets, site: Path, settings: Callable[..., Settings], header: str
) -> None:
    put(
        site,
        ('{"X-Key-Id": request.user,', f'{{"{header}": "evil.example", "X-Key-Id": request.user,'),
        ("repeatable: true", "repeatable: true\nidempotency: {header: Idempotency-Key}"),
    )
    summary = await run_file(widgets("1,A,"), settings())
    assert summary.exit_code == 3
    assert not api.seen


async def test_a_row_whose_answer_a_package_cant_judge_is_unknown_until_its_record_is_looked_up(
    api: Widgets, site: Path, settings: Callable[..., Settings]
) -> None:
    put(site, ("said = json.loads(reply.body)", "said = json.loads(reply.body[5:])"))
    file = widgets("1,A,", "2,B,", "3,C,")
    summary = await run_file(file, settings(concurrency=1))
    assert summary.exit_code == 3
    assert [outcome for outcome, _ in what_became(summary.folder)] == ["unknown", "not_attempted", "not_attempted"]
    assert "200, but 'judge' of the package batchupdate-example 1.0 failed" in what_became(summary.folder)[0][1]
    assert api.records["1"]["name"] == "A"
    put(site)
    again = await resume(str(summary.folder), settings())
    assert again.counts[Outcome.UPDATED] == 3
    puts = sorted(path for method, path, _, _ in api.seen if method == "PUT")
    assert puts == ["/v1/widgets/1", "/v1/widgets/2", "/v1/widgets/3"]
    assert ("GET", "/v1/widgets/1") in [one[:2] for one in api.seen]


async def test_a_plan_is_not_run_with_another_version_and_a_new_plan_is_advised(
    site: Path, settings: Callable[..., Settings]
) -> None:
    put(site)
    plan = await plan_file(widgets("1,A,"), settings())
    put(site, version="1.1")
    with pytest.raises(
        ConfigError, match=r"plan was made with the package batchupdate-example 1\.0, and 1\.1 is installed"
    ) as told:
        await run_plan(plan.folder, settings())
    assert "make a new plan with: batchupdate plan FILE" in told.value.hint
    assert "retry" not in told.value.hint


async def test_a_run_is_not_resumed_with_another_version_but_retried_with_it(
    site: Path, settings: Callable[..., Settings]
) -> None:
    put(site, ("    digest =", "    raise RuntimeError\n    digest ="))
    first = await run_file(widgets("1,A,", "2,B,"), settings())
    put(site, version="1.1")
    with pytest.raises(
        ConfigError, match=r"began with the package batchupdate-example 1\.0, and 1\.1 is installed"
    ) as told:
        await resume(str(first.folder), settings())
    assert f"batchupdate retry {first.folder}" in told.value.hint
    put(site, ("    digest =", "    raise RuntimeError\n    digest ="), version="1.1")
    second = await retry(str(first.folder), None, settings())
    assert second.folder != first.folder
    assert second.exit_code == 3
    put(site, version="1.1")
    second = await resume(str(second.folder), settings())
    assert second.counts[Outcome.UPDATED] == 2


async def test_a_target_with_variables_keeps_the_code_of_its_package(
    api: Widgets, site: Path, settings: Callable[..., Settings]
) -> None:
    put(site, ("path: /v1/widgets/{id}", "path: /{version}/widgets/{id}\nvariables: {version: {}}"))
    summary = await run_file(widgets("1,A,", "77,B,"), settings(variables={"version": "v1"}))
    assert [outcome for outcome, _ in what_became(summary.folder)] == ["updated", "failed"]
    assert not api.refused


async def test_a_run_whose_package_is_gone_says_which_to_install(site: Path, settings: Callable[..., Settings]) -> None:
    put(site, ("    digest =", "    raise RuntimeError\n    digest ="))
    first = await run_file(widgets("1,A,"), settings())
    (site / "batchupdate_example-1.0.dist-info" / "entry_points.txt").write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"package batchupdate-example 1\.0, which is not installed") as told:
        await resume(str(first.folder), settings())
    assert "pip install 'batchupdate-example==1.0'" in told.value.hint


ENCODING = (
    "def sign(",
    """content_type = "text/xml; charset=utf-8"


def encode(ids, fields):
    if fields.get("name") == "bad":
        raise ValueError("the name is bad")
    price = fields.get("price")
    assert price is None or str(price) == "1.10", price
    return f"<w id='{ids['id']}'>{fields['name']}</w>".encode()


def decode(reply):
    return {"name": reply.body.decode().partition(">")[2].partition("<")[0]}


def sign(""",
)
PAGES = ("read: {}", "read: {}\nlist: {path: /v1/widgets, records: all, id: {id: id}, fields: {name: name}}")


async def test_a_package_writes_the_bodies_and_a_row_that_it_cant_write_fails_alone(
    api: Widgets, site: Path, settings: Callable[..., Settings]
) -> None:
    put(site, ENCODING)
    summary = await run_file(widgets("1,A,1.10", "2,bad,", "3,Ö,"), settings())
    assert what_became(summary.folder) == [
        ("updated", ""),
        ("failed", "the package batchupdate-example 1.0 can't write this row, which was not sent: the name is bad"),
        ("updated", ""),
    ]
    bodies = sorted(body for method, _, _, body in api.seen if method == "PUT")
    assert bodies == [b"<w id='1'>A</w>", "<w id='3'>Ö</w>".encode()]
    assert api.seen[0][2]["Content-Type"] == "text/xml; charset=utf-8"


async def test_a_package_that_is_no_json_is_pulled_by_what_it_decodes(
    api: Widgets, site: Path, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    put(
        site,
        PAGES,
        ("def sign(", 'def decode(reply):\n    return {"all": [{"id": "7", "name": "Decoded"}]}\n\n\ndef sign('),
    )
    api.records["widgets"] = {}
    pulled = await pull_records("example-widget", settings(), tmp_path / "out.csv", Form.CSV)
    assert "Decoded" in (tmp_path / "out.csv").read_text("utf-8-sig")
    assert pulled.records == 1
    assert not api.refused
