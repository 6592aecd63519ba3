"""The application without a server: what each request gets, and what is noted of it."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waypost.contracts.mlmodel import Column, MLmodel
from waypost.errors import UsageError
from waypost.inference.compiled import Answer
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import Layout
from waypost.inference.limits import RequestError
from waypost.inference.model_cache import ReadyModel
from waypost.inference.original import Response
from waypost.inference.proof import Proof
from waypost.inference.table import Rows, Table
from waypost.serving.answering import MAIN, Served
from waypost.serving.app import Application
from waypost.serving.app import application as server_application
from waypost.serving.bodies import SMALL_BYTES, gunzipped
from waypost.serving.cors import check_origins
from waypost.serving.roles import CANARY, SHADOW, parse_other
from waypost.serving.settings import VARIABLE, OtherModel, Settings
from waypost.serving.tokens import Guard

BODY = b'{"instances": [{"a": 1.0}]}'


class Model:
    """Answers with its label; a number above 1 has it do what the test wants."""

    layout = Layout((Column(name="a", type="double"),))
    classes = None

    def __init__(self, label: str, odd: Callable[[], Any] | None = None) -> None:
        self.label = label
        self.odd = odd

    def warm(self) -> None:
        pass

    def of_cells(self, *_: Any) -> None:
        """Leaves all rows to `predict`."""

    def predict(self, table: Table | Rows, check: Callable[[], None] | None = None) -> Answer:
        rows = table.table().numbers[:, 0]
        if self.odd and rows[0] > 1:
            self.odd()
        return Answer(np.array([self.label] * len(rows)), np.empty((len(rows), 0)))


class Loaded:
    """A model as MLflow loads it, which answers whatever it is asked."""

    layout = Model.layout

    def respond(self, *_: Any, **__: Any) -> Response:
        return Response(b'{"predictions": ["m"]}', 1, 0.0, 0.0, None, None)


def served(
    label: str = "m", odd: Callable[[], Any] | None = None, *, compiled: bool = True, role: str = MAIN
) -> Served:
    proof = Proof(is_equal=compiled, reason="", versions={})
    model: Any = Model(label, odd)
    made = ReadyModel(Path(), "", MLmodel(flavors={"sklearn": {}}), proof, model)
    fetched = FetchedModel(uri=label, label=label, folder=Path(), digest="")
    return Served(fetched, made, None, [(b"x-model", label.encode())], {}, {"model": label}, role)


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
        "waypost.serving.app._written", lambda text: lines.extend(map(json.loads, text.splitlines()))
    )
    return lines


def application(folder: Path, model: Served, **settings: Any) -> Application:
    given = Settings(state=folder / "model.state", **settings)
    app = Application(given, Guard(given.token_file, {}))
    app._models.main._served = model
    return app


def beside(app: Application, model: Served) -> Application:
    """Gives an application the model of another role."""
    other = app._models.canary if model.role == CANARY else app._models.shadow
    assert other
    other._served = model
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
        failed = await asked(app, b'{"instances": [{"a": 2.0}]}', x_request_id="mine")
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


LEFT = b'{"instances": [{"a": "x"}]}'  # MLflow's own code is asked about it
AS_TEXT = b'{"instances": [{"a": "1.5"}]}'
REFUSED = b'{"instances": [{"b": 1.0}]}'
ANSWERED = b'{"instances": [{"a": 2.0}]}'
IN_THREAD = b" " * SMALL_BYTES


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (BODY, 200),
        (IN_THREAD + BODY, 200),
        (REFUSED, 400),
        (IN_THREAD + REFUSED, 400),
        (LEFT, 400),
        (IN_THREAD + LEFT, 400),
        (ANSWERED, 500),
        (IN_THREAD + ANSWERED, 500),
        (b"{not json", 400),
        (AS_TEXT, 200),
    ],
)
def test_a_request_leaves_nothing_behind(tmp_path: Path, body: bytes, status: int) -> None:
    """A body, and what it became, are freed with the reply, whatever that is: while a server runs, garbage is
    collected far too seldom for bodies of some MB.
    """
    model = served(odd=lambda: 1 / 0)
    if body is AS_TEXT:
        model.model.__dict__["original"] = Loaded()
    app = application(tmp_path, model)
    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(body)
        assert asyncio.run(asked(app, body)).status == status
        time.sleep(0.01)  # a thread lets go of its work after the reply
        assert sys.getrefcount(body) == before
    finally:
        gc.enable()


def test_what_a_model_prints_is_no_line_of_the_access_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Standard output has the access log's lines alone: each is JSON, whatever a model prints."""
    monkeypatch.setenv(VARIABLE, Settings(state=tmp_path / "model.state").model_dump_json())
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # and is what it was afterwards
    app = server_application()
    app._models.main._served = served(odd=lambda: print("hello"))
    assert asyncio.run(asked(app, ANSWERED)).status == 200
    app._monitor.flush()
    said = capfd.readouterr()
    assert [json.loads(line)["status"] for line in said.out.splitlines()] == [200]
    assert "hello" in said.err


