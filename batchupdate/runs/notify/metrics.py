"""A file for the textfile collector of Prometheus's node_exporter, replaced as a whole at the end of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.runs.notify.news import News

_SUCCEEDED_AT = "batchupdate_last_success_timestamp_seconds"


def refuse_missing() -> None:
    """Raises `ConfigError` where the library that writes the file is not installed."""
    try:
        import prometheus_client  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        hint = "Install it with: pip install 'batchupdate[notify]'"
        raise ConfigError("'metrics_file' is set, and prometheus-client is not installed.", hint) from error


def write_metrics(path: Path, news: News, now: float) -> str:
    """Writes the file; returns why that did not work, or ''. `now` is in seconds since 1970.

    node_exporter refuses two files that give one series twice, so that each has a label with its file's name.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile  # noqa: PLC0415 - an extra

    registry, labels = CollectorRegistry(), {"file": path.stem}

    def gauge(name: str, text: str, value: float, **more: str) -> None:
        if (made := gauges.get(name)) is None:
            made = gauges[name] = Gauge(name, text, [*labels, *more], registry=registry)
        made.labels(**labels, **more).set(value)

    gauges: dict[str, Gauge] = {}
    gauge("batchupdate_exit_code", "Exit code of the last run.", news.exit_code)
    gauge("batchupdate_last_end_timestamp_seconds", "When the last run ended, or was refused.", now)
    if (succeeded_at := now if news.fine else _before(path)) is not None:
        gauge(_SUCCEEDED_AT, "When a run last ended with every row fine.", succeeded_at)
    if (summary := news.summary) is not None:
        traffic = summary.sessions.traffic
        for outcome, count in summary.counts.items():
            gauge("batchupdate_rows", "Rows of the last run by outcome.", count, outcome=outcome.value)
        for kind, count in (("sent", traffic.sent), ("retried", traffic.retried), ("throttled", traffic.throttled)):
            gauge("batchupdate_requests", "Requests of the last run.", count, kind=kind)
        gauge("batchupdate_duration_seconds", "Seconds at work on the last run.", summary.sessions.duration_s)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _before(path: Path) -> float | None:
    """When a run last succeeded, as the file says that is to be replaced."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - an extra

    try:
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for sample in family.samples:
                if sample.name == _SUCCEEDED_AT:
                    return float(sample.value)
    except (OSError, ValueError, KeyError):  # somebody else's file, or none
        return None
    return None
