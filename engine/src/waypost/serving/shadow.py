"""A shadow: a model that receives the main model's requests. No client waits for it, or gets its answer."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import orjson

from waypost.inference.layout import TableError
from waypost.inference.limits import Limits
from waypost.serving.answering import Answering, Served
from waypost.serving.metrics import Entry, Monitor
from waypost.serving.prediction_log import Journal
from waypost.serving.replies import Reply, forget_frames
from waypost.serving.threads import Threads

_MOST_WAITING = 16
EQUAL, DIFFERENT, REFUSED = "equal", "different", "refused"
LATE, FAILED, DROPPED = "late", "failed", "dropped"
_OUTCOMES = {503: DROPPED, 504: LATE}


class Shadow:
    """Calls a model in its own thread; if it is too slow, requests are dropped, and counted.

    Args: `most_bytes` is the limit of queued bodies.
    """

    def __init__(
        self, limits: Limits, seconds: float, journal: Journal | None, monitor: Monitor, most_bytes: int
    ) -> None:
        threads = Threads(1, waiting=_MOST_WAITING, lost=1, name="shadow")
        self._answering = Answering(limits, seconds, journal, threads)
        self._monitor = monitor
        self._most_bytes = most_bytes
        self._held = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, served: Served, kind: str, body: bytes, entry: Entry, reply: Reply) -> None:
        """Queues a request that was answered, and returns at once."""
        if len(self._tasks) > _MOST_WAITING or self._held + len(body) > self._most_bytes:
            self._monitor.shadowed(served.fetched.label, DROPPED, 0.0)
            return
        self._held += len(body)
        own = dataclasses.replace(entry, model=served.fetched.label, role=served.role)
        task = asyncio.create_task(self._asked(served, kind, body, own, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _asked(self, served: Served, kind: str, body: bytes, entry: Entry, reply: Reply) -> None:
        began = time.perf_counter()
        try:
            answer = await self._answering.answer(served, kind, body, entry, in_thread=True)
            is_equal = await self._answering.in_thread(lambda _: agree(reply.body, answer.body))
            outcome = EQUAL if is_equal else DIFFERENT
        except TableError as error:
            forget_frames(error)
            outcome = _OUTCOMES.get(error.status, REFUSED)
        except Exception as error:  # any failure of the model is counted, and affects no client
            forget_frames(error)
            outcome = FAILED
        finally:
            self._held -= len(body)
        self._monitor.shadowed(served.fetched.label, outcome, time.perf_counter() - began)

    def end(self) -> None:
        """Drops the requests in the queue."""
        for task in self._tasks:
            task.cancel()
        self._answering.end()


def agree(one: bytes, other: bytes) -> bool:
    """Returns whether two replies have the same predictions."""
    if one == other:
        return True
    found: list[Any] = [orjson.loads(body).get("predictions") for body in (one, other)]
    return bool(found[0] == found[1])