def test_paths_of_clients_and_of_orchestrators(tmp_path: Path) -> None:
    """A slash at the end is no other path; health has no token, in the words of MLflow and of Kubernetes."""
    tokens = tmp_path / "tokens"
    tokens.write_text("open-sesame")
    app = application(tmp_path, served(), token_file=tokens)

    async def statuses(*paths: str, **headers: str) -> list[int]:
        return [(await asked(app, b"", path, "GET", **headers)).status for path in paths]

    health = ("/ping", "/health", "/livez", "/readyz", "/ping/")
    assert asyncio.run(statuses(*health)) == [200] * 5
    assert asyncio.run(statuses("/", "/invocation", "/model", "/invocations/")) == [404, 404, 401, 401]
    told = asyncio.run(asked(app, path="/invocations/", authorization="Bearer open-sesame"))
    assert told.json() == {"predictions": ["m"]}


def test_readiness_is_not_liveness(tmp_path: Path) -> None:
    """A server whose threads are all lost lives, and is not ready for a request."""
    gate = threading.Event()
    app = application(tmp_path, served(odd=lambda: gate.wait(10), compiled=False), seconds=0.01)
    slow = b'{"instances": [{"a": 2.0}]}'

    async def health() -> tuple[list[int], dict[str, Any]]:
        while (await asked(app, slow)).status == 504:
            pass
        found = [await asked(app, b"", path, "GET") for path in ("/livez", "/readyz")]
        return [told.status for told in found], found[1].headers

    statuses, headers = asyncio.run(health())
    gate.set()
    assert statuses == [200, 503]
    assert headers["retry-after"] == "5"


def test_callers_are_named_in_the_log(tmp_path: Path, log: list[Any]) -> None:
    """The access log has the name of a token, and no token; a file that changes counts from then on."""
    tokens = tmp_path / "tokens"
    tokens.write_text("app: open-sesame\nnight: simsim\n")
    app = application(tmp_path, served(), token_file=tokens)

    async def requests(*given: str) -> list[int]:
        return [(await asked(app, authorization=f"Bearer {token}")).status for token in given]

    assert asyncio.run(requests("open-sesame", "simsim", "wrong")) == [200, 200, 401]
    tokens.write_text("app: another\n")
    app._chores.follow_tokens()
    assert asyncio.run(requests("open-sesame", "another")) == [401, 200]
    app._monitor.flush()
    assert [line["caller"] for line in log] == ["app", "night", "", "", "app"]
    assert "sesame" not in json.dumps(log)


