"""The server: an ASGI application for MLflow's scoring protocol, with one model at a time.

A request takes some 40 µs in the process, half of them for JSON, features and trees: therefore there is no
web framework.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from waypost.compat.uvicorn_replies import sent_at_once, takes_at_once
from waypost.inference.layout import OddError, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.serving.answering import MAIN, Answering, Served
from waypost.serving.bodies import SMALL_BYTES, Bodies, GoneError, Receive, busy, is_gzip
from waypost.serving.certificates import Certificate, own
from waypost.serving.chores import Chores
from waypost.serving.cors import Origins
from waypost.serving.feedback import FEEDBACK, labels_of
from waypost.serving.metrics import Entry, Monitor
from waypost.serving.pages import OPEN, Pages
from waypost.serving.prediction_log import Journal
from waypost.serving.protocol import JSON, content_type
from waypost.serving.replies import Headers, Reply, failure, forget_frames, refusal
from waypost.serving.roles import Roles
from waypost.serving.settings import VARIABLE, Settings
from waypost.serving.shadow import Shadow
from waypost.serving.shutdown import after_signal, at_most
from waypost.serving.tokens import Guard
from waypost.texts.escaping import one_line, terminal_text

INVOCATIONS = "/invocations"
GONE = 499
"""The status in log and metrics if a client disconnects before its request is complete."""

_JSON = JSON.encode()
_UNUSUAL = frozenset({b"content-encoding", b"expect"})
"""Headers of requests that are not answered at once."""

_FLUSH_SECONDS = 0.05
_WRITING_SECONDS = 1.0

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """Answers requests. The model is loaded when the server starts, and when `state` names another."""

    def __init__(self, settings: Settings, guard: Guard, certificate: Certificate | None = None) -> None:
        self._settings = settings
        self._guard = guard
        self._origins = Origins(settings.origins) if settings.origins else None
        self._monitor = Monitor(settings.state.parent, _written if settings.logs_access else None)
        self._bodies = Bodies(settings.most_bytes, settings.seconds)
        self._numbers = itertools.count()
        self._prefix = secrets.token_hex(4)
        self._journal = Journal(settings.log, settings.log_share) if settings.log else None
        self._models = Roles(settings, _log, needs_token=guard.bearer is not None)
        limits = Limits(settings.most_rows, settings.most_unpacked)
        self._answering = Answering(limits, settings.seconds, self._journal)
        self._shadow = (
            Shadow(limits, settings.seconds, self._journal, self._monitor, settings.most_bytes)
            if settings.shadow
            else None
        )
        self._pages = Pages(self._models, self._answering, self._monitor).routes
        self._chores = Chores(settings, self._models, guard, certificate, self._journal, self._monitor, _log)
        self._posts = {INVOCATIONS, FEEDBACK} if self._journal else {INVOCATIONS}
        self._paths = {*self._posts, *self._pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        started = time.perf_counter()
        given = dict(scope["headers"])
        entry = self._entry(scope, given)
        reply = await self._reply_to(given, receive, entry)
        entry.seconds = time.perf_counter() - started
        entry.status, entry.problem = reply.status, reply.problem
        if entry.path not in self._paths:
            entry.path = "other"  # unknown paths must not become labels of a metric
        if reply.status != GONE:
            await self._send(reply, given, entry, receive, send)
        self._monitor.note(entry)

    def at_once(self, scope: Scope, body: bytes | bytearray, send: Send) -> bool:
        """Answers a small invocation that has arrived completely, within this call.

        Returns whether it did. If not, nothing is sent, counted or logged, and `__call__` has to answer the
        request. Without a task, a request takes a fifth less time.
        """
        started = time.perf_counter()
        given = dict(scope["headers"])
        if (
            scope["path"] != INVOCATIONS
            or given.get(b"content-type") != _JSON
            or not given.keys().isdisjoint(_UNUSUAL)
            or len(body) > min(SMALL_BYTES, self._settings.most_bytes)
            or not self._models.is_one
            or self._origins
            or not takes_at_once(send)
        ):
            return False
        entry = self._entry(scope, given)
        if self._refused(given, entry):
            return False
        served = self._models.main.now
        try:
            reply = self._answering.at_once(served, bytes(body), entry)
        except OddError as error:
            forget_frames(error)
            return False
        except TableError as error:
            reply = refusal(error, *served.headers)
        except Exception as error:
            reply = self._failed(error, entry)
        if reply is None:
            return False
        entry.seconds = time.perf_counter() - started
        entry.status, entry.problem = reply.status, reply.problem
        is_sent = sent_at_once(send, reply.status, _headers(reply, entry), reply.body)
        if is_sent:
            self._monitor.note(entry)
        return is_sent

    def _entry(self, scope: Scope, given: dict[bytes, bytes]) -> Entry:
        """Returns the beginning of a request's line in the access log."""
        name = given.get(b"x-request-id", b"")
        if not name or len(name) > 128 or not name.isascii() or not name.decode().isprintable():
            text = f"{self._prefix}-{next(self._numbers)}"
        else:
            text = name.decode()
        path = scope["path"]
        if path not in self._paths:
            path = path.rstrip("/") or "/"
        client = scope["client"][0] if scope.get("client") else ""
        label = self._models.main.now.fetched.label
        return Entry(time.time(), text, client, scope["method"], path, label)

    async def _reply_to(self, given: dict[bytes, bytes], receive: Receive, entry: Entry) -> Reply:
        """Returns the reply to a request, whatever happens."""
        try:
            return self._refused(given, entry) or await self._answered(given, receive, entry)
        except asyncio.CancelledError:  # the grace period of the shutdown is over
            return refusal(busy("the server is shutting down"))
        except GoneError:
            return Reply(GONE, b"", problem="the client went away")
        except (
            Exception
        ) as error:  # a bug of Waypost or the model: counted and logged, without effect on other requests
            return self._failed(error, entry)

    def _failed(self, error: Exception, entry: Entry) -> Reply:
        """Returns the reply for a failure, which is logged."""
        reply = failure(error, entry.id)
        _log(f"request {entry.id}: {reply.problem}")
        return reply

    async def _send(
        self, reply: Reply, given: dict[bytes, bytes], entry: Entry, receive: Receive, send: Send
    ) -> None:
        headers = _headers(reply, entry)
        if self._origins:
            headers += self._origins.headers(given)
        is_plain = not reply.is_early and entry.method != "HEAD"
        if is_plain and sent_at_once(send, reply.status, headers, reply.body):
            return
        if reply.is_early and b"expect" in given:  # the client waits for `100 Continue`, and does not get it
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if entry.method == "HEAD" else reply.body
        if reply.is_early and _is_sent(given):
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = b""
            await self._bodies.drain(receive)
        await send({"type": "http.response.body", "body": body})

    def _refused(self, given: dict[bytes, bytes], entry: Entry) -> Reply | None:
        """Returns the reply to a refused request, None for an accepted one."""
        path, method = entry.path, entry.method
        if path not in self._paths:
            error = RequestError(f"there is no {path!r}", status=404, hint="see /docs")
            return refusal(error, is_early=True)
        if self._origins and (allows := self._origins.preflight(method, given)) is not None:
            return Reply(204, b"", headers=allows)
        if self._guard.bearer and path not in OPEN:
            caller = self._guard.bearer.caller(given.get(b"authorization", b""))
            if caller is None:
                error = RequestError("the bearer token is missing or wrong", status=401)
                return refusal(error, (b"www-authenticate", b"Bearer"), is_early=True)
            entry.caller = caller
        allowed = "POST" if path in self._posts else "GET"
        if method != allowed and not (method == "HEAD" and allowed == "GET"):
            error = RequestError(f"{path} takes {allowed}, not {method}", status=405)
            return refusal(error, (b"allow", allowed.encode()), is_early=True)
        return None

    async def _answered(self, given: dict[bytes, bytes], receive: Receive, entry: Entry) -> Reply:
        """Returns the reply to an accepted request: a page, an answer, or a receipt for feedback."""
        if entry.path not in self._posts:
            return self._pages[entry.path]()
        # The request keeps this model, even if the alias moves.
        served = self._models.main.now if self._models.is_one else self._models.chosen(entry.id)
        if not self._models.is_one:
            entry.model, entry.role = served.fetched.label, served.role
        try:
            kind = content_type(given.get(b"content-type", b"").decode("latin-1"))
            encoding = given.get(b"content-encoding")
            is_packed = encoding is not None and is_gzip(encoding)
            body = await self._bodies.receive(given.get(b"content-length", b""), receive)
        except TableError as error:
            return refusal(error, *served.headers, is_early=True)
        try:
            if is_packed:
                body = await self._bodies.unpacked(body, self._answering.in_thread)
            if entry.path == INVOCATIONS:
                reply = await self._answering.answer(served, kind, body, entry)
                if self._shadow:
                    self._ask_shadow(self._shadow, served, kind, body, entry, reply)
                return reply
            return await self._taken(kind, body)
        except TableError as error:
            return refusal(error, *served.headers)
        finally:
            self._bodies.release(body)

    def _ask_shadow(
        self, shadow: Shadow, served: Served, kind: str, body: bytes, entry: Entry, reply: Reply
    ) -> None:
        """Sends a request of the main model to the shadow, if it is sampled; the reply's headers say so."""
        other = self._models.shadowed(entry.id) if served.role == MAIN else None
        if other is not None:
            shadow.ask(other, kind, body, entry, reply)
            reply.headers.append((b"x-shadow-model", other.headers[0][1]))

    async def _taken(self, kind: str, body: bytes) -> Reply:
        """Keeps the labels of a body. Raises RequestError."""
        if kind != JSON or self._journal is None:
            raise RequestError(f"{FEEDBACK} takes {JSON}", status=415)
        labels = await self._answering.in_thread(lambda _: labels_of(body, self._settings.most_rows))
        if not self._journal.label(labels):
            raise busy("earlier entries are not yet written to disk")
        return Reply(202, orjson.dumps({"labels": len(labels)}))

    async def _live(self, receive: Receive, send: Send) -> None:
        """Loads the model before the first request, and flushes logs and metrics after the last."""
        await receive()
        if threading.current_thread() is threading.main_thread():
            after_signal(self._settings.forced, self._end_by_force)
        try:
            self._chores.load()
        except Exception as error:  # any cause is logged, and the server ends
            await send({"type": "lifespan.startup.failed", "message": terminal_text(str(error))})
            return
        # These objects stay: the garbage collector must not scan them during requests.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 50, 50)  # often enough that failed requests do not pile up
        tasks = [asyncio.create_task(self._again(chore)) for chore in (self._look_after, self._chores.follow)]
        await send({"type": "lifespan.startup.complete"})
        await asyncio.sleep(_FLUSH_SECONDS)  # the server listens after that message, not before
        ready_file(self._settings.state).touch()
        await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._answering.end()
        if self._shadow:
            self._shadow.end()
        self._write_down()
        await send({"type": "lifespan.shutdown.complete"})

    def _write_down(self) -> None:
        self._monitor.flush()
        self._chores.write_log()

    def _end_by_force(self) -> None:
        """Ends the process after its grace period, even if a pipe is full."""
        problem = f"still busy {self._settings.forced:g} s after the signal: ended by force"
        at_most(_WRITING_SECONDS, lambda: _log(problem), self._write_down)
        os._exit(1)

    async def _again(self, chore: Callable[[], Awaitable[None]]) -> None:
        """Does a chore at short intervals while the server runs."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await chore()
            except Exception as error:  # the current model keeps answering
                self._models.main.note_trouble(f"{type(error).__name__}: {error}")

    async def _look_after(self) -> None:
        """Flushes the log, and ends late requests."""
        self._bodies.end_late()
        for _ in self._monitor.steps():
            await asyncio.sleep(0)


def _headers(reply: Reply, entry: Entry) -> Headers:
    return [
        (b"content-type", reply.type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", entry.id.encode()),
        *reply.headers,
    ]


def _is_sent(given: dict[bytes, bytes]) -> bool:
    """Returns whether a client sends a body even if the request is refused."""
    has_body = b"transfer-encoding" in given or given.get(b"content-length", b"0") != b"0"
    return has_body and b"expect" not in given


def _log(text: str) -> None:
    sys.stderr.write(f"waypost serve: {one_line(text)}\n")
    sys.stderr.flush()


def _written(lines: bytes) -> None:
    if (out := sys.__stdout__) is not None:
        out.buffer.write(lines)
        out.buffer.flush()


def ready_file(state: Path) -> Path:
    """Returns the file that exists once a worker answers."""
    return state.with_name("ready")


def application() -> Application:
    """Returns the application described by the environment; uvicorn calls it in each worker."""
    sys.stdout = sys.stderr  # a model's output must not mix with the access log
    settings = Settings.model_validate_json(os.environ[VARIABLE])
    return Application(settings, Guard(settings.token_file, os.environ), own())
