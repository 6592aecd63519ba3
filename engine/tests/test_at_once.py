"""Requests that are answered within the call that brings them: the same replies as by a task, in order."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.test_app import AS_TEXT, BODY, LEFT, REFUSED, Loaded, application, log, served
from waypost.compat.uvicorn_heads import BoundedHeads
from waypost.serving.app import Application
from waypost.serving.bodies import SMALL_BYTES

__all__ = ["log"]  # a fixture

FAILING = b'{"instances": [{"a": 2.0}]}'
MANY = b'{"instances": [%s]}' % b",".join([b'{"a": 1.0}'] * 65)


class Wire(asyncio.Transport):
    """The client's end of a connection."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.told = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.told += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    @property
    def statuses(self) -> list[bytes]:
        return re.findall(rb"HTTP/1\.1 (\d{3})", self.told)


def request(body: bytes = BODY, target: str = "/invocations", method: str = "POST", **headers: str) -> bytes:
    """Returns a request as it is sent."""
    given = {"content-type": "application/json", "content-length": str(len(body)), "x-request-id": "r"}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in {**given, **headers}.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + body


def connected(app: Any, protocol: type[BoundedHeads] = BoundedHeads) -> tuple[Wire, BoundedHeads]:
    """Returns both ends of a connection to an application, as the server sets it up."""
    config = uvicorn.Config(
        app, lifespan="off", log_level="critical", access_log=False, ws="none", proxy_headers=False
    )
    config.load()
    wire, connection = Wire(), protocol(config, ServerState(), {}, asyncio.get_running_loop())
    connection.connection_made(wire)
    return wire, connection


async def asked(app: Any, *pieces: bytes, replies: int = 1) -> tuple[Wire, int]:
    """Sends bytes to an application behind uvicorn's protocol; returns the connection once it has so many
    replies, and the number of replies that were there within the calls.
    """
    wire, connection = connected(app)
    for piece in pieces:
        connection.data_received(piece)
    within = len(wire.statuses)
    async with asyncio.timeout(10):
        while len(wire.statuses) < replies:  # noqa: ASYNC110 (a transport has no event for it)
            await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    connection.connection_lost(None)
    return wire, within


def by_task(app: Application) -> Any:
    """Returns the application without its shorter way."""

    async def usual(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return usual


def same(told: bytes) -> bytes:
    """Returns a reply without what differs each time."""
    return re.sub(rb"dur=[\d.]+", b"dur=", told)


def noted(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.items() if not isinstance(value, float) and name != "time"}
        for line in log
    ]


REQUESTS: dict[str, tuple[bytes, bool]] = {
    "a row": (request(), True),
    "split": (request(b'{"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}'), True),
    "refused": (request(REFUSED), True),
    "no JSON": (request(b"{not json"), True),
    "probabilities that do not exist": (request(BODY[:-1] + b', "params": {"probabilities": true}}'), True),
    "a failing model": (request(FAILING), True),
    "an id of no letters": (request(x_request_id="\u00e9"), True),
    "chunked": (
        request(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), transfer_encoding="chunked").replace(
            b"content-length", b"x-length"
        ),
        True,
    ),
    "MLflow is asked": (request(AS_TEXT), False),
    "a text for a number": (request(LEFT), True),
    "no rows": (request(b'{"instances": []}'), True),
    "many rows": (request(MANY), False),
    "a large body": (request(b" " * SMALL_BYTES + BODY), False),
    "CSV": (request(b"a\n1\n", content_type="text/csv"), False),
    "another type": (request(content_type="text/plain"), False),
    "gzip": (request(gzip.compress(BODY), content_encoding="gzip"), False),
    "a page": (request(b"", "/ping", "GET"), False),
    "another method": (request(method="PUT"), False),
    "another path": (request(target="/other"), False),
    "the last request": (request(connection="close"), False),
    "an older client": (request().replace(b"HTTP/1.1", b"HTTP/1.0"), False),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_it_is_the_reply_of_the_usual_way(tmp_path: Path, log: list[Any], name: str) -> None:
    """Status, headers, body, line of the log and counts are those of a task; what is not quick is left to a
    task.
    """
    sent, is_quick = REQUESTS[name]
    found = []
    for way in (lambda app: app, by_task):
        app = application(tmp_path, served(odd=lambda: 1 / 0))
        app._models.main.now.model.__dict__["original"] = Loaded()
        found.append(asyncio.run(one(app, way, sent, log)))
    (told, lines, counts, within), (usual, *rest) = found
    if name != "an id of no letters":
        assert told == usual
    assert [lines, counts] == rest[:2]
    assert (within, rest[2]) == (int(is_quick), 0)


