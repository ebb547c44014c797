from __future__ import annotations

import os

import pytest


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["3.14.", "none"], ids=["one write", "aiohttp's own"])
def tried_versions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim holds with our own request class, and with aiohttp's, which newer versions get."""
    monkeypatch.setattr("batchupdate.api.client._TRIED", request.param)
