from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from pydantic import SecretStr

from batchupdate.config import Secrets
from batchupdate.errors import ConfigError
from batchupdate.model import RowLabels, RowRef
from batchupdate.runs.log import run_log

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeClock

KEY = 'sk-"quoted\\key'
SECRETS = Secrets([SecretStr(KEY)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.log"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_event_is_one_json_object_a_line_with_time_and_level(path: Path, clock: FakeClock) -> None:
    with run_log(path, clock, SECRETS) as log:
        log.info("start", row=1, why="zwei\nZeilen: “ü”")
        log.warning("hold", asked_s=None)
        assert len(lines(path)) == 2  # on the disk at once
    assert lines(path) == [
        {
            "at": "2026-11-21T18:45:00.000Z",
            "level": "info",
            "event": "start",
            "row": 1,
            "why": "zwei\nZeilen: “ü”",
        },
        {"at": "2026-11-21T18:45:00.000Z", "level": "warning", "event": "hold", "asked_s": None},
    ]


def test_the_key_is_blotted_out_wherever_it_stands(path: Path, clock: FakeClock) -> None:
    plain = Secrets([SecretStr("sk-ld-very-secret")])
    with run_log(path, clock, plain) as log:
        log.info("sk-ld-very-secret", a="x sk-ld-very-secret y", b=["sk-ld-very-secret"], c={"d": "sk-ld-very-secret"})
        try:
            raise ValueError("sk-ld-very-secret")  # noqa: TRY301 - to be caught
        except ValueError:
            log.exception("failed", what=object())
    assert "sk-ld-very-secret" not in path.read_text("utf-8")
    assert lines(path)[0]["a"] == "x [redacted] y"
    assert "ValueError: [redacted]" in lines(path)[1]["exception"]


def test_a_key_that_json_would_escape_is_blotted_out_too(path: Path, clock: FakeClock) -> None:
    with run_log(path, clock, SECRETS) as log:
        log.info("echo", why=f"the API said {KEY}")
    assert lines(path)[0]["why"] == "the API said [redacted]"


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs a privilege there")
def test_a_planted_link_is_not_followed(path: Path, clock: FakeClock, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="can't be opened"), run_log(path, clock, SECRETS):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_resumed_run_appends(path: Path, clock: FakeClock) -> None:
    for number in range(2):
        with run_log(path, clock, SECRETS) as log:
            log.info("start", number=number)
    assert [line["number"] for line in lines(path)] == [0, 1]


@pytest.mark.parametrize(("verbose", "count"), [(False, 0), (True, 1)])
def test_details_are_kept_only_when_asked_for(path: Path, clock: FakeClock, *, verbose: bool, count: int) -> None:
    with run_log(path, clock, SECRETS, verbose=verbose) as log:
        log.debug("detail")
    assert len(lines(path)) == count


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_the_log_is_for_its_owner_alone(path: Path, clock: FakeClock) -> None:
    with run_log(path, clock, SECRETS):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_structlogs_global_configuration_is_left_as_it_is(path: Path, clock: FakeClock) -> None:
    before = structlog.get_config()
    assert not structlog.is_configured()
    with run_log(path, clock, SECRETS) as log:
        log.info("start")
        assert structlog.get_config() == before
        assert not structlog.is_configured()


def test_a_log_that_can_not_be_opened_gives_a_sentence(tmp_path: Path, clock: FakeClock) -> None:
    with (
        pytest.raises(ConfigError, match=r"The log .*run.log can't be opened: No such file"),
        run_log(tmp_path / "none" / "run.log", clock, SECRETS),
    ):
        pass


def test_a_full_disk_costs_lines_and_not_the_run(path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with run_log(path, clock, SECRETS) as log:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            log.info("lost")
        log.info("kept")
    assert [line["event"] for line in lines(path)] == ["kept"]


def test_text_that_is_no_text_is_logged_all_the_same(path: Path, clock: FakeClock) -> None:
    with run_log(path, clock, SECRETS) as log:
        log.info("start", path="caf\udce9.csv")
    assert lines(path)[0]["path"] == "caf\udce9.csv"


def test_in_a_run_of_several_files_a_row_is_written_with_its_file(path: Path, clock: FakeClock) -> None:
    with run_log(path, clock, SECRETS, RowLabels(("a.csv", "b.csv"))) as log:
        log.info("repeat", row=RowRef(1, 7).key)
        log.info("end", exit_code=0)
    first, last = lines(path)
    assert (first["file"], first["row"]) == ("b.csv", 7)
    assert "file" not in last
