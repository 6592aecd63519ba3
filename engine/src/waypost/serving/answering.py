"""From the body of a request to its reply: in the event loop if that is quick, else in a thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from waypost.errors import WaypostError
from waypost.inference.compiled import Answer
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import OddError, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.model_cache import ReadyModel
from waypost.inference.original import Original, sampled
from waypost.inference.table import Rows, Table
from waypost.serving.bodies import SMALL_BYTES, busy
from waypost.serving.fields import Field
from waypost.serving.json_tables import one_row
from waypost.serving.metrics import Entry
from waypost.serving.original_requests import asked
from waypost.serving.prediction_log import Answered, Journal
from waypost.serving.protocol import CSV, JSON, parsed, table_of
from waypost.serving.repeated import Repeated
from waypost.serving.replies import Headers, Reply, forget_frames
from waypost.serving.reply_bodies import reply
from waypost.serving.threads import BusyError, Threads, Work
from waypost.serving.unpacking import Unpacker

# Larger bodies, more rows, and compressed bodies are handled in a thread, so that the next request does not
# wait.
_QUICK_KINDS, _QUICK_ROWS = (JSON, CSV), 64
_MOST_WAITING = 256
_MOST_LOST = 4  # multiple of the threads at work
_MOST_UNPACKING = 4
_BELOW_ONE = [b"0.%03d" % micros for micros in range(1000)]
"""Texts of times below a millisecond: a float takes ten times as long to format."""

T = TypeVar("T")
MAIN = "main"
"""The role of a server's main model."""


@dataclass(frozen=True)
class Served:
    """The current model, with everything that is the same for all requests."""

    fetched: FetchedModel
    model: ReadyModel
    classes: list[Any] | None
    headers: Headers
    document: dict[str, Any]
    facts: dict[str, str]
    role: str = MAIN
    fields: tuple[Field, ...] = ()


