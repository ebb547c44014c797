"""Tells everybody whom the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from batchupdate.config import Secrets
from batchupdate.config.notify import Notify
from batchupdate.errors import RunLocked
from batchupdate.model import FailureNotice
from batchupdate.runs.log import run_log
from batchupdate.runs.notify import health, messages, metrics
from batchupdate.runs.notify.hook import run_hook
from batchupdate.runs.notify.news import News, news_of, news_of_nothing, news_of_refusal
from batchupdate.runs.usual import last_was_fine
from batchupdate.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.config import Settings
    from batchupdate.config.notify import Channel
    from batchupdate.errors import BatchUpdateError
    from batchupdate.reporter import Summary
    from batchupdate.runs.job import Job


@dataclass(frozen=True, slots=True)
class Announcer:
    """Knows whom to tell of a run, and how; what can't be delivered is no error."""

    _settings: Settings
    _channels: Sequence[tuple[Channel, Any]]
    _health_url: str
    _secrets: Secrets

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str] | None = None) -> Self:
        """Opens every channel, so that a mistake in one is found before anything is sent.

        Raises:
            ConfigError: a URL is missing or not understood, or a library is not installed.
        """
        notify, secrets = settings.notify, Secrets()
        channels = []
        for channel in notify.to:
            url = channel.read(environ)
            secrets.add([url])
            channels.append((channel, messages.opened(url.get_secret_value(), channel)))
        health_url = ""
        if notify.health is not None:
            secret = notify.health.read(environ)
            secrets.add([secret])
            health_url = secret.get_secret_value()
        if notify.metrics_file is not None:
            metrics.refuse_missing()
        return cls(settings, channels, health_url, secrets)

    async def run_begins(self, job: Job) -> bool | None:
        """Tells that a run begins to send; returns whether the last one of its kind succeeded, None if there was none.

        A run that is resumed after it was told itself did not; one that was killed has told nothing.
        """
        if self._settings.notify == Notify():
            return None
        was_told = job.resumed and job.journal.sessions().exit_code is not None
        _log(job, await self._ping("start", f"{job.checkup.source} → {job.target.name}"))
        return False if was_told else last_was_fine(self._settings.runs_dir, job.folder, job.journal.meta())

    async def run_ended(self, job: Job, summary: Summary, *, was_fine: bool | None) -> None:
        """Tells what a run came to; what could not be delivered is in the log, and in the summary's notices."""
        notify = self._settings.notify
        if notify == Notify():
            return
        failed = await self._tell(news_of(summary, job.unusual, was_fine=was_fine), job.clock.unix())
        if words := notify.on_finish:
            why = await run_hook(words, summary, (job.secrets, self._secrets))
            failed += [f"The command of 'on_finish' did not succeed: {why}."] if why else []
        _log(job, failed)
        summary.notices.extend(map(FailureNotice, failed))

    async def refused(self, error: BatchUpdateError, what: str) -> list[str]:
        """Tells that a run did not begin, or was broken off before it could report.

        One that waits for another to end is no reason for an alarm yet: where that never ends, no ping comes.

        Returns:
            A sentence for each thing that could not be delivered.
        """
        news = news_of_refusal(error, what)
        return await (self._send(news) if isinstance(error, RunLocked) else self._tell(news, SystemClock().unix()))

    async def idle(self, what: str) -> list[str]:
        """Tells that there was nothing to run, which is a success and no news; `what` is what was looked for.

        Returns:
            A sentence for each thing that could not be delivered.
        """
        return await self._tell(news_of_nothing(what), SystemClock().unix())

    async def _tell(self, news: News, now: float) -> list[str]:
        notify, failed = self._settings.notify, list[str]()
        if notify.metrics_file is not None and (why := metrics.write_metrics(notify.metrics_file, news, now)):
            failed.append(f"The metrics file {notify.metrics_file} could not be written: {why}.")
        failed += await self._ping("success" if news.fine else "failure", f"{news.title}\n{news.body}")
        return failed + await self._send(news)

    async def _send(self, news: News) -> list[str]:
        """Sends messages to the channels that want such news."""
        failed = list[str]()
        for channel, messenger in self._channels:
            if news.occasions.isdisjoint(channel.when):
                continue
            if why := await messages.send(messenger, news):
                failed.append(
                    f"The message to the URL in {channel.place} could not be sent: {self._secrets.redact(why)}."
                )
        return failed

    async def _ping(self, state: health.State, message: str) -> list[str]:
        how = self._settings.notify.health
        if how is None:
            return []
        why = await health.ping(self._health_url, how.style, state, message, self._settings)
        return [f"The health check could not be pinged: {self._secrets.redact(why)}."] if why else []


def _log(job: Job, failed: Sequence[str]) -> None:
    if failed:
        with run_log(job.folder.log, job.clock, job.secrets, job.labels) as log:
            for sentence in failed:
                log.error("not_notified", why=sentence)
