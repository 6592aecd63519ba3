"""The server: an ASGI application that speaks MLflow's scoring protocol, on one model at a time.

One request costs some 60 µs beside the forest; that is why there is no framework between it and the model.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import itertools
import math
import os
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from waypost import __version__
from waypost.errors import UsageError
from waypost.inference.layout import TableError
from waypost.inference.limits import Limits, RequestError
from waypost.serving.answering import MAIN, Answering, Reply, Served, failure, refusal
from waypost.serving.bodies import Bodies, GoneError, Receive, busy, is_gzip
from waypost.serving.certificates import Certificate, own
from waypost.serving.cors import Origins
from waypost.serving.feedback import FEEDBACK, labels_of
from waypost.serving.hosting import Hosted
from waypost.serving.metrics import METRICS_TYPE, Entry, Monitor
from waypost.serving.page import Shown, page
from waypost.serving.prediction_log import Journal
from waypost.serving.protocol import JSON, content_type
from waypost.serving.retention import Retention, remove_outlived
from waypost.serving.roles import Roles
from waypost.serving.settings import VARIABLE, Settings
from waypost.serving.shadow import Shadow
from waypost.serving.shutdown import after_signal, at_most
from waypost.serving.threads import Threads, Work
from waypost.serving.tokens import Guard
from waypost.system.machine import give_memory_back
from waypost.texts.escaping import one_line, terminal_text

INVOCATIONS = "/invocations"
GONE = 499
"""The status in log and metrics where a client went away before its request was here."""

_OPEN = ("/ping", "/health", "/livez", "/readyz")  # what asks for these has no token
_FLUSH_SECONDS = 0.05
_TOKENS_SECONDS, _SWEEP_SECONDS = 1.0, 60.0
_WRITING_SECONDS = 1.0

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """Answers requests. The model is loaded when the server starts, and again when `state` names another."""

    def __init__(self, settings: Settings, guard: Guard, certificate: Certificate | None = None) -> None:
        self._settings = settings
        self._guard = guard
        self._certificate = certificate
        self._origins = Origins(settings.origins) if settings.origins else None
        self._monitor = Monitor(settings.state.parent, _written if settings.logs_access else None)
        self._bodies = Bodies(settings.most_bytes, settings.seconds)
        self._numbers = itertools.count()
        self._prefix = secrets.token_hex(4)
        self._journal = Journal(settings.log, settings.log_share) if settings.log else None
        self._kept = Retention(settings.log_days, settings.log_bytes)
        self._models = Roles(settings, _say, needs_token=guard.bearer is not None)
        limits = Limits(settings.most_rows, settings.most_unpacked)
        self._answering = Answering(limits, settings.seconds, self._journal)
        self._shadow = (
            Shadow(limits, settings.seconds, self._journal, self._monitor, settings.most_bytes)
            if settings.shadow
            else None
        )
        self._chores = Threads(1, waiting=1, lost=1, name="chores")
        self._next_look = self._next_sweep = 0.0
        self._models_are_gone = math.inf  # from then on nobody asks a model that was replaced
        self._log_trouble = self._sweep_trouble = ""
        self._routes: dict[tuple[str, str], Callable[[], Reply]] = {
            **{("GET", path): self._ping for path in ("/ping", "/health", "/livez")},
            ("GET", "/readyz"): self._readyz,
            ("GET", "/version"): self._version,
            ("GET", "/model"): self._model,
            ("GET", "/openapi.json"): lambda: Reply(200, orjson.dumps(self._models.main.now.document)),
            ("GET", "/docs"): self._docs,
            ("GET", "/metrics"): self._metrics,
        }
        self._posts = {INVOCATIONS, FEEDBACK} if self._journal else {INVOCATIONS}
        self._paths = {*self._posts, *(path for _, path in self._routes)}

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
        path = scope["path"]
        if path not in self._paths:
            path = path.rstrip("/") or "/"
        client = scope["client"][0] if scope.get("client") else ""
        label = self._models.main.now.fetched.label
        entry = Entry(began, name.decode(), client, scope["method"], path, label)
        reply = await self._reply_to(given, receive, entry)
        entry.status, entry.problem = reply.status, reply.problem
        entry.seconds = time.perf_counter() - started
        if path not in self._paths:
            entry.path = "other"  # a path that somebody made up is no label of a metric
        if reply.status != GONE:
            await self._send(reply, given, entry, receive, send)
        self._monitor.note(entry)

    async def _reply_to(self, given: dict[bytes, bytes], receive: Receive, entry: Entry) -> Reply:
        """Returns the reply to a request, whatever happens."""
        try:
            return self._refused(given, entry) or await self._answered(given, receive, entry)
        except asyncio.CancelledError:  # the server ends, and has waited for this long enough
            return refusal(busy("the server is shutting down"))
        except GoneError:
            return Reply(GONE, b"", problem="the client went away")
        except Exception as error:  # a bug, of ours or of the model: counted, logged, and no other request's
            reply = failure(error, entry.id)
            _say(f"request {entry.id}: {reply.problem}")
            return reply

    async def _send(
        self, reply: Reply, given: dict[bytes, bytes], entry: Entry, receive: Receive, send: Send
    ) -> None:
        headers = [
            (b"content-type", reply.type),
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", entry.id.encode()),
            *reply.headers,
        ]
        if self._origins:
            headers += self._origins.headers(given)
        if reply.is_early and b"expect" in given:  # a client that waits to be asked for its body, and is not
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if entry.method == "HEAD" else reply.body
        if reply.is_early and _is_sent(given):
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = b""
            await self._bodies.drain(receive)
        await send({"type": "http.response.body", "body": body})

    def _refused(self, given: dict[bytes, bytes], entry: Entry) -> Reply | None:
        """Returns what is said to a request that gets no further."""
        path, method = entry.path, entry.method
        if path not in self._paths:
            error = RequestError(f"there is no {path!r}", status=404, hint="see /docs")
            return refusal(error, is_early=True)
        if self._origins and (allows := self._origins.preflight(method, given)) is not None:
            return Reply(204, b"", headers=allows)
        if self._guard.bearer and path not in _OPEN:
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
        """Returns the reply to a request that is let in: a page, an answer, or what becomes of feedback."""
        if entry.path not in self._posts:
            return self._routes["GET", entry.path]()
        # The same one from here to the answer, whatever becomes of the alias.
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
        """Has a shadow asked what the main model has answered, where it is to be; the reply says so."""
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
            raise busy("what was logged before is not yet on the disk")
        return Reply(202, orjson.dumps({"labels": len(labels)}))

    def _ping(self) -> Reply:
        return Reply(200, b"\n", b"text/plain")

    def _readyz(self) -> Reply:
        """Says whether a request should be sent here: not while all threads are at work and enough waits."""
        if self._answering.is_full:
            return refusal(busy("the server is busy: all threads are at work, and the queue is full"))
        return Reply(200, b"\n", b"text/plain")

    def _version(self) -> Reply:
        return Reply(200, importlib.metadata.version("mlflow").encode(), b"text/plain")

    def _model(self) -> Reply:
        served = self._models.main.now
        proof = served.model.proof
        content = {
            **served.facts,
            "waypost": __version__,
            "proof": proof.model_dump(),
            **self._models.facts(),
        }
        return Reply(200, orjson.dumps(content), headers=served.headers)

    def _metrics(self) -> Reply:
        facts = {hosted.role: hosted.now.facts for hosted in self._models.all}
        return Reply(200, self._monitor.metrics(facts), METRICS_TYPE)

    def _docs(self) -> Reply:
        nonce = secrets.token_urlsafe(16)
        served = self._models.main.now
        shown = Shown(served.document, served.model.mlmodel, served.facts, served.fields, served.fetched.card)
        text = page(shown, nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = [(b"content-security-policy", policy.encode())]
        return Reply(200, text.encode(), b"text/html; charset=utf-8", headers)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Loads the model before the first request, and writes down what is left after the last."""
        await receive()
        if threading.current_thread() is threading.main_thread():
            after_signal(self._settings.forced, self._end_by_force)
        try:
            self._load()
        except Exception as error:  # whatever it is, the server's log says it and the server ends
            await send({"type": "lifespan.startup.failed", "message": terminal_text(str(error))})
            return
        # What is there now stays: looking through it for garbage would hold up requests.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 50, 50)  # often enough that failed requests do not pile up
        tasks = [asyncio.create_task(self._again(chore)) for chore in (self._look_after, self._follow)]
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
        self._write_log()

    def _write_log(self) -> None:
        """Writes the log of predictions; a disk that is full takes nothing but the log."""
        if self._journal is None:
            return
        try:
            self._journal.flush()
            self._log_trouble = ""
        except Exception as error:  # whatever it is, requests are answered
            trouble = f"{self._settings.log}: predictions are not logged: {error}"
            if trouble != self._log_trouble:
                _say(trouble)
            self._log_trouble = trouble
        self._monitor.logged(self._journal.written, self._journal.dropped)

    def _sweep_log(self) -> None:
        """Removes what is kept no longer; a folder that cannot be written is told once."""
        if self._settings.log is None:
            return
        trouble = ""
        try:
            remove_outlived(self._settings.log, self._kept)
        except OSError as error:
            trouble = f"{self._settings.log}: old files are not removed: {error}"
        if trouble and trouble != self._sweep_trouble:
            _say(trouble)
        self._sweep_trouble = trouble

    def _end_by_force(self) -> None:
        """Ends the process, which should have ended by now; not even a full pipe keeps it."""
        problem = f"still busy {self._settings.forced:g} s after the signal: ended by force"
        at_most(_WRITING_SECONDS, lambda: _say(problem), self._write_down)
        os._exit(1)

    async def _again(self, chore: Callable[[], Awaitable[None]]) -> None:
        """Does a chore now and then, for as long as the server runs."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await chore()
            except Exception as error:  # the model of now goes on; whoever reads the log is told
                self._models.main.note_trouble(f"{type(error).__name__}: {error}")

    async def _look_after(self) -> None:
        """Writes down what was noted, and ends the requests that are late."""
        self._bodies.end_late()
        self._monitor.flush()

    async def _follow(self) -> None:
        """Looks whether other models, tokens or certificates are to be used, and what the log needs."""
        if self._journal and self._journal.is_due():
            await self._chores.run(lambda _: self._write_log())
        if self._kept.is_bounded and time.monotonic() > self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_SECONDS
            await self._chores.run(lambda _: self._sweep_log())
        for hosted in self._models.all:
            if hosted.has_changed():
                await self._chores.run(partial(self._load_again, hosted))
        if time.monotonic() > self._models_are_gone:
            self._models_are_gone = math.inf
            await self._chores.run(lambda _: _let_go())
        if time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + _TOKENS_SECONDS
            self._follow_tokens()
            self._follow_certificate()

    def _load(self) -> None:
        for hosted in self._models.all:
            if hosted.load():
                self._monitor.loaded()

    def _load_again(self, hosted: Hosted, _: Work[None]) -> None:
        try:
            if hosted.load():
                self._monitor.loaded()
                gone = time.monotonic() + self._settings.seconds
                self._models_are_gone = min(self._models_are_gone, gone)
        except Exception as error:  # the model of now goes on; whoever reads the log is told
            hosted.note_trouble(f"{type(error).__name__}: {error}")

    def _follow_tokens(self) -> None:
        try:
            if self._guard.follow():
                _say("the tokens were read again")
        except UsageError as error:
            _say(f"the previous tokens stay valid:  {error}")

    def _follow_certificate(self) -> None:
        try:
            if self._certificate and self._certificate.follow():
                _say("the certificate was read again: new connections get it")
        except UsageError as error:
            _say(f"the previous certificate stays: {error}")


def _is_sent(given: dict[bytes, bytes]) -> bool:
    """Tells whether a client sends a body, whatever becomes of the request."""
    has_body = b"transfer-encoding" in given or given.get(b"content-length", b"0") != b"0"
    return has_body and b"expect" not in given


def _say(text: str) -> None:
    sys.stderr.write(f"waypost serve: {one_line(text)}\n")
    sys.stderr.flush()


def _written(lines: bytes) -> None:
    if (out := sys.__stdout__) is not None:
        out.buffer.write(lines)
        out.buffer.flush()


def _let_go() -> None:
    """Frees models that were replaced, in reference cycles, too; modules are frozen, so it is quick."""
    gc.collect()
    give_memory_back()


def ready_file(state: Path) -> Path:
    """Returns the file that is there once a worker answers."""
    return state.with_name("ready")


def application() -> Application:
    """Returns the application that the environment describes; uvicorn calls it in each worker."""
    sys.stdout = sys.stderr  # what a model prints is no line of the access log
    settings = Settings.model_validate_json(os.environ[VARIABLE])
    return Application(settings, Guard(settings.token_file, os.environ), own())
