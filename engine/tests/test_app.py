"""The application without a server: what each request gets, and what is noted of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waypost.contracts.mlmodel import Column, MLmodel
from waypost.deploy.answering import Served
from waypost.deploy.app import Application, Settings
from waypost.deploy.bringing import Brought
from waypost.deploy.compiled import Answer
from waypost.deploy.layout import Layout
from waypost.deploy.models import Ready
from waypost.deploy.proof import Proof
from waypost.deploy.table import Rows, Table

BODY = b'{"instances": [[1.0]]}'


class Model:
    """Answers with its label; a number above 1 has it do what the test wants."""

    layout = Layout((Column(name="a", type="double"),))
    classes = None

    def __init__(self, label: str, odd: Callable[[], Any] | None = None) -> None:
        self.label = label
        self.odd = odd

    def warm(self) -> None:
        pass

    def predict(self, table: Table | Rows, check: Callable[[], None] | None = None) -> Answer:
        rows = table.table().numbers[:, 0]
        if self.odd and rows[0] > 1:
            self.odd()
        return Answer(np.array([self.label] * len(rows)), np.empty((len(rows), 0)))


def served(label: str = "m", odd: Callable[[], Any] | None = None, *, compiled: bool = True) -> Served:
    proof = Proof(is_equal=compiled, reason="", versions={})
    model: Any = Model(label, odd)
    made = Ready(Path(), "", MLmodel(flavors={"sklearn": {}}), proof, model)
    brought = Brought(uri=label, label=label, folder=Path(), digest="")
    return Served(brought, made, None, [(b"x-model", label.encode())], {}, {"model": label})


class Told:
    """A reply."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message["body"] for message in messages[1:])
        assert len(self.body) == int(self.headers["content-length"])

    def json(self) -> Any:
        return json.loads(self.body)


async def asked(
    app: Application, body: bytes = BODY, path: str = "/invocations", method: str = "POST", **headers: str
) -> Told:
    """Sends a request to an application, and returns its reply."""
    sent: list[dict[str, Any]] = []
    given = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in given.items()],
    }
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return Told(sent)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The lines of the access log."""
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "waypost.deploy.app._written", lambda text: lines.extend(map(json.loads, text.splitlines()))
    )
    return lines


def application(folder: Path, model: Served, **settings: Any) -> Application:
    app = Application(Settings(state=folder / "model.state", **settings), "")
    app._served = model
    return app


def _raise(error: BaseException) -> Any:
    raise error


FAILURES = [
    ValueError("a\nb"),
    SystemError("broken"),
    SystemExit(3),
    KeyboardInterrupt(),
    StopIteration(),
    TimeoutError(),
]
PLACES = [(FAILURES[0], True), *((error, False) for error in FAILURES)]


@pytest.mark.parametrize(("error", "compiled"), PLACES, ids=lambda value: type(value).__name__)
def test_a_failure_is_counted_logged_and_told(
    tmp_path: Path,
    log: list[Any],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    *,
    compiled: bool,
) -> None:
    """Whatever is raised, by a model even what would end the process: 500 as JSON with the request's id, a
    line in both logs, a count; nothing of what failed is told to the client. The next request is answered.
    """
    app = application(tmp_path, served(odd=lambda: _raise(error), compiled=compiled))

    async def requests() -> tuple[Told, Told, Told]:
        failed = await asked(app, b'{"instances": [[2.0]]}', x_request_id="mine")
        return failed, await asked(app), await asked(app, b"", "/metrics", "GET")

    failed, other, metrics = asyncio.run(requests())
    assert (failed.status, failed.headers["x-request-id"]) == (500, "mine")
    assert failed.json()["error_code"] == "INTERNAL_ERROR"
    assert "mine" in failed.json()["message"]
    assert type(error).__name__ not in failed.json()["message"]
    assert other.json() == {"predictions": ["m"]}
    assert b'waypost_requests_total{path="/invocations",status="500"} 1.0' in metrics.body
    app._monitor.flush()
    assert log[0]["status"] == 500
    assert type(error).__name__ in log[0]["problem"]
    said = capsys.readouterr().err
    assert said.startswith(f"waypost serve: request mine: {type(error).__name__}")
    assert said.count("\n") == 1
