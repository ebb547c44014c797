from __future__ import annotations

from importlib.util import find_spec as really_find
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.runs.workers import refuse_workers

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


def refuse(**more: Any) -> None:
    settings = Settings.model_validate({"workers": 2, "rate": "100/s", **more})
    refuse_workers(settings, settings.concurrency or 8)


def test_a_plain_run_at_any_rate_can_be_sent_by_worker_processes() -> None:
    refuse()
    refuse(rate="unlimited", concurrency=2)
    refuse(rate="auto")
    refuse(proxy="http://proxy.example.com:3128")


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("requests in flight", {"concurrency": 1}),
        ("password", {"proxy": "http://me:secret@proxy.example.com:3128"}),
    ],
)
def test_what_worker_processes_cannot_do_is_refused_with_the_way_out(why: str, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        refuse(**more)
    assert refused.value.hint
    assert "secret" not in str(refused.value)
    refuse(**{**more, "workers": None})


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("does not begin with tls://", {"cluster": "tcp://10.0.0.5:8786"}),
        ("not the address", {"cluster": "10.0.0.5"}),
        ("there are none", {"cluster": "tls://10.0.0.5:8786"}),
        ("has no ca.pem", {"cluster": "tls://127.0.0.1:8786", "cluster_certs": "nowhere"}),
        ("number has to be known", {"cluster": "tls://10.0.0.5:8786", "workers": None}),
    ],
)
def test_processes_of_other_machines_are_never_spoken_to_without_certificates(why: str, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        refuse(**more)
    assert refused.value.hint


def test_a_run_keeps_nothing_of_its_cluster_and_can_be_resumed_without() -> None:
    kept = Settings.model_validate({"workers": 9, "cluster": "tls://h:1", "cluster_certs": "c", "burst": 2}).kept()
    assert kept == {"burst": 2}
    assert Settings.model_validate({"workers": 9}).kept() == {"workers": 9}


def test_without_the_extra_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "distributed" else really_find(name)

    monkeypatch.setattr("batchupdate.runs.workers.find_spec", find)
    with pytest.raises(ConfigError, match="not installed") as refused:
        refuse()
    assert "pip install 'batchupdate[cluster]'" in refused.value.hint