async def one(
    app: Application, way: Callable[[Application], Any], sent: bytes, log: list[Any]
) -> tuple[bytes, Any, Any, int]:
    wire, within = await asked(way(app), sent)
    log.clear()
    app._monitor.flush()
    lines = noted(log)
    if lines and lines[0]["id"] != "r":
        lines[0]["id"] = ""  # a number of the server's own
    counts = {name: app._monitor._counts.__getattribute__(name) for name in ("requests", "rows", "errors")}
    return same(wire.told), lines, counts, within


def test_tokens_are_asked_for(tmp_path: Path, log: list[Any]) -> None:
    """Without a token there is no answer, and with one its name is in the log."""
    tokens = tmp_path / "tokens"
    tokens.write_text("app: open-sesame\n")
    app = application(tmp_path, served(), token_file=tokens)
    wire, within = asyncio.run(asked(app, request(authorization="Bearer open-sesame")))
    assert (wire.statuses, within) == ([b"200"], 1)
    wire, within = asyncio.run(asked(app, request(authorization="Bearer wrong")))
    assert (wire.statuses, within) == ([b"401"], 0)
    app._monitor.flush()
    assert [line["caller"] for line in log] == ["app", ""]


def test_limits_hold(tmp_path: Path) -> None:
    """A body above the limit of a server is refused, and so are more rows."""
    app = application(tmp_path, served(), most_bytes=10)
    assert asyncio.run(asked(app, request()))[0].statuses == [b"413"]
    app = application(tmp_path, served(), most_rows=1)
    rows = request(b'{"instances": [{"a": 1.0}, {"a": 1.0}]}')
    wire, within = asyncio.run(asked(app, rows))
    assert (wire.statuses, within) == ([b"413"], 1)


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """One that takes its time holds back those after it; before it they are answered within the call."""
    app = application(tmp_path, served())
    ways = [request(x_request_id="1"), request(MANY, x_request_id="2"), request(x_request_id="3")]
    wire, within = asyncio.run(asked(app, b"".join(ways), replies=3))
    assert re.findall(rb"x-request-id: (\d)", wire.told) == [b"1", b"2", b"3"]
    assert within == 1


@pytest.mark.parametrize("at", [5, 60, -len(BODY), -1])
def test_a_request_may_come_in_pieces(tmp_path: Path, at: int) -> None:
    """Wherever a request is cut, it gets one reply: by a task that waits if its headers came without the rest
    of the body.
    """
    app = application(tmp_path, served())
    sent = request()
    wire, within = asyncio.run(asked(app, sent[:at], sent[at:]))
    assert wire.told.endswith(json.dumps({"predictions": ["m"]}, separators=(",", ":")).encode())
    assert (wire.statuses, within) == ([b"200"], int(at > 0))


def test_a_slow_client_is_waited_for(tmp_path: Path) -> None:
    """While a client does not read, a task waits until it does."""
    app = application(tmp_path, served())

    async def slow() -> tuple[int, int]:
        wire, connection = connected(app)
        connection.flow.pause_writing()
        connection.data_received(request())
        await asyncio.sleep(0.01)
        before = len(wire.statuses)
        connection.flow.resume_writing()
        await asyncio.sleep(0.01)
        return before, len(wire.statuses)

    assert asyncio.run(slow()) == (0, 1)


def test_a_connection_in_use_is_kept(tmp_path: Path) -> None:
    """The seconds for headers end with the first request: a connection whose requests are all answered at
    once stays as long as it is used.
    """
    app = application(tmp_path, served())

    class Quick(BoundedHeads):
        seconds = 0.05

    async def used() -> tuple[bool, bool, int]:
        wire, connection = connected(app, Quick)
        for _ in range(10):
            connection.data_received(request())
            await asyncio.sleep(0.01)
        kept = wire.is_closed
        connection.data_received(request()[:20])  # and a next request has the same seconds
        await asyncio.sleep(0.1)
        return kept, wire.is_closed, len(wire.statuses)

    assert asyncio.run(used()) == (False, True, 10)


def test_requests_are_answered_while_the_log_is_written(tmp_path: Path, log: list[Any]) -> None:
    """The lines of many requests are written in steps: others are answered between them, and noted after
    them; a page of metrics counts all of them.
    """
    app = application(tmp_path, served())

    async def busy() -> list[int]:
        for number in range(300):
            await asked(app, request(x_request_id=str(number)))
        writing = asyncio.create_task(app._look_after())
        seen = []
        while not writing.done():
            await asyncio.sleep(0)
            seen.append(len(log))
            await asked(app, request(x_request_id=str(300 + len(seen))))
        metrics, _ = await asked(app, request(b"", "/metrics", "GET", x_request_id="last"))
        assert (
            b'waypost_requests_total{path="/invocations",status="200"} %d.0' % (300 + len(seen))
            in metrics.told
        )
        return seen

    seen = asyncio.run(busy())
    assert max(after - before for before, after in pairwise(seen)) < 100
    assert len(seen) > 3
    assert [line["id"] for line in log] == [
        str(number) for number in range(300 + len(seen) + 1) if number != 300
    ]