def test_bodies_may_be_gzipped(tmp_path: Path) -> None:
    """A gzipped body is answered; one that is none, is cut off, becomes too large or is in a coding that is
    not known is refused; what was held for any of them is given back.
    """
    app = application(tmp_path, served(), most_bytes=100_000)
    packed = gzip.compress(BODY)
    large = gzip.compress(BODY + b" " * 90_000)
    bodies = {
        "packed": (packed, "gzip", 200),
        "two members": (gzip.compress(BODY[:5]) + gzip.compress(BODY[5:]), "GZIP", 200),
        "large": (large, "x-gzip", 200),
        "not packed": (BODY, "identity", 200),
        "cut off": (packed[:-5], "gzip", 400),
        "no gzip": (BODY, "gzip", 400),
        "empty members": (gzip.compress(b"") * 1001 + packed, "gzip", 400),
        "a bomb": (gzip.compress(b" " * 1_000_000), "gzip", 413),
        "brotli": (packed, "br", 415),
    }

    async def told() -> dict[str, int]:
        return {
            name: (await asked(app, body, content_encoding=coding)).status
            for name, (body, coding, _) in bodies.items()
        }

    assert asyncio.run(told()) == {name: status for name, (_, _, status) in bodies.items()}
    assert app._bodies._held == 0
    with pytest.raises(RequestError, match="larger than 1,000,000 bytes when unpacked"):
        gunzipped(gzip.compress(b" " * 20_000_000), 1_000_000)


def test_pages_of_other_origins_ask_where_they_are_named(tmp_path: Path) -> None:
    """No page of another origin may ask unless its origin was named; then a browser is told so."""
    preflight = {"access_control_request_method": "POST", "origin": "https://a.example"}

    def told(*origins: str, method: str = "OPTIONS", **headers: str) -> Told:
        app = application(tmp_path, served(), origins=origins)
        return asyncio.run(asked(app, b"" if method == "OPTIONS" else BODY, method=method, **headers))

    assert told(**preflight).status == 405
    assert not any(name.startswith("access-control") for name in told(method="POST").headers)
    allowed = told("https://a.example", **preflight)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, "https://a.example")
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    answered = told("https://a.example", method="POST", origin="https://a.example")
    assert answered.headers["access-control-allow-origin"] == "https://a.example"
    assert answered.headers["vary"] == "origin"
    other = told("https://a.example", method="POST", origin="https://b.example")
    assert "access-control-allow-origin" not in other.headers
    assert told("*", method="POST").headers["access-control-allow-origin"] == "*"
    for name in (
        "a.example",
        "https://a.example/",
        "https://a.example, https://b.example",
        "null",
        "https://a\r\nx:",
    ):
        with pytest.raises(UsageError, match="not an origin"):
            check_origins([name])


def test_what_is_answered_is_logged_with_what_was_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers and labels come into the log by the request's id; a log that cannot be written fails no answer,
    and is told once and counted. Without a log there is no /feedback.
    """
    file = tmp_path / "file"
    file.touch()
    label = b'{"request_id": "one", "label": "m"}'

    async def requests(app: Application) -> list[Told]:
        return [await asked(app, x_request_id="one"), await asked(app, label, "/feedback")]

    assert [told.status for told in asyncio.run(requests(application(tmp_path, served())))] == [200, 404]
    for folder, (written, dropped) in ((tmp_path / "log", (2, 0)), (file, (0, 4))):
        app = application(tmp_path, served(), log=folder)
        for _ in range(1 if written else 2):
            assert [told.status for told in asyncio.run(requests(app))] == [200, 202]
            app._write_down()
        metrics = asyncio.run(asked(app, b"", "/metrics", "GET")).body.decode()
        assert f"waypost_logged_total {written}.0" in metrics
        assert f"waypost_log_dropped_total {dropped}.0" in metrics
    assert capsys.readouterr().err.count("predictions are not logged") == 1
    names = sorted(file.name.partition("-")[0] for file in (tmp_path / "log").iterdir())
    assert names == ["feedback", "predictions"]
    assert asyncio.run(asked(app, b"a\n1\n", "/feedback", content_type="text/csv")).status == 415


IDS = [f"3f9a1c20-{i}" for i in range(400)]


def test_a_canary_answers_its_share(tmp_path: Path, log: list[Any]) -> None:
    """The id of a request decides which model answers, in each worker alike; all places say which."""
    canary = OtherModel(state=tmp_path / "canary.state", share=0.25)

    async def requests() -> tuple[Application, list[str]]:
        app = beside(application(tmp_path, served("m/1"), canary=canary), served("m/2", role=CANARY))
        return app, [(await asked(app, x_request_id=name)).headers["x-model"] for name in IDS]

    (app, answered), (_, again) = asyncio.run(requests()), asyncio.run(requests())
    assert answered == again
    count = answered.count("m/2")
    assert 70 < count < 130
    assert len(answered) - count == answered.count("m/1")
    metrics = asyncio.run(asked(app, b"", "/metrics", "GET")).body.decode()
    assert f'waypost_model_requests_total{{model="m/2",role="canary",status="200"}} {count}.0' in metrics
    assert 'waypost_model{model="m/2",role="canary"} 1.0' in metrics
    assert asyncio.run(asked(app, b"", "/model", "GET")).json()["canary"] == {"model": "m/2", "share": 0.25}
    app._monitor.flush()
    assert [line["model"] for line in log[:400]] == answered
    assert {(line["model"], line["role"]) for line in log[:400]} == {("m/1", "main"), ("m/2", "canary")}


def shadowed(
    folder: Path, model: Served, rounds: int = 3, **settings: Any
) -> tuple[list[Any], dict[str, int]]:
    """Asks an application with a shadow; returns its replies, and what became of the shadow's requests."""
    shadow = OtherModel(state=folder / "shadow.state", share=1.0)

    async def requests() -> tuple[list[Any], Application]:
        app = beside(application(folder, served("m"), shadow=shadow, **settings), model)
        told = [await asked(app, b'{"instances": [{"a": 2.0}]}') for _ in range(rounds)]
        assert app._shadow
        await asyncio.gather(*app._shadow._tasks)
        assert app._shadow._held == 0
        return told, app

    told, app = asyncio.run(requests())
    found = {key.split("\n")[1]: int(count) for key, (count, _) in app._monitor._counts.shadow.items()}
    return told, found


