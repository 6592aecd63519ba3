"""Threads for work that would block the event loop: few, with a bounded queue and a limit on waiting.

A thread cannot be stopped. A thread with abandoned work is lost: another takes its place, unless too many are
lost already. The threads are daemons, so that the process ends without them.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """There is already more work than can be done in time."""


class AbandonedError(Exception):
    """This work was abandoned."""


class Work(Generic[T]):
    """A piece of work for a thread. It is passed to its function, which calls `check` regularly."""

    def __init__(self, function: Callable[[Work[T]], T], seconds: float | None = None) -> None:
        self._function = function
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds
        self.future: Future[T] = Future()
        self.is_taken = self.is_over = self.is_given_up = False

    def check(self) -> None:
        """Raises AbandonedError once the work is abandoned."""
        if self.is_given_up:
            raise AbandonedError

    def is_late(self) -> bool:
        """Returns whether the work is abandoned."""
        return time.monotonic() >= self._deadline

    def run(self) -> None:
        """Does the work, and sets the future's result or error."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._function(self)
        except BaseException as error:  # raised where the result is awaited
            self.future.set_exception(_carried(error))
            del self  # its frame is in the error's traceback, which the future holds
        else:
            self.future.set_result(result)


# Futures give these errors another meaning, and an error that is not an Exception would end the event loop.
_OF_FUTURES = (StopIteration, TimeoutError, CancelledError)


def _carried(error: BaseException) -> Exception:
    """Returns an error that a future can pass on, distinct from the future's own errors."""
    if isinstance(error, Exception) and not isinstance(error, _OF_FUTURES):
        return error
    carried = RuntimeError(f"{type(error).__name__}: {error}")
    carried.__cause__ = error
    return carried


class Threads:
    """Up to `count` threads, and up to `waiting` queued pieces of work. Up to `lost` additional threads may
    be busy with abandoned work.
    """

    def __init__(self, count: int, *, waiting: int, lost: int, name: str) -> None:
        self._count = count
        self._most_waiting = waiting
        self._most_lost = lost
        self._name = name
        self._queue: deque[Work[Any]] = deque()
        self._change = threading.Condition()
        self._idle = self._busy = self._lost = 0  # each thread is one of these

    @property
    def is_full(self) -> bool:
        """Whether more work would be refused."""
        room = self._most_waiting + self._count - self._busy
        return len(self._queue) >= room or self._lost >= self._most_lost

    async def run(self, function: Callable[[Work[T]], T], seconds: float | None = None) -> T:
        """Returns the result of a function, run in a thread. Raises BusyError if the queue is full,
        TimeoutError if it takes longer than `seconds`.
        """
        work = Work(function, seconds)
        with self._change:
            if self.is_full:
                raise BusyError
            self._queue.append(work)
            self._call()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work.future), seconds)
        finally:
            self._give_up(work)

    def _call(self) -> None:
        """Wakes an idle thread, or starts a new one if allowed."""
        is_room = self._idle + self._busy < self._count and self._lost < self._most_lost
        if len(self._queue) > self._idle and is_room:
            self._idle += 1
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        self._change.notify()

    def _serve(self) -> None:
        """Does queued work, until there are enough threads without this one."""
        is_needed = True
        while is_needed:
            work = self._next()
            work.run()
            with self._change:
                work.is_over = True
                is_needed = self._returned(is_lost=work.is_given_up)
            del work  # do not keep a large body until the next work arrives

    def _next(self) -> Work[Any]:
        """Waits for work that is not yet abandoned, and takes it."""
        with self._change:
            while True:
                while not self._queue:
                    self._change.wait()
                work = self._queue.popleft()
                work.is_taken = True
                if not work.is_late():
                    self._idle -= 1
                    self._busy += 1
                    return work
                work.is_over = True

    def _returned(self, *, is_lost: bool) -> bool:
        """Counts a thread that has finished its work; returns whether it is still needed."""
        if is_lost:
            self._lost -= 1
            if self._idle + self._busy >= self._count:
                return False
        else:
            self._busy -= 1
        self._idle += 1
        return True

    def _give_up(self, work: Work[Any]) -> None:
        """Removes abandoned work from the queue, or counts its thread as lost if it has begun."""
        with self._change:
            if not work.is_taken:
                work.future.cancel()
                self._queue.remove(work)
            elif not work.is_over and not work.future.done():
                work.is_given_up = True
                self._busy -= 1
                self._lost += 1
                self._call()
