from __future__ import annotations

import asyncio

import pytest

from batchupdate.util.shielded import shielded


async def test_a_cancellation_waits_until_the_work_is_done() -> None:
    begun, allowed, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await allowed.wait()
        done.set()

    waiting = asyncio.create_task(shielded(asyncio.create_task(work())))
    await begun.wait()
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    allowed.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()


async def test_an_error_of_the_work_takes_precedence_over_a_cancellation() -> None:
    begun, allowed = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await allowed.wait()
        raise ZeroDivisionError

    waiting = asyncio.create_task(shielded(asyncio.create_task(work())))
    await begun.wait()
    waiting.cancel()
    allowed.set()
    with pytest.raises(ZeroDivisionError):
        await waiting


async def test_the_result_is_passed_on() -> None:
    async def work() -> int:
        return 7

    assert await shielded(asyncio.create_task(work())) == 7
