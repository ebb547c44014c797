from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from whole_runs import (
    KEYS,
    again,
    apply,
    go_on,
    outcomes,
    settings_for,
    with_kept,
    write,
)

from batchupdate import Settings, verify
from batchupdate.errors import ConfigError
from batchupdate.run import resumed_job, undo_job
from batchupdate.runs.folder import RunFolder
from batchupdate.runs.verify import verify_job
from batchupdate.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_run_is_not_gone_on_with_at_another_address(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox() as sandbox, Sandbox() as elsewhere:
        sandbox.revoke()
        stopped = await apply(source, settings_for(sandbox, tmp_path))
        with pytest.raises(ConfigError, match=r"This run is for http://127.0.0.1:\d+, and now"):
            await go_on(stopped, tmp_path, base_url=elsewhere.url)
        retried = await again(stopped, tmp_path, base_url=elsewhere.url)
        assert outcomes(retried) == ["updated"] * 2
        assert len(elsewhere.applied) == 2
        with resumed_job(RunFolder(retried.folder), with_kept(tmp_path), environ=KEYS) as prepared:
            assert prepared.base_url == elsewhere.url
        for opened in (verify_job, undo_job):
            with (
                pytest.raises(ConfigError, match=f"This run is for {elsewhere.url}, and now {sandbox.url} is named"),
                opened(RunFolder(retried.folder), with_kept(tmp_path, base_url=sandbox.url), environ=KEYS),
            ):
                pass


async def test_a_run_does_not_go_around_the_proxy_it_went_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    source = write(tmp_path / "in.csv", 2)
    async with Sandbox() as sandbox:
        sandbox.revoke()
        proxy = sandbox.url.replace("http://", "http://user:hunter22@")
        stopped = await apply(source, settings_for(sandbox, tmp_path, proxy=proxy))
        with pytest.raises(ConfigError, match=r"The proxy 127\.0\.0\.1:\d+ was used before, and now none is named"):
            await go_on(stopped, tmp_path)
        with resumed_job(RunFolder(stopped.folder), with_kept(tmp_path, proxy=proxy), environ=KEYS) as prepared:
            assert prepared.settings.proxy == proxy
        requests = len(sandbox.requests)
        with pytest.raises(ConfigError, match=r"The proxy 127\.0\.0\.1:\d+ was used before, and now none is named"):
            await verify(stopped.folder, Settings(runs_dir=tmp_path / "runs"), environ=KEYS)
        assert len(sandbox.requests) == requests
        with verify_job(RunFolder(stopped.folder), with_kept(tmp_path, proxy=proxy), environ=KEYS) as (job, writable):
            assert (job.settings.proxy, writable) == (proxy, True)
    assert not any(b"hunter22" in path.read_bytes() for path in stopped.folder.iterdir())


async def test_a_copy_is_neither_undone_nor_verified_in_the_place_of_the_run_that_it_was_made_of(
    tmp_path: Path,
) -> None:
    async with Sandbox() as sandbox:
        applied = await apply(write(tmp_path / "in.csv", 2), settings_for(sandbox, tmp_path))
        copy = tmp_path / "copies" / applied.folder.name
        shutil.copytree(applied.folder, copy)
        requests = len(sandbox.requests)
        for opened in (verify_job, undo_job):
            with (
                pytest.raises(ConfigError, match="is a copy of the run in"),
                opened(RunFolder(copy), with_kept(tmp_path), environ=KEYS),
            ):
                pass
        assert len(sandbox.requests) == requests
        found = await verify(applied.folder, Settings(runs_dir=tmp_path / "runs"), environ=KEYS)
        assert found.exit_code == 0
