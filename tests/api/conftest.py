from __future__ import annotations

import os

import pytest


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["3.14.", "none"], ids=["direct", "through aiohttp's session"])
def tried_versions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim holds with requests that we write ourselves, and with aiohttp's, as with a newer version of it."""
    monkeypatch.setattr("batchupdate.api.client._TRIED", request.param)
