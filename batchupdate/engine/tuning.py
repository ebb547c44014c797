"""Lets a person change a run while it is at work: its rate, its patience, its failure limit, and whether it pauses."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError
from batchupdate.runs.metadata import rate_facts, rate_of
from batchupdate.runs.tuning import forget, taken_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from structlog.typing import FilteringBoundLogger

    from batchupdate.engine.pools import Pools
    from batchupdate.runs.job import Job

LOOK_EVERY_S = 0.25


@asynccontextmanager
async def heeding(
    job: Job, pools: Pools, log: FilteringBoundLogger, keep: Callable[[Mapping[str, Any]], Awaitable[None]]
) -> AsyncIterator[None]:
    """Takes up requests to change the run, as long as its pools are at work.

    `keep` writes facts into the journal: a run that is resumed goes on as it was changed, but for a pause.
    """

    async def look() -> None:
        while True:
            for tuning in taken_up(job.folder.path):
                if isinstance(tuning, ConfigError):
                    log.error("not_tuned", why=tuning.message)
                    continue
                job.tuned.append(tuning)
                try:
                    settings = job.as_tuned().settings
                except ConfigError as error:
                    job.tuned.remove(tuning)
                    log.error("not_tuned", why=error.message)  # noqa: TRY400 - the sentence says all
                    continue
                tuned = {name: value for one in job.tuned for name, value in one.values.items()}
                kept = {"settings": settings.kept(), "tuned": tuned}
                await keep({**kept, **rate_facts(rate_of(job.target, settings))})
                pools.set_limits(settings)
                if tuning.paused is not None:
                    (pools.limiter.halt if tuning.paused else pools.limiter.go_on)()
                log.info("tuned", **tuning.said)
            await job.clock.sleep_until(job.clock.monotonic() + LOOK_EVERY_S)

    forget(job.folder.path)
    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            log.error("not_tuned", why=repr(ended))
