"""Replies to GET: health, metrics, and the description of the model."""

from __future__ import annotations

import importlib.metadata
import secrets
from collections.abc import Callable

import orjson

from waypost import __version__
from waypost.serving.answering import Answering
from waypost.serving.bodies import busy
from waypost.serving.metrics import METRICS_TYPE, Monitor
from waypost.serving.page import PageContent, page
from waypost.serving.replies import Reply, refusal
from waypost.serving.roles import Roles

OPEN = ("/ping", "/health", "/livez", "/readyz")
"""Paths for orchestrators, without a token."""


class Pages:
    """The replies to GET, by path."""

    def __init__(self, models: Roles, answering: Answering, monitor: Monitor) -> None:
        self._models = models
        self._answering = answering
        self._monitor = monitor
        self.routes: dict[str, Callable[[], Reply]] = {
            **dict.fromkeys(("/ping", "/health", "/livez"), self._ping),
            "/readyz": self._readyz,
            "/version": self._version,
            "/model": self._model,
            "/openapi.json": self._openapi,
            "/docs": self._docs,
            "/metrics": self._metrics,
        }

    def _ping(self) -> Reply:
        return Reply(200, b"\n", b"text/plain")

    def _readyz(self) -> Reply:
        """Readiness for load balancers: false while all threads are busy and the queue is full."""
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

    def _openapi(self) -> Reply:
        return Reply(200, orjson.dumps(self._models.main.now.document))

    def _metrics(self) -> Reply:
        facts = {hosted.role: hosted.now.facts for hosted in self._models.all}
        return Reply(200, self._monitor.metrics(facts), METRICS_TYPE)

    def _docs(self) -> Reply:
        nonce = secrets.token_urlsafe(16)
        served = self._models.main.now
        shown = PageContent(
            served.document, served.model.mlmodel, served.facts, served.fields, served.fetched.card
        )
        text = page(shown, nonce)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = [(b"content-security-policy", policy.encode())]
        return Reply(200, text.encode(), b"text/html; charset=utf-8", headers)
