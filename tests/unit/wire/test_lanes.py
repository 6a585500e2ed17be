"""Work that is done in order in threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pegbox.wire.rest_s3.lanes import TURN, Lane


def test_everything_is_done_in_order_by_one_thread_at_a_time() -> None:
    done: list[int] = []
    alone = threading.Lock()

    def work(number: int) -> None:
        assert alone.acquire(blocking=False)
        done.append(number)
        alone.release()

    async def main() -> None:
        lane = Lane(work)
        for number in range(0, 100, 10):
            await asyncio.gather(*map(lane.do, range(number, number + 10)))
            assert done == list(range(number + 10))
        for number in range(100, 100 + 3 * TURN):
            lane.do(number)
        await lane.rest()

    asyncio.run(main())
    assert done == list(range(100 + 3 * TURN))


def test_after_a_failure_nothing_is_done() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise OSError("the disk is full")
        done.append(number)

    async def main() -> None:
        lane = Lane(work)
        outcomes = await asyncio.gather(*map(lane.do, range(10)), return_exceptions=True)
        assert [outcome is None for outcome in outcomes] == [True] * 3 + [False] * 7
        with pytest.raises(OSError, match="full"):
            await lane.do(10)
        await lane.rest()

    asyncio.run(main())
    assert done == [0, 1, 2]


def test_whoever_gives_up_is_waited_for() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        begun.set()
        assert go_on.wait(60)
        done.append(number)

    async def main() -> None:
        lane = Lane(work)
        given_up = lane.do(1)
        lane.do(2)
        await asyncio.to_thread(begun.wait, 60)
        given_up.cancel()
        go_on.set()
        await lane.rest()
        assert done == [1, 2]

    asyncio.run(main())
