from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pegbox import baton
from pegbox.baton import carried, put_down
from running import wait_for


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baton, "PATIENCE", 60.0)


def test_one_thread_is_busy_at_a_time() -> None:
    busy, most = 0, 0

    def work() -> None:
        nonlocal busy, most
        for _ in range(200):
            with carried():
                busy += 1
                most = max(most, busy)
                threading.Event().wait(0)  # lets go of the interpreter
                busy -= 1

    for thread in [begun(work) for _ in range(4)]:
        thread.join()
    assert (busy, most) == (0, 1)


def test_whoever_waits_for_something_lets_others_be_busy() -> None:
    done, told = threading.Event(), []

    def other() -> None:
        with carried():
            told.append("other")
        done.set()

    with carried():
        begun(other)
        with put_down():
            assert done.wait(30)
        told.append("first")
    assert told == ["other", "first"]


def test_nobody_is_held_up_by_work_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baton, "PATIENCE", 0.01)
    done = threading.Event()

    def other() -> None:
        with carried(), put_down():
            pass
        done.set()

    with carried():
        begun(other)
        wait_for("the other", done.is_set)
    with carried():  # the one who went ahead without it has not given it away
        assert baton._baton.locked()
    assert not baton._baton.locked()


def test_a_fault_gives_it_back() -> None:
    with pytest.raises(ZeroDivisionError), carried(), put_down():
        raise ZeroDivisionError
    assert not baton._baton.locked()


def test_who_is_not_in_turn_need_not_wait() -> None:
    with carried():
        thread = begun(lambda: put_down().__enter__())
        thread.join(30)
        assert not thread.is_alive()
