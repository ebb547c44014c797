from __future__ import annotations

import threading

import pytest

from batchupdate.util.background import Behind


def test_calls_run_in_order_in_one_other_thread() -> None:
    ran: list[tuple[int, str]] = []
    with Behind("mine") as behind:
        for number in range(5):
            behind.call(lambda number: ran.append((number, threading.current_thread().name)), number)
        behind.wait()
    assert [number for number, _ in ran] == [0, 1, 2, 3, 4]
    assert {name for _, name in ran} == {"mine_0"}


def test_a_call_goes_on_behind_its_caller_and_the_next_one_waits_for_it() -> None:
    go_on, ended = threading.Event(), threading.Event()
    with Behind("mine") as behind:
        behind.call(lambda: go_on.wait(5) and ended.set())
        assert not ended.is_set()
        threading.Timer(0.01, go_on.set).start()
        behind.call(lambda: None)
        assert ended.is_set()


def fail() -> None:
    raise ZeroDivisionError


def test_what_a_call_raises_is_raised_by_the_next_one_once() -> None:
    ran: list[int] = []
    with Behind("mine") as behind:
        behind.call(fail)
        with pytest.raises(ZeroDivisionError):
            behind.call(ran.append, 1)
        behind.call(ran.append, 2)
    assert ran == [2]


def test_what_a_call_raises_is_raised_by_wait() -> None:
    with Behind("mine") as behind:
        behind.call(fail)
        with pytest.raises(ZeroDivisionError):
            behind.wait()
        behind.wait()


def test_what_the_last_call_raises_is_not_lost_at_the_end() -> None:
    behind = Behind("mine").__enter__()
    behind.call(fail)
    with pytest.raises(ZeroDivisionError):
        behind.__exit__(None, None, None)


def test_an_error_of_the_caller_is_not_hidden_and_its_last_call_still_ends() -> None:
    ran: list[int] = []
    with pytest.raises(KeyError), Behind("mine") as behind:  # noqa: PT012 - all of it is the point
        behind.call(ran.append, 1)
        raise KeyError
    assert ran == [1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mine")]