class Answering:
    """Answers invocations, each within `seconds`."""

    def __init__(
        self, limits: Limits, seconds: float, journal: Journal | None, threads: Threads | None = None
    ) -> None:
        cores = os.cpu_count() or 1
        self._limits = limits
        self._seconds = seconds
        self._journal = journal
        self._threads = threads or Threads(
            cores, waiting=_MOST_WAITING, lost=_MOST_LOST * cores, name="predict"
        )
        self._unpacker = Unpacker(min(cores, _MOST_UNPACKING), seconds)
        self._repeated = Repeated()
        self._one_json, self._loading = threading.Lock(), threading.Lock()

    async def answer(
        self, served: Served, kind: str, body: bytes, entry: Entry, *, in_thread: bool = False
    ) -> Reply:
        """Returns the reply to a request; `in_thread`: always in a thread.

        Raises TableError, RequestError if there is no answer.
        """
        if isinstance(served.model.answers, Original):
            return await self.in_thread(partial(self._left_to_mlflow, served, kind, body, entry))
        try:
            return await self._compiled(served, kind, body, entry, in_thread=in_thread)
        except OddError as error:
            forget_frames(error)
            left = partial(self._left_to_mlflow, served, kind, body, entry, problem=error)
            return await self.in_thread(left)

    def at_once(self, served: Served, body: bytes, entry: Entry) -> Reply | None:
        """Returns the reply to a small request in JSON, or None if it would take longer than others should
        wait.

        Raises TableError; OddError if MLflow's own code has to read the body.
        """
        if isinstance(served.model.answers, Original) or not served.model.proof.is_equal:
            return None
        began = time.perf_counter()
        content = self._repeated.parsed(body)
        entry.parse = time.perf_counter() - began
        if self._journal is None and (reply := self._of_one_row(served, content, entry)):
            return reply
        table, wants = self._table(served, JSON, content, entry)
        return self._predicted(served, table, entry, wants=wants) if len(table) <= _QUICK_ROWS else None

    def _of_one_row(self, served: Served, content: Any, entry: Entry) -> Reply | None:
        """Returns the reply to one plain row, None for all others. Raises RequestError."""
        answers: Any = served.model.answers  # a compiled form: `at_once` has checked
        began = time.perf_counter()
        found = one_row(content, answers.layout)
        if found is None:
            return None
        self._limits.check_rows(1, answers.layout)
        read = time.perf_counter()
        answer = answers.of_cells(*found)
        if answer is None:
            return None
        entry.validate, entry.predict, entry.rows = read - began, time.perf_counter() - read, 1
        return _replied(served, entry, reply(answer, served.classes, wants_probabilities=False))

    async def _compiled(
        self, served: Served, kind: str, body: bytes, entry: Entry, *, in_thread: bool
    ) -> Reply:
        """Answers with the compiled form. Raises OddError if MLflow's own code has to read the body."""
        if in_thread or len(body) > SMALL_BYTES or kind not in _QUICK_KINDS:
            return await self.in_thread(partial(self._computed, served, kind, body, entry))
        table, wants = self._read(served, kind, body, entry)
        if len(table) <= _QUICK_ROWS and served.model.proof.is_equal:
            return self._predicted(served, table, entry, wants=wants)
        return await self.in_thread(partial(self._predicted, served, table, entry, wants=wants))

    @property
    def is_full(self) -> bool:
        """Whether a request that needs a thread would be refused now."""
        return self._threads.is_full

    async def in_thread(self, function: Callable[[Work[T]], T]) -> T:
        """Returns the result of a function, run in a thread. Raises RequestError if all are busy, or on
        timeout.
        """
        try:
            return await self._threads.run(function, self._seconds)
        except BusyError:
            raise busy("the server is busy: all threads are at work, and the queue is full") from None
        except TimeoutError:
            problem = f"no answer within {self._seconds:g} s"
            raise RequestError(problem, status=504, hint="send fewer rows") from None

    def _computed(self, served: Served, kind: str, body: bytes, entry: Entry, work: Work[Reply]) -> Reply:
        """Answers a large request, entirely in a thread."""
        if kind == JSON:
            # The interpreter parses one at a time anyway; each takes many times the size of its body
            # meanwhile.
            with self._one_json:
                work.check()
                table, wants = self._read(served, kind, body, entry)
        else:
            table, wants = self._read(served, kind, body, entry)
        return self._predicted(served, table, entry, work, wants=wants)

    def _read(self, served: Served, kind: str, body: bytes, entry: Entry) -> tuple[Table | Rows, bool]:
        """Returns (table, whether probabilities are requested). Raises TableError."""
        began = time.perf_counter()
        content = parsed(kind, body)
        entry.parse = time.perf_counter() - began
        return self._table(served, kind, content, entry)

    def _table(self, served: Served, kind: str, content: Any, entry: Entry) -> tuple[Table | Rows, bool]:
        """Returns the same for a parsed body. Raises TableError."""
        began = time.perf_counter()
        layout = served.model.answers.layout
        table, wants = table_of(kind, content, layout, self._limits, self._unpacker.unpack)
        entry.validate, entry.rows = time.perf_counter() - began, len(table)
        return table, wants

    def _predicted(
        self,
        served: Served,
        table: Table | Rows,
        entry: Entry,
        work: Work[Reply] | None = None,
        *,
        wants: bool,
    ) -> Reply:
        began = time.perf_counter()
        answers: Any = served.model.answers  # a compiled form: `answer` has checked
        if not len(table):
            raise OddError("there are no rows")
        answer = answers.predict(table, work.check if work else None)
        entry.predict = time.perf_counter() - began
        body = reply(answer, served.classes, wants_probabilities=wants)
        if self._journal and self._journal.keeps(entry.id):
            self._journal.take(_answered(served, entry, table, answer))
        return _replied(served, entry, body)

    def _left_to_mlflow(
        self,
        served: Served,
        kind: str,
        body: bytes,
        entry: Entry,
        work: Work[Reply],
        *,
        problem: OddError | None = None,
    ) -> Reply:
        """Answers with the original, as MLflow's server does. If that refuses it, too, `problem` is
        raised.
        """
        try:
            with self._loading:
                work.check()
                original = served.model.original
            began = time.perf_counter()
            given = asked(
                kind, body, original.layout, served.model.mlmodel.params, self._limits, self._unpacker.check
            )
            entry.validate = time.perf_counter() - began
            keeps = self._journal is not None and self._journal.keeps(entry.id)
            response = original.respond(*given[:2], self._limits, chances=given[2], keeps=keeps)
        except WaypostError as error:
            is_told = problem is not None and not (isinstance(error, TableError) and error.status != 400)
            raise (problem if problem and is_told else error) from error
        entry.parse, entry.predict, entry.rows = response.parse, response.predict, response.rows
        if self._journal and keeps:
            if pair := sampled(response, original.layout):
                self._journal.take(_answered(served, entry, *pair))
            else:
                self._journal.lose(response.rows)
        return _replied(served, entry, response.body)

    def end(self) -> None:
        """Ends its processes. Threads that are still at work end with the process."""
        self._unpacker.end()


def _replied(served: Served, entry: Entry, body: bytes) -> Reply:
    """Returns the reply with an answer."""
    return Reply(200, body, headers=[_timing(entry), *served.headers])


def _timing(entry: Entry) -> tuple[bytes, bytes]:
    seconds = _milliseconds(entry.parse), _milliseconds(entry.validate), _milliseconds(entry.predict)
    return b"server-timing", b"parse;dur=%b, validate;dur=%b, predict;dur=%b" % seconds


def _milliseconds(seconds: float) -> bytes:
    """Returns seconds as text of milliseconds."""
    micros = round(seconds * 1e6)
    return _BELOW_ONE[micros] if micros < len(_BELOW_ONE) else b"%.3f" % (seconds * 1000)


def _answered(served: Served, entry: Entry, table: Table | Rows, answer: Answer) -> Answered:
    seconds = entry.parse + entry.validate + entry.predict
    layout = served.model.answers.layout
    return Answered(entry.id, served.fetched.label, served.role, seconds, layout, table, answer)
