"""The server: an ASGI application that speaks MLflow's scoring protocol, on one model at a time.

One request costs some 60 µs beside the forest; that is why there is no framework between it and the model.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import itertools
import os
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from waypost import __version__
from waypost.contracts.escaping import one_line, terminal_text
from waypost.deploy.answering import Answering, Reply, Served, failure, refusal
from waypost.deploy.bearer import TOKEN, Bearer
from waypost.deploy.bringing import Brought, read_state
from waypost.deploy.describe import example_of, openapi, page
from waypost.deploy.ending import after_signal, at_most
from waypost.deploy.layout import TableError
from waypost.deploy.limits import BECOMES, LARGEST_MIB, MIB, Limits, RequestError
from waypost.deploy.models import ready
from waypost.deploy.monitor import METRICS_TYPE, Entry, Monitor
from waypost.deploy.protocol import content_type
from waypost.deploy.receiving import Bodies, GoneError, Receive, busy
from waypost.deploy.sampling import Sampler
from waypost.deploy.threads import Threads

SETTINGS = "WAYPOST_SERVING"
_FLUSH_SECONDS = 0.05
# Of the seconds until the end: requests are answered, then what is left is written down by force.
_ANSWERING, _FORCED = 0.8, 0.9
_WRITING_SECONDS = 1.0

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Settings(BaseModel):
    """How to serve; it comes by an environment variable, since workers are processes of their own."""

    model_config = ConfigDict(frozen=True)

    state: Path
    most_bytes: int = LARGEST_MIB * MIB
    most_unpacked: int = LARGEST_MIB * MIB * BECOMES
    most_rows: int = 100_000
    seconds: float = 30.0
    grace: float = 30.0
    logs_access: bool = True
    samples: Path | None = None
    sample_rate: float = 0.0

    @property
    def answering(self) -> float:
        """For so many seconds after a signal, requests that have begun are still answered."""
        return self.grace * _ANSWERING


class Application:
    """Answers requests. The model is loaded when the server starts, and again when `state` names another."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._bearer = Bearer(token) if token else None
        self._monitor = Monitor(settings.state.parent, _written if settings.logs_access else None)
        self._bodies = Bodies(settings.most_bytes, settings.seconds)
        self._numbers = itertools.count()
        self._prefix = secrets.token_hex(4)
        self._served: Served | None = None
        self._stamp: tuple[int, int] = (0, 0)
        self._told = ""
        self._sampler = Sampler(settings.samples, settings.sample_rate) if settings.samples else None
        limits = Limits(settings.most_rows, settings.most_unpacked)
        self._answering = Answering(limits, settings.seconds, self._sampler)
        self._chores = Threads(1, waiting=1, lost=1, name="chores")
        self._routes: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "/ping"): self._ping,
            ("GET", "/health"): self._ping,
            ("GET", "/version"): self._version,
            ("GET", "/model"): self._model,
            ("GET", "/openapi.json"): lambda: Reply(200, orjson.dumps(self._now.document)),
            ("GET", "/docs"): self._docs,
            ("GET", "/metrics"): lambda: Reply(200, self._monitor.metrics(self._now.facts), METRICS_TYPE),
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
        except asyncio.CancelledError:  # the server ends, and has waited for this long enough
            made = refusal(busy("the server is going down"))
        except GoneError:
            entry.status, entry.problem = 499, "the client went away"
            self._monitor.note(entry)
            return
        except Exception as error:  # a bug, of ours or of the model: counted, logged, and no other request's
            made = failure(error, entry.id)
            _say(f"request {entry.id}: {made.problem}")
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
        if made.is_early and b"expect" in given:  # a client that waits to be asked for its body, and is not
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": made.status, "headers": headers})
        body = b"" if method == "HEAD" else made.body
        if made.is_early and _is_sent(given):
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = b""
            await self._bodies.drain(receive)
        await send({"type": "http.response.body", "body": body})
        self._monitor.note(entry)

    @property
    def _now(self) -> Served:
        if self._served is None:
            raise RuntimeError("asked before a model was loaded")
        return self._served

    def _refused(self, path: str, method: str, given: dict[bytes, bytes]) -> Reply | None:
        """Returns what is said to a request that gets no further."""
        if path not in self._paths:
            error = RequestError(f"there is no {path!r}", status=404, hint="see /docs")
            return refusal(error, is_early=True)
        is_guarded = path not in ("/ping", "/health")
        if is_guarded and self._bearer and not self._bearer.accepts(given.get(b"authorization", b"")):
            error = RequestError("the bearer token is missing or wrong", status=401)
            return refusal(error, (b"www-authenticate", b"Bearer"), is_early=True)
        allowed = "POST" if path == "/invocations" else "GET"
        if method != allowed and not (method == "HEAD" and allowed == "GET"):
            error = RequestError(f"{path} takes {allowed}, not {method}", status=405)
            return refusal(error, (b"allow", allowed.encode()), is_early=True)
        return None

    async def _answered(
        self, path: str, method: str, given: dict[bytes, bytes], receive: Receive, entry: Entry
    ) -> Reply:
        if path != "/invocations":
            return self._routes["GET" if method == "HEAD" else method, path]()
        served = self._now  # the same one from here to the answer, whatever becomes of the alias
        try:
            kind = content_type(given.get(b"content-type", b"").decode("latin-1"))
            if given.get(b"content-encoding", b"identity") != b"identity":
                raise RequestError("a Content-Encoding cannot be read", status=415, hint="send it as it is")
            body = await self._bodies.receive(given.get(b"content-length", b""), receive)
        except TableError as error:
            return refusal(error, *served.headers, is_early=True)
        try:
            return await self._answering.answer(served, kind, body, entry)
        except TableError as error:
            return refusal(error, *served.headers)
        finally:
            self._bodies.release(body)

    def _ping(self) -> Reply:
        return Reply(200, b"\n", b"text/plain")

    def _version(self) -> Reply:
        return Reply(200, importlib.metadata.version("mlflow").encode(), b"text/plain")

    def _model(self) -> Reply:
        served = self._now
        proof = served.made.proof
        content = {**served.facts, "waypost": __version__, "proof": proof.model_dump()}
        return Reply(200, orjson.dumps(content), headers=served.headers)

    def _docs(self) -> Reply:
        nonce = secrets.token_urlsafe(16)
        text = page(self._now.document, self._now.made.said, self._now.facts, nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'"
        )
        headers = [(b"content-security-policy", policy.encode())]
        return Reply(200, text.encode(), b"text/html; charset=utf-8", headers)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Loads the model before the first request, and writes down what is left after the last."""
        await receive()
        if threading.current_thread() is threading.main_thread():
            after_signal(self._settings.grace * _FORCED, self._end_by_force)
        try:
            self._load()
        except Exception as error:  # whatever it is, the server's log says it and the server ends
            await send({"type": "lifespan.startup.failed", "message": terminal_text(str(error))})
            return
        # What is there now stays: looking through it for garbage would hold up requests.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        tasks = [asyncio.create_task(self._again(chore)) for chore in (self._look_after, self._follow)]
        await send({"type": "lifespan.startup.complete"})
        await asyncio.sleep(_FLUSH_SECONDS)  # the server listens after that message, not before
        ready_file(self._settings.state).touch()
        await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._answering.end()
        self._write_down()
        await send({"type": "lifespan.shutdown.complete"})

    def _write_down(self) -> None:
        self._monitor.flush()
        self._write_samples()

    def _write_samples(self) -> None:
        if self._sampler:
            self._sampler.flush()

    def _end_by_force(self) -> None:
        """Ends the process, which should have ended by now; not even a full pipe keeps it."""
        seconds = self._settings.grace * _FORCED
        said = f"something is still at work {seconds:g} s after the signal: ended by force"
        at_most(_WRITING_SECONDS, lambda: _say(said), self._write_down)
        os._exit(1)

    async def _again(self, chore: Callable[[], Awaitable[None]]) -> None:
        """Does a chore now and then, for as long as the server runs."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await chore()
            except Exception as error:  # the model of now goes on; whoever reads the log is told
                self._tell(f"{type(error).__name__}: {error}")

    async def _look_after(self) -> None:
        """Writes down what was noted, and ends the requests that are late."""
        self._bodies.end_late()
        self._monitor.flush()

    async def _follow(self) -> None:
        """Looks whether another model is to be served, and whether samples are to be written."""
        if self._sampler and self._sampler.is_due():
            await self._chores.run(lambda _: self._write_samples())
        if self._state_stamp() != self._stamp:
            await self._chores.run(lambda _: self._load())

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

    def _prepared(self, brought: Brought) -> Served:
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
        return Served(brought, made, classes, [(b"x-model", label)], document, facts)

    def _tell(self, trouble: str) -> None:
        """Says what is wrong, once."""
        if trouble and trouble != self._told:
            _say(f"the model of now goes on: {trouble}")
        self._told = trouble


def _is_sent(given: dict[bytes, bytes]) -> bool:
    """Tells whether a client sends a body, whatever becomes of the request."""
    has_body = b"transfer-encoding" in given or given.get(b"content-length", b"0") != b"0"
    return has_body and b"expect" not in given


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
