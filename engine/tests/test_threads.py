"""Threads beside the event loop: what waits is bounded, and work that takes too long is given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from waypost.serving.threads import AbandonedError, BusyError, Threads, Work


def threads(count: int = 2, waiting: int = 2, lost: int = 2, name: str = "test") -> Threads:
    return Threads(count, waiting=waiting, lost=lost, name=name)


class Gate:
    """Work that lasts until the gate is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, work: Work[str]) -> str:
        self.begun.release()
        assert self.open.wait(20)
        return "through"


def test_gives_results_and_errors() -> None:
    """What a function returns or raises in the thread arrives where it is waited for."""

    def wrong(work: Work[str]) -> str:
        raise ValueError("no")

    async def asked() -> str:
        beside = threads()
        with pytest.raises(ValueError, match="no"):
            await beside.run(wrong)
        return await beside.run(lambda _: threading.current_thread().name)

    assert asyncio.run(asked()) == "test"


def test_so_many_at_once_and_so_many_wait() -> None:
    """Two are at work and two wait; the fifth is refused at once, and afterwards there is room again."""

    async def asked() -> list[str]:
        beside, gate = threads(), Gate()
        tasks = [asyncio.create_task(beside.run(gate)) for _ in range(4)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            await beside.run(gate)
        gate.open.set()
        await asyncio.gather(*tasks)
        assert gate.begun.acquire(timeout=1)
        return [*(await asyncio.gather(*tasks)), await beside.run(gate)]

    assert asyncio.run(asked()) == ["through"] * 5


def test_what_waits_too_long_is_never_begun() -> None:
    """Work that is given up in the queue leaves it: its place is free, and no thread does it later."""
    done: list[int] = []

    async def asked() -> None:
        beside, gate = threads(count=1, waiting=1), Gate()
        first = asyncio.create_task(beside.run(gate))
        await asyncio.sleep(0.05)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await beside.run(lambda _: done.append(1), 0.01)
        gate.open.set()
        await first
        await beside.run(lambda _: done.append(2))

    asyncio.run(asked())
    assert done == [2]


def test_lost_threads_are_replaced_up_to_a_number() -> None:
    """A thread whose work takes too long is replaced; where too many are lost, work is refused; when they
    come back, it goes on with as many threads as before.
    """

    async def asked() -> None:
        beside, gate = threads(count=1, lost=2, name="replaced"), Gate()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await beside.run(gate, 0.05)
        with pytest.raises(BusyError):
            await beside.run(lambda _: None)
        gate.open.set()
        await until(lambda: running("replaced") == 1)
        assert await beside.run(lambda _: "again") == "again"

    asyncio.run(asked())


def running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen within 5 s")


def test_work_is_told_that_it_is_given_up() -> None:
    """Work that asks is stopped once nobody waits for it."""
    left = threading.Event()

    def long(work: Work[Any]) -> None:
        try:
            while not left.wait(0.005):
                work.check()
        except AbandonedError:
            left.set()

    async def asked() -> None:
        with pytest.raises(TimeoutError):
            await threads().run(long, 0.05)

    asyncio.run(asked())
    assert left.wait(5)


def test_many_are_done_whatever_is_given_up() -> None:
    """A thousand pieces of work of which a third is given up at any moment: the others are all done."""

    async def one(beside: Threads, number: int) -> str:
        def work(own: Work[str]) -> str:
            threading.Event().wait(0.002 * (number % 3))
            return "done"

        try:
            return await beside.run(work, 0.001 if number % 3 == 2 else None)
        except TimeoutError:
            return "late"

    async def asked() -> list[str]:
        beside = threads(count=4, waiting=1000, lost=1000)
        return await asyncio.gather(*(one(beside, number) for number in range(1000)))

    found = asyncio.run(asked())
    assert all(said == "done" for number, said in enumerate(found) if number % 3 != 2)
