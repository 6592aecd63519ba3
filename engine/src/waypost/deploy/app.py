"""The server: an ASGI application that speaks MLflow's scoring protocol, on one model at a time.

One request costs some 60 µs beside the forest; that is why there is no framework between it and the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.metadata
import itertools
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from waypost import __version__
from waypost.contracts.escaping import one_line, terminal_text
from waypost.deploy.bearer import TOKEN, Bearer
from waypost.deploy.bringing import Brought, read_state
from waypost.deploy.compiled import Answer
from waypost.deploy.describe import example_of, openapi, page
from waypost.deploy.layout import TableError
from waypost.deploy.limits import BECOMES, MIB, Limits, RequestError
from waypost.deploy.models import Ready, ready
from waypost.deploy.monitor import METRICS_TYPE, Entry, Monitor
from waypost.deploy.protocol import (
    CSV,
    JSON,
    content_type,
    error_reply,
    parsed,
    reply,
    table_of,
)
from waypost.deploy.sampling import Sampler
from waypost.deploy.table import Rows, Table
from waypost.deploy.unpacking import Unpacker

SETTINGS = "WAYPOST_SERVING"
_FLUSH_SECONDS = 0.05
# Larger bodies are read, and more rows answered, in a thread: the next request does not wait for them.
_QUICK_BYTES, _QUICK_ROWS = 32_768, 64

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Settings(BaseModel):
    """How to serve; it comes by an environment variable, since workers are processes of their own."""

    model_config = ConfigDict(frozen=True)

    state: Path
    most_bytes: int = 16 * 1024 * 1024
    most_unpacked: int = 16 * BECOMES * MIB
    most_rows: int = 100_000
    seconds: float = 30.0
    logs_access: bool = True
    samples: Path | None = None
    sample_rate: float = 0.0


@dataclass(frozen=True)
class _Served:
    """The model of now, with what does not change from request to request."""

    brought: Brought
    made: Ready
    classes: list[Any] | None
    headers: Headers
    document: dict[str, Any]
    facts: dict[str, str]


class _GoneError(Exception):
    """The client went away before its request was here."""


@dataclass(slots=True)
class _Reply:
    status: int
    body: bytes
    type: bytes = b"application/json"
    headers: Headers = field(default_factory=list)
    problem: str = ""


class Application:
    """Answers requests. The model is loaded when the server starts, and again when `state` names another."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._bearer = Bearer(token) if token else None
        self._limits = Limits(settings.most_rows, settings.most_unpacked)
        self._monitor = Monitor(settings.state.parent, _written if settings.logs_access else None)
        self._unpacker = Unpacker(os.cpu_count() or 1, settings.seconds)
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "predict")
        self._numbers = itertools.count()
        self._prefix = secrets.token_hex(4)
        self._served: _Served | None = None
        self._stamp: tuple[int, int] = (0, 0)
        self._told = ""
        self._sampler = Sampler(settings.samples, settings.sample_rate) if settings.samples else None
        self._receiving: dict[asyncio.Task[Any] | None, float] = {}
        self._late: set[asyncio.Task[Any] | None] = set()
        self._watching: asyncio.Task[None] | None = None
        self._routes: dict[tuple[str, str], Callable[[], _Reply]] = {
            ("GET", "/ping"): self._ping,
            ("GET", "/health"): self._ping,
            ("GET", "/version"): self._version,
            ("GET", "/model"): self._model,
            ("GET", "/openapi.json"): lambda: _Reply(200, orjson.dumps(self._now.document)),
            ("GET", "/docs"): self._docs,
            ("GET", "/metrics"): lambda: _Reply(200, self._monitor.metrics(self._now.facts), METRICS_TYPE),
        }
        self._paths = {"/invocations", *(path for _, path in self._routes)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        began, started = datetime.now(UTC), time.perf_counter()
        given = dict(scope["headers"])
        name = given.get(b"x-request-id", b"")
        if not name or len(name) > 128 or not name.isascii() or not name.decode().isprintable():
            name = f"{self._prefix}-{next(self._numbers)}".encode()
        path, method = scope["path"], scope["method"]
        client = scope["client"][0] if scope.get("client") else ""
        entry = Entry(began, name.decode(), client, method, path, self._now.brought.label)
        try:
            made = self._refused(path, method, given) or await self._answered(
                path, method, given, receive, entry
            )
        except _GoneError:
            entry.status, entry.problem = 499, "the client went away"
            self._monitor.note(entry)
            return
        entry.status, entry.problem = made.status, made.problem
        entry.seconds = time.perf_counter() - started
        if path not in self._paths:
            entry.path = "other"  # a path that somebody made up is no label of a metric
        headers = [
            (b"content-type", made.type),
            (b"content-length", b"%d" % len(made.body)),
            (b"x-request-id", name),
            *made.headers,
        ]
        await send({"type": "http.response.start", "status": made.status, "headers": headers})
        body = b"" if method == "HEAD" else made.body
        await send({"type": "http.response.body", "body": body})
        self._monitor.note(entry)

    @property
    def _now(self) -> _Served:
        if self._served is None:
            raise RuntimeError("asked before a model was loaded")
        return self._served

    def _refused(self, path: str, method: str, given: dict[bytes, bytes]) -> _Reply | None:
        """Returns what is said to a request that gets no further."""
        if path not in self._paths:
            return _refusal(RequestError(f"there is no {path!r}", status=404, hint="see /docs"))
        is_guarded = path not in ("/ping", "/health")
        if is_guarded and self._bearer and not self._bearer.accepts(given.get(b"authorization", b"")):
            error = RequestError("the bearer token is missing or wrong", status=401)
            return _refusal(error, (b"www-authenticate", b"Bearer"))
        allowed = "POST" if path == "/invocations" else "GET"
        if method != allowed and not (method == "HEAD" and allowed == "GET"):
            error = RequestError(f"{path} takes {allowed}, not {method}", status=405)
            return _refusal(error, (b"allow", allowed.encode()))
        return None

    async def _answered(
        self, path: str, method: str, given: dict[bytes, bytes], receive: Receive, entry: Entry
    ) -> _Reply:
        if path != "/invocations":
            return self._routes["GET" if method == "HEAD" else method, path]()
        served = self._now  # the same one from here to the answer, whatever becomes of the alias
        try:
            kind = content_type(given.get(b"content-type", b"").decode("latin-1"))
            if given.get(b"content-encoding", b"identity") != b"identity":
                raise RequestError("a Content-Encoding cannot be read", status=415, hint="send it as it is")
            body = await self._body(given, receive)
            if len(body) <= _QUICK_BYTES and kind in (JSON, CSV):
                return await self._invoke(served, kind, body, entry)
            return await self._in_thread(lambda: self._computed(served, kind, body, entry))
        except TableError as error:
            return _refusal(error, *served.headers)

    async def _body(self, given: dict[bytes, bytes], receive: Receive) -> bytes:
        """Returns the body. Raises RequestError where it is too large, or takes too long."""
        most = self._settings.most_bytes

        def too_large() -> RequestError:
            return RequestError(f"the body is larger than {most:,} bytes", status=413)

        length = given.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise too_large()
        task = asyncio.current_task()
        # `asyncio.timeout` for each request would cost a tenth of it: `_watch` ends those that are late.
        self._receiving[task] = time.monotonic() + self._settings.seconds
        try:
            parts, size = [], 0
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _GoneError
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                if size > most:
                    raise too_large()
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
        except asyncio.CancelledError:
            if task not in self._late or task is None:
                raise
            task.uncancel()
            seconds = f"{self._settings.seconds:g} s"
            raise RequestError(f"the body did not arrive within {seconds}", status=408) from None
        finally:
            del self._receiving[task]
            self._late.discard(task)

    def _end_late(self) -> None:
        """Ends the requests whose bodies should have been here by now."""
        now = time.monotonic()
        for task, deadline in self._receiving.items():
            if task and now > deadline:
                self._late.add(task)
                task.cancel()

    async def _invoke(self, served: _Served, kind: str, body: bytes, entry: Entry) -> _Reply:
        """Answers a small request here, unless it has many rows or the original has to be asked."""
        table, wants = self._read(served, kind, body, entry)
        if len(table) <= _QUICK_ROWS and served.made.proof.is_equal:
            return self._predicted(served, table, entry, wants=wants)
        return await self._in_thread(lambda: self._predicted(served, table, entry, wants=wants))

    def _computed(self, served: _Served, kind: str, body: bytes, entry: Entry) -> _Reply:
        """Answers a large request, all in a thread."""
        table, wants = self._read(served, kind, body, entry)
        return self._predicted(served, table, entry, wants=wants)

    def _read(self, served: _Served, kind: str, body: bytes, entry: Entry) -> tuple[Table | Rows, bool]:
        """Returns (table, whether probabilities are wanted). Raises TableError."""
        began = time.perf_counter()
        content = parsed(kind, body)
        read = time.perf_counter()
        table, wants = table_of(
            kind, content, served.made.answers.layout, self._limits, self._unpacker.unpack
        )
        entry.parse, entry.validate, entry.rows = read - began, time.perf_counter() - read, len(table)
        return table, wants

    async def _in_thread(self, work: Callable[[], _Reply]) -> _Reply:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            # A thread cannot be stopped: it goes on, its answer is not waited for.
            return await asyncio.wait_for(asyncio.shield(future), self._settings.seconds)
        except TimeoutError:
            future.add_done_callback(lambda done: done.exception())
            seconds = f"{self._settings.seconds:g} s"
            raise RequestError(f"no answer within {seconds}", status=504, hint="ask for fewer rows") from None

    def _predicted(self, served: _Served, table: Table | Rows, entry: Entry, *, wants: bool) -> _Reply:
        began = time.perf_counter()
        answer = served.made.answers.predict(table) if len(table) else _NOTHING
        entry.predict = time.perf_counter() - began
        body = reply(answer, served.classes, wants_probabilities=wants)
        if self._sampler:
            self._sampler.take(table, answer, served.brought.label, served.made.answers.layout)
        timing = (
            f"parse;dur={entry.parse * 1000:.3f}, validate;dur={entry.validate * 1000:.3f}, "
            f"predict;dur={entry.predict * 1000:.3f}"
        )
        return _Reply(200, body, headers=[(b"server-timing", timing.encode()), *served.headers])

    def _ping(self) -> _Reply:
        return _Reply(200, b"\n", b"text/plain")

    def _version(self) -> _Reply:
        return _Reply(200, importlib.metadata.version("mlflow").encode(), b"text/plain")

    def _model(self) -> _Reply:
        served = self._now
        proof = served.made.proof
        content = {**served.facts, "waypost": __version__, "proof": proof.model_dump()}
        return _Reply(200, orjson.dumps(content), headers=served.headers)

    def _docs(self) -> _Reply:
        nonce = secrets.token_urlsafe(16)
        text = page(self._now.document, self._now.made.said, self._now.facts, nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'"
        )
        headers = [(b"content-security-policy", policy.encode())]
        return _Reply(200, text.encode(), b"text/html; charset=utf-8", headers)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Loads the model before the first request, and writes down what is left after the last."""
        await receive()
        try:
            self._load()
        except Exception as error:  # whatever it is, the server's log says it and the server ends
            await send({"type": "lifespan.startup.failed", "message": terminal_text(str(error))})
            return
        # What is there now stays: looking through it for garbage would hold up requests.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        self._watching = asyncio.create_task(self._watch())
        await send({"type": "lifespan.startup.complete"})
        ready_file(self._settings.state).touch()
        await receive()
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        self._threads.shutdown()
        self._monitor.flush()
        if self._sampler:
            self._sampler.flush()
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self) -> None:
        """Writes down what was noted, and looks whether another model is to be served."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                self._monitor.flush()
                self._end_late()
                if self._sampler and self._sampler.is_due():
                    await loop.run_in_executor(None, self._sampler.flush)
                if self._state_stamp() != self._stamp:
                    await loop.run_in_executor(None, self._load)
            except Exception as error:  # the model of now goes on; whoever reads the log is told
                self._tell(f"{type(error).__name__}: {error}")

    def _state_stamp(self) -> tuple[int, int]:
        state = self._settings.state.stat()
        return state.st_mtime_ns, state.st_ino

    def _load(self) -> None:
        """Loads what the state names, unless it is what is served already; then requests get it at once."""
        self._stamp = self._state_stamp()
        state = read_state(self._settings.state)
        self._tell(state.failed.message if state.failed else "")
        brought = state.result()
        if self._served and self._served.brought == brought:
            return
        served = self._prepared(brought)
        is_first = self._served is None
        self._served = served
        self._monitor.loaded()
        if not is_first:
            _say(f"now serving {brought.label}")

    def _prepared(self, brought: Brought) -> _Served:
        made = ready(brought.folder, is_trusted=brought.is_trusted)
        made.answers.warm()
        classes = None if made.answers.classes is None else made.answers.classes.tolist()
        example = example_of(made.said, brought.folder)
        facts = {
            "model": brought.label,
            "name": brought.name,
            "version": brought.version,
            "release": brought.release,
            "run": brought.run_id,
            "digest": brought.digest,
            "compiled": "yes" if made.proof.is_equal else f"no: {made.proof.reason}",
        }
        label = one_line(brought.label).encode("ascii", "replace")
        document = openapi(made.said, brought.label, example, needs_token=self._bearer is not None)
        return _Served(brought, made, classes, [(b"x-model", label)], document, facts)

    def _tell(self, trouble: str) -> None:
        """Says what is wrong, once."""
        if trouble and trouble != self._told:
            _say(f"the model of now goes on: {trouble}")
        self._told = trouble


def _nothing() -> Answer:
    import numpy as np

    return Answer(np.empty(0), np.empty((0, 1)))


_NOTHING = _nothing()


def _refusal(error: TableError, *headers: tuple[bytes, bytes]) -> _Reply:
    return _Reply(error.status, error_reply(error), headers=list(headers), problem=str(error))


def _say(text: str) -> None:
    sys.stderr.write(f"waypost serve: {one_line(text)}\n")
    sys.stderr.flush()


def _written(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def ready_file(state: Path) -> Path:
    """Returns the file that is there once a worker answers."""
    return state.with_name("ready")


def application() -> Application:
    """Returns the application that the environment describes; uvicorn calls it in each worker."""
    settings = Settings.model_validate_json(os.environ[SETTINGS])
    return Application(settings, os.environ.get(TOKEN, ""))
