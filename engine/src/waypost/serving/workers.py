"""The worker processes of a server: uvicorn starts them, and restarts one that ends."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.compat.uvicorn import Workers, bound
from waypost.errors import UsageError
from waypost.inference.fetching import FetchedModel, fetched_model
from waypost.serving.answering import MAIN
from waypost.serving.app import ready_file
from waypost.serving.certificates import check_certificate, tls_context
from waypost.serving.cors import check_origins
from waypost.serving.roles import CANARY, SHADOW
from waypost.serving.settings import VARIABLE, OtherModel, Settings
from waypost.serving.shutdown import after_signal
from waypost.serving.tokens import TOKEN
from waypost.system.scratch import scratch

if TYPE_CHECKING:
    import uvicorn

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Service:
    """What to serve, and the options; an alias is looked up every `every` seconds."""

    uri: str
    host: str
    port: int
    workers: int
    is_trusted: bool
    every: float
    is_guarded: bool
    token_file: Path | None
    certificate: Path | None
    key: Path | None
    origins: tuple[str, ...]
    most_bytes: int
    most_unpacked: int
    most_rows: int
    seconds: float
    grace: float
    logs_access: bool
    canary: tuple[str, float] | None
    shadow: tuple[str, float] | None
    log: Path | None
    log_share: float
    log_days: float | None = None
    log_bytes: int | None = None
    in_own: bool = False
    """Whether each model runs in its own environment."""


Started = Callable[[str, Mapping[str, FetchedModel]], None]
"""Receives the address, and the models by role."""


def serve(service: Service, started: Started, warn: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; running requests are finished within `service.grace`.

    Args: `started` is called once a worker answers. Raises WaypostError if the model cannot be fetched,
    UsageError if the address is taken.
    """
    import uvicorn

    if service.host not in _LOOPBACK and not service.is_guarded:
        warn(f"{service.host}: anyone who reaches this address can send requests; set a token: {TOKEN}")
    if slow := slower_without():
        warn(slow)
    check_origins(service.origins)
    check_certificate(service.certificate, service.key)
    with ExitStack() as stack:
        temp = stack.enter_context(scratch())
        state = temp / "model.state"
        wanted = {MAIN: (service.uri, 1.0), CANARY: service.canary, SHADOW: service.shadow}
        others: dict[str, OtherModel] = {}
        models: dict[str, FetchedModel] = {}
        for role, (uri, share) in ((role, given) for role, given in wanted.items() if given):
            file = state if role == MAIN else temp / f"{role}.state"
            models[role] = stack.enter_context(
                fetched_model(
                    uri, file, is_trusted=service.is_trusted, in_own=service.in_own, every=service.every
                )
            )
            others[role] = OtherModel(state=file, share=share)
        settings = _settings(service, state, others)
        os.environ[VARIABLE] = settings.model_dump_json()
        # Processes read these when they start. Without them memory grows over hours: Arrow starts eight
        # threads one by one, and the C allocator gives new threads arenas that it never gives back.
        os.environ.setdefault("ARROW_IO_THREADS", "2")
        os.environ.setdefault("MALLOC_ARENA_MAX", "2")
        config = _config(service, settings)
        listening = _bound(config)
        try:
            scheme = "https" if service.certificate else "http"
            address = f"{scheme}://{service.host}:{listening.getsockname()[1]}"
            stack.enter_context(_when_ready(state, lambda: started(address, models)))
            if service.workers > 1:
                workers = Workers(config, listening)
                after_signal(service.grace, workers.kill)
                workers.run()
            else:
                uvicorn.Server(config).run(sockets=[listening])
        finally:
            listening.close()


def slower_without() -> str:
    """Returns what makes answers slower than necessary; "" if nothing is missing. httptools is required."""
    if sys.platform == "win32" or importlib.util.find_spec("uvloop"):
        return ""
    return "uvloop is not installed, and each answer takes longer without it: pip install 'waypost[serve]'"


def _config(service: Service, settings: Settings) -> uvicorn.Config:
    """Returns uvicorn's configuration."""
    import uvicorn

    from waypost.compat.uvicorn_heads import BoundedHeads

    return uvicorn.Config(
        "waypost.serving.app:application",
        factory=True,
        host=service.host,
        port=service.port,
        workers=service.workers,
        access_log=False,
        log_level="warning",
        lifespan="on",
        http=BoundedHeads,
        ws="none",
        proxy_headers=False,
        server_header=False,
        ssl_certfile=service.certificate,
        ssl_keyfile=service.key,
        ssl_context_factory=tls_context if service.certificate else None,
        timeout_graceful_shutdown=settings.answering,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def _when_ready(state: Path, call: Callable[[], None]) -> Iterator[None]:
    """Calls a function once a worker has loaded the model and answers, in a thread."""
    over = threading.Event()

    def wait() -> None:
        while not over.wait(_LOOK_SECONDS):
            if ready_file(state).exists():
                call()
                return

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()


def _bound(config: uvicorn.Config) -> socket.socket:
    """Returns the listening socket. Raises UsageError if the address is not available."""
    try:
        return bound(config)
    except OSError as error:
        hint = "choose another: --port (0: any free one)"
        raise UsageError(str(error), hint=hint) from error


def _settings(service: Service, state: Path, others: Mapping[str, OtherModel]) -> Settings:
    return Settings(
        state=state,
        most_bytes=service.most_bytes,
        most_unpacked=service.most_unpacked,
        most_rows=service.most_rows,
        seconds=service.seconds,
        grace=service.grace,
        logs_access=service.logs_access,
        token_file=service.token_file,
        origins=service.origins,
        canary=others.get(CANARY),
        shadow=others.get(SHADOW),
        log=service.log,
        log_share=service.log_share,
        log_days=service.log_days,
        log_bytes=service.log_bytes,
        certificate=service.certificate.absolute() if service.certificate else None,
        key=service.key.absolute() if service.key else None,
    )
