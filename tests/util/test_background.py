from __future__ import annotations

import threading

import pytest

from batchupdate.util.background import BackgroundThread


def test_calls_run_in_order_in_one_other_thread() -> None:
    ran: list[tuple[int, str]] = []
    with BackgroundThread("mine") as background:
        for number in range(5):
            background.call(lambda number: ran.append((number, threading.current_thread().name)), number)
        background.wait()
    assert [number for number, _ in ran] == [0, 1, 2, 3, 4]
    assert {name for _, name in ran} == {"mine_0"}


def test_a_call_runs_in_the_background_and_the_next_one_waits_for_it() -> None:
    go_on, ended = threading.Event(), threading.Event()
    with BackgroundThread("mine") as background:
        background.call(lambda: go_on.wait(5) and ended.set())
        assert not ended.is_set()
        threading.Timer(0.01, go_on.set).start()
        background.call(lambda: None)
        assert ended.is_set()


def fail() -> None:
    raise ZeroDivisionError


def test_what_a_call_raises_is_raised_by_the_next_one_once() -> None:
    ran: list[int] = []
    with BackgroundThread("mine") as background:
        background.call(fail)
        with pytest.raises(ZeroDivisionError):
            background.call(ran.append, 1)
        background.call(ran.append, 2)
    assert ran == [2]


def test_what_a_call_raises_is_raised_by_wait() -> None:
    with BackgroundThread("mine") as background:
        background.call(fail)
        with pytest.raises(ZeroDivisionError):
            background.wait()
        background.wait()


def test_what_the_last_call_raises_is_not_lost_at_the_end() -> None:
    background = BackgroundThread("mine").__enter__()
    background.call(fail)
    with pytest.raises(ZeroDivisionError):
        background.__exit__(None, None, None)


def test_an_error_of_the_caller_is_not_hidden_and_its_last_call_still_ends() -> None:
    ran: list[int] = []
    with pytest.raises(KeyError), BackgroundThread("mine") as background:  # noqa: PT012 - all of it is the point
        background.call(ran.append, 1)
        raise KeyError
    assert ran == [1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mine")]