def test_a_shadow_is_asked_and_not_heard(tmp_path: Path) -> None:
    """Whether a shadow says the same, another thing, fails or hangs: the answer is the main model's, at once;
    what became of it is counted, and logged under its own name.
    """
    gate = threading.Event()
    shadows = {
        "equal": served("m", role=SHADOW),
        "different": served("n", role=SHADOW),
        "failed": served("m", lambda: _raise(SystemExit(1)), role=SHADOW),
        "late": served("m", lambda: gate.wait(10), role=SHADOW),
    }
    for outcome, model in shadows.items():
        began = time.perf_counter()
        told, found = shadowed(tmp_path, model, log=tmp_path / outcome, seconds=0.1)
        assert time.perf_counter() - began < 2
        assert [one.json() for one in told] == [{"predictions": ["m"]}] * 3
        assert told[0].headers["x-shadow-model"] == model.fetched.label
        assert set(found) <= {outcome, "dropped"} if outcome == "late" else found == {outcome: 3}
        assert sum(found.values()) == 3
    gate.set()


def test_a_shadow_that_does_not_follow_is_left_out(tmp_path: Path) -> None:
    """More requests than a shadow follows are not asked, nor are their bodies kept."""
    gate = threading.Event()
    threading.Timer(0.5, gate.set).start()
    told, found = shadowed(tmp_path, served("m", lambda: gate.wait(10), role=SHADOW), rounds=100)
    assert {one.status for one in told} == {200}
    assert found["dropped"] >= 80
    assert sum(found.values()) == 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("models:/grades@candidate=5%", ("models:/grades@candidate", 0.05)),
        ("models:/grades/3=0.25", ("models:/grades/3", 0.25)),
        ("a=b/model=100%", ("a=b/model", 1.0)),
    ],
)
def test_a_share_is_part_of_the_option(text: str, found: tuple[str, float]) -> None:
    """A model with a share of the requests, in percent or as a number; without one the default counts."""
    assert parse_other(text, "--canary", None) == found
    assert parse_other("a=b/model", "--shadow", 1.0) == ("a=b/model", 1.0)


@pytest.mark.parametrize("text", ["models:/grades@candidate", "m=0%", "m=101%", "m=5"])
def test_a_wrong_share_is_told(text: str) -> None:
    """A canary without a share, or with one that is none, is refused with the form."""
    with pytest.raises(UsageError, match="share") as error:
        parse_other(text, "--canary", None)
    assert error.value.hint.endswith("=5%")
