from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

IDS = [record.id for record in make_records().langdock]


TARGET = ("--target", "langdock-integration")


FAST = ("--rate", "unlimited", "--yes")


def results(folder: Path) -> list[dict[str, str]]:
    with (folder / "batchupdate-runs" / "latest" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "missing.csv", *TARGET], "missing.csv"),
        (["check", "renames.csv"], "No target is named."),
        (["check", "renames.csv", "--target", "langdok-integration"], "Did you mean langdock-integration?"),
        (["check", "renames.csv", *TARGET, "--map", "name"], "is not of the form COLUMN=field"),
        (["check", "renames.csv", *TARGET, "--map", "Nmae=name"], "does not have"),
        (["check", "renames.csv", *TARGET, "--config", "no.yaml"], "no.yaml"),
        (["check", "renames.csv", *TARGET, "--on-duplicate", "first"], "on-duplicate: this must be"),
        (["run", "renames.csv", *TARGET, "--yes", "--rate", "fast"], "is not a rate; write it as 5/s"),
        (["run", "renames.csv", *TARGET, "--yes", "--max-failures", "some"], "neither a number of rows"),
        (["run", "renames.csv", *TARGET, "--yes", "--base-url", "http://api.example.com"], "unencrypted"),
        (["run", "renames.csv", *TARGET], "no terminal to ask the question on"),
        (["show", "nowhere"], "There is no run 'nowhere'"),
        (["report"], "There are no runs"),
        (["targets", "show", "nobody"], "There is no target 'nobody'"),
        (["sandbox", "--limit", "fast"], "fast"),
        (["sandbox", "--faults", "fire=1"], "fire"),
    ],
)
def test_bad_usage_ends_in_a_sentence_and_exit_2(
    cli: Cli, renames: Renames, arguments: list[str], sentence: str
) -> None:
    renames(2)
    result = cli(*arguments)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_without_a_key_nothing_is_sent(cli: Cli, renames: Renames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANGDOCK_API_KEY")
    result = cli("run", str(renames(1)), *TARGET, *FAST)
    assert result.exit_code == 2
    assert "LANGDOCK_API_KEY" in result.stderr


def test_run_applies_every_row_and_says_where_the_results_are(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    result = cli("run", str(renames(3)), *TARGET, *FAST, "--base-url", sandbox.url)
    assert result.exit_code == 0, result.output
    assert re.search(r"updated +3", result.stdout)
    assert "batchupdate-runs" in result.stdout
    assert [line["_outcome"] for line in results(tmp_path)] == ["updated"] * 3
    assert sandbox.record("langdock", IDS[0]).name == "Renamed 0"
    assert LANGDOCK_KEY not in result.output


def test_run_exits_1_when_some_rows_are_not_fine(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    stranger = "00000000-0000-4000-8000-000000000000"
    sandbox = batchupdate_sandbox()
    result = cli("run", str(renames(1, (stranger, "Who?"), ("bad", "x"))), *TARGET, *FAST, "--base-url", sandbox.url)
    assert result.exit_code == 1
    assert "1 × 404 integration not found, row 3: check the ids" in result.stdout  # noqa: RUF001
    assert [line["_outcome"] for line in results(tmp_path)] == ["updated", "failed", "invalid"]
    failed = (tmp_path / "batchupdate-runs" / "latest" / "failed.csv").read_text("utf-8-sig")
    assert [row["_row"] for row in csv.DictReader(failed.splitlines())] == ["3", "4"]


def test_failed_csv_mended_and_run_again_is_fine(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    cli("run", str(renames(1, (IDS[1], "y" * 41))), *TARGET, *FAST, "--base-url", sandbox.url)
    failed = tmp_path / "batchupdate-runs" / "latest" / "failed.csv"
    mended = tmp_path / "mended.csv"
    mended.write_text(failed.read_text("utf-8-sig").replace("y" * 41, "short"), "utf-8")
    result = cli("run", str(mended), *TARGET, *FAST, "--base-url", sandbox.url)
    assert result.exit_code == 0, result.output
    assert sandbox.record("langdock", IDS[1]).name == "short"
    assert list(results(tmp_path)[0])[:3] == ["id", "name", "_row"]


def test_a_refused_key_stops_the_run_with_exit_3_and_the_rest_is_not_attempted(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    sandbox.revoke()
    result = cli("run", str(renames(20)), *TARGET, *FAST, "--base-url", sandbox.url, "--concurrency", "2")
    assert result.exit_code == 3
    assert "401" in result.stdout
    outcomes = {line["_outcome"] for line in results(tmp_path)}
    assert outcomes == {"failed", "not_attempted"}
    assert len(sandbox.requests) <= 3, "the list, and as many changes as may be in flight"


def test_the_same_command_goes_on_after_a_stop_and_sends_no_row_twice(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    stranger = "00000000-0000-4000-8000-000000000000"
    path = str(renames(1, (stranger, "a"), *((IDS[n], f"b{n}") for n in range(5, 12))))
    command = ("run", path, *TARGET, *FAST, "--base-url", sandbox.url, "--concurrency", "1")
    assert cli(*command, "--max-failures", "0").exit_code == 3
    assert "not_attempted" in {line["_outcome"] for line in results(tmp_path)}
    again = cli(*command)
    assert "resumes the unfinished run" in again.stderr
    assert again.exit_code == 1
    assert [line["_outcome"] for line in results(tmp_path)] == ["updated", "failed", *["updated"] * 7]
    assert len(sandbox.applied) == 8
    assert len(list((tmp_path / "batchupdate-runs").glob("2*"))) == 1


def test_new_starts_afresh(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path) -> None:
    sandbox = batchupdate_sandbox()
    sandbox.revoke()
    command = ("run", str(renames(2)), *TARGET, *FAST, "--base-url", sandbox.url)
    cli(*command)
    assert "goes on" not in cli(*command, "--new").stderr
    assert len(list((tmp_path / "batchupdate-runs").glob("2*"))) == 2


def test_strict_sends_nothing_if_a_row_is_invalid(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    result = cli("run", str(renames(3, ("bad", "x"))), *TARGET, *FAST, "--base-url", sandbox.url, "--strict")
    assert result.exit_code == 2
    assert "1 of 4 rows are invalid" in result.stderr
    assert sandbox.requests == []
    assert not list((tmp_path / "batchupdate-runs").glob("2*"))


def test_dry_run_shows_what_would_be_sent_and_sends_nothing(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes
) -> None:
    sandbox = batchupdate_sandbox()
    result = cli("run", str(renames(3)), *TARGET, "--base-url", sandbox.url, "--dry-run")
    assert result.exit_code == 0
    assert 'name = "Renamed 0"' in result.stderr
    assert sandbox.requests == []


def test_json_is_the_summary_alone_on_standard_output(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    result = cli("run", str(renames(2)), *TARGET, *FAST, "--base-url", batchupdate_sandbox().url, "--json")
    data = json.loads(result.stdout)
    on_disk = json.loads((tmp_path / "batchupdate-runs" / "latest" / "summary.json").read_text("utf-8"))
    assert data == on_disk
    assert data["counts"]["updated"] == data["input"]["rows"] == data["requests"]["sent"] == 2
    assert set(data) == {
        "run_id", "target", "input", "counts", "requests", "rate", "errors", "started_at", "finished_at", "duration_s",
        "exit_code", "stopped", "folder", "schema",
    }  # fmt: skip


def test_quiet_prints_nothing_on_success(cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes) -> None:
    result = cli("run", str(renames(2)), *TARGET, *FAST, "--base-url", batchupdate_sandbox().url, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert cli("check", str(renames(2)), *TARGET, "--quiet").output == ""


def test_quiet_still_says_on_standard_error_what_failed_and_why_a_run_stopped(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = batchupdate_sandbox()
    path = str(renames(2, ("00000000-0000-4000-8000-000000000000", "x")))
    run = cli("run", path, *TARGET, *FAST, "--base-url", sandbox.url, "--quiet", "--new")
    assert (run.exit_code, run.stdout) == (1, "")
    assert "404" in run.stderr
    check = cli("check", str(renames(1, ("bad", "x"), name="bad.csv")), *TARGET, "--quiet")
    assert (check.exit_code, check.stdout) == (1, "")
    assert "row 3" in check.stderr
    monkeypatch.setenv("LANGDOCK_API_KEY", "sk-ld-wrong")
    stopped = cli("run", path, *TARGET, *FAST, "--base-url", sandbox.url, "--quiet", "--new")
    assert (stopped.exit_code, stopped.stdout) == (3, "")
    assert "401" in stopped.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("run", "nothing.csv", *TARGET), 2, "input"),
        (("check", "nothing.csv", *TARGET), 2, "input"),
        (("run", "renames.csv"), 2, "config"),
        (("show", "never"), 2, "config"),
    ],
)
def test_json_says_in_json_why_nothing_was_done(
    cli: Cli, renames: Renames, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    renames(1)
    result = cli(*arguments, "--json")
    data = json.loads(result.stdout)
    assert (result.exit_code, data["exit_code"], data["stopped"]["code"]) == (exit_code, exit_code, code)
    assert data["stopped"]["message"] in result.stderr


def test_a_stopped_run_says_so_in_its_summary_also_when_it_is_shown_later(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = batchupdate_sandbox()
    monkeypatch.setenv("LANGDOCK_API_KEY", "sk-ld-wrong")
    command = ("run", str(renames(3)), *TARGET, *FAST, "--base-url", sandbox.url)
    data = json.loads(cli(*command, "--json").stdout)
    assert (data["exit_code"], data["stopped"]["code"]) == (3, "safety_stop")
    assert "401" in data["stopped"]["message"]
    assert json.loads(cli("show", "--json").stdout)["stopped"] == data["stopped"]
    monkeypatch.setenv("LANGDOCK_API_KEY", LANGDOCK_KEY)
    assert json.loads(cli(*command, "--json").stdout)["stopped"] is None
    assert json.loads(cli("show", "--json").stdout)["stopped"] is None


def test_the_end_of_a_run_names_the_next_step(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    path = str(renames(2, ("00000000-0000-4000-8000-000000000000", "x"), ("bad", "x")))
    command = ("run", path, *TARGET, *FAST, "--base-url", sandbox.url, "--new")
    ended = cli(*command)
    latest = (tmp_path / "batchupdate-runs" / "latest").resolve().name
    assert f"batchupdate retry {latest}" in ended.stdout
    assert "failed.csv" in ended.stdout
    monkeypatch.setenv("LANGDOCK_API_KEY", "sk-ld-wrong")
    stopped = cli(*command, "--runs-dir", "elsewhere")
    folder = next(folder for folder in (tmp_path / "elsewhere").glob("2*"))
    assert f"3 rows left; to resume: batchupdate resume {folder.relative_to(tmp_path)}" in stopped.stdout
    monkeypatch.setenv("LANGDOCK_API_KEY", LANGDOCK_KEY)
    assert cli("resume", str(folder.relative_to(tmp_path))).exit_code == 1


def test_standard_input_is_a_file_like_any_other(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    text = renames(2).read_text("utf-8")
    result = cli("run", "-", *TARGET, *FAST, "--base-url", batchupdate_sandbox().url, text=text)
    assert result.exit_code == 0, result.output
    assert len(results(tmp_path)) == 2


def test_an_empty_run_is_done_and_exits_0(cli: Cli, renames: Renames, tmp_path: Path) -> None:
    result = cli("run", str(renames(0)), *TARGET, *FAST, "--base-url", "http://127.0.0.1:9")
    assert result.exit_code == 0, result.output
    assert results(tmp_path) == []


def test_an_api_that_was_never_reached_stops_with_exit_3(cli: Cli, renames: Renames, tmp_path: Path) -> None:
    result = cli(
        "run", str(renames(3)), *TARGET, *FAST, "--base-url", "http://127.0.0.1:9", "--max-attempts", "1"
    )  # fmt: skip
    assert result.exit_code == 3, result.output
    assert "never reached" in result.stdout
    assert {line["_outcome"] for line in results(tmp_path)} == {"not_attempted"}


def test_an_internal_error_exits_70_and_says_where_its_details_are(
    cli: Cli, renames: Renames, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("batchupdate.run.check_file", broken)
    result = cli("check", str(renames(1)), *TARGET)
    assert result.exit_code == 70
    place = re.search(r"its details: (.*)", result.stderr)
    assert place
    with open(place[1].strip(), encoding="utf-8") as details:  # noqa: PTH123 - a path read off the screen
        assert "ZeroDivisionError" in details.read()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_reports_and_the_same_command_finishes(
    renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path, number: int, code: int
) -> None:
    sandbox = batchupdate_sandbox()
    command = [
        sys.executable, "-m", "batchupdate", "run", str(renames(30)), *TARGET, "--yes", "--base-url", sandbox.url,
        "--rate", "20/s",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        deadline = time.monotonic() + 120
        while len(sandbox.applied) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(number)
        out, err = child.communicate(timeout=120)
        assert child.returncode == code, (out, err)
    stopped = [line["_outcome"] for line in results(tmp_path)]
    assert stopped.count("updated") == len(sandbox.applied) >= 3
    assert stopped.count("not_attempted") == 30 - len(sandbox.applied)
    assert b"Stopping" in err
    finished = subprocess.run(
        [*command, "--rate", "unlimited"], cwd=tmp_path, capture_output=True, timeout=120, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert {line["_outcome"] for line in results(tmp_path)} == {"updated"}
    assert len(sandbox.applied) == 30


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for other processes")
def test_a_second_ctrl_c_quits_at_once_and_leaves_a_valid_journal(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox(faults="hang=1")
    command = [
        sys.executable, "-m", "batchupdate", "run", str(renames(5)), *TARGET, "--yes", "--base-url", sandbox.url,
        "--rate", "unlimited", "--concurrency", "2", "--diff", "never",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        deadline = time.monotonic() + 120
        while len(sandbox.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        while b"Stopping" not in (line := child.stderr.readline()):
            assert line, "it has ended without a word"
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=120)
        assert child.returncode == 130
    assert cli("report").exit_code == 0
    assert [line["_outcome"] for line in results(tmp_path)] == ["unknown"] * 2 + ["not_attempted"] * 3


def test_a_run_leaves_rows_alone_that_the_condition_leaves_out(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    before = sandbox.record("langdock", IDS[1]).name
    (tmp_path / "c.yaml").write_text(
        'input:\n  when: {action: update}\n  computed: {name: "{team}: {kind}"}\n'
        '  columns: {note: {field: description, blank: "null"}}\n',
        "utf-8",
    )
    (tmp_path / "in.csv").write_text(
        f"id,team,kind,note,action\n{IDS[0]},Ops,Hub,,update\n{IDS[1]},Ops,Jira,,keep\n{IDS[1]},,,,\n", "utf-8"
    )
    result = cli("run", "in.csv", *TARGET, *FAST, "--config", "c.yaml", "--base-url", sandbox.url)
    assert result.exit_code == 0, result.output
    assert "3 rows: 1 to send, 2 left out by the conditions (when)." in result.stderr
    assert "1 cell will clear a field: description 1." in result.stderr
    assert sandbox.record("langdock", IDS[0]).name == "Ops: Hub"
    assert sandbox.record("langdock", IDS[1]).name == before
    lines = results(tmp_path)
    assert [line["_outcome"] for line in lines] == ["updated", "unchanged", "unchanged"]
    assert lines[1]["_error"] == "skipped by 'when': column 'action' is 'keep' (when)"


def test_a_wrong_key_is_said_with_its_place_and_the_same_command_resumes_with_the_right_one(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    monkeypatch.delenv("LANGDOCK_API_KEY")
    monkeypatch.setenv("BATCHUPDATE_KEY_FILE", "key.txt")
    (tmp_path / "key.txt").write_text("sk-ld-not-this-one", "utf-8")
    command = ("run", str(renames(3)), *TARGET, *FAST, "--base-url", sandbox.url)
    refused = cli(*command)
    assert refused.exit_code == 3
    assert "The key was refused. The key comes from the key file key.txt; once it is a valid one" in refused.output
    (tmp_path / "key.txt").write_text(LANGDOCK_KEY, "utf-8")
    assert cli(*command).exit_code == 0
    assert len(list((tmp_path / "batchupdate-runs").glob("2*"))) == 1


def test_a_key_that_is_forbidden_everything_is_said_with_its_place(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    sandbox = batchupdate_sandbox()
    (forbidden,) = make_records().forbidden
    (tmp_path / "one.csv").write_text(f"id,name\n{forbidden.id},x\n", "utf-8")
    one = cli("run", "one.csv", *TARGET, *FAST, "--base-url", sandbox.url)
    assert "403. If that is because of the key: it comes from the environment variable LANGDOCK_API_KEY." in one.output
    for other in (IDS[0], "00000000-0000-4000-8000-000000000000"):  # one that may be changed, and one that is not there
        (tmp_path / "two.csv").write_text(f"id,name\n{forbidden.id},x\n{other},x\n", "utf-8")
        assert "because of the key" not in cli("run", "two.csv", *TARGET, *FAST, "--base-url", sandbox.url).output
