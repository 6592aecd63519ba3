"""Request lines and headers on a real socket: so many bytes, and so much time."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from waypost.compat.uvicorn import bound
from waypost.compat.uvicorn_heads import MOST_BYTES, BoundedHeads

GET = b"GET /ping HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
QUICK = 0.4
LARGE = 30_000_000


class Quick(BoundedHeads):
    """Cuts connections after tenths of a second."""

    seconds = QUICK
    lingering = 0.2
    unread_seconds = QUICK


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Replies how long the body was; `/ping` reads none, `/slow` takes its time, `/large` says much."""
    size = 0
    is_more = scope["path"] == "/"
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        is_more = message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * QUICK)
    said = b"a" * LARGE if scope["path"] == "/large" else str(size).encode()
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with these bounds."""
    config = uvicorn.Config(
        echo, http=Quick, port=0, log_level="critical", lifespan="off", ws="none", timeout_keep_alive=1
    )
    with bound(config) as listening:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    """Returns what comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            found += piece
    return found


def statuses(reply: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d{3})", reply)


def endless(head: bytes, more: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield more * (20_000 // len(more) + 1)


TOO_LARGE = {
    "one header": GET + b"x: " + b"a" * 5_000_000,
    "many headers": GET + b"x: a\r\n" * 200_000,
    "a whole head": GET + b"x: " + b"a" * MOST_BYTES + b"\r\n\r\n",
    "request line": b"GET /" + b"a" * 5_000_000,
    "no request": b"\r\n" * 2_000_000,
}


@pytest.mark.parametrize("form", TOO_LARGE)
def test_large_heads_are_refused(port: int, form: str) -> None:
    """More than 64 KiB of request line and headers: 431, as soon as they are there, and the end."""
    with connected(port) as connection:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            connection.sendall(TOO_LARGE[form])
        reply = until_closed(connection)
        assert time.monotonic() - began < 2
    assert statuses(reply) == [b"431"]
    assert reply.endswith(b'"message":"the headers are larger than 64 KiB"}')


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (GET, b"x: a\r\n"),
        (CHUNKED + b"0\r\n", b"x: a\r\n"),
        (CHUNKED + b"0\r\nx: ", b"a"),
        (CHUNKED + b"1;", b"a"),
    ],
    ids=["headers", "trailers", "one trailer", "extension of a chunk"],
)
def test_endless_ones_end(port: int, head: bytes, more: bytes) -> None:
    """Whatever is no body and never ends is cut, before and behind a body."""
    sent = 0
    with connected(port) as connection, contextlib.suppress(ConnectionError):
        for piece in endless(head, more):
            connection.sendall(piece)
            sent += len(piece)
            assert sent < 4_000_000_000


def test_heads_within_the_bound_are_answered(port: int) -> None:
    """Bodies and chunks do not count, nor do requests before; pipelined ones are answered in turn."""
    head = GET + b"x: " + b"a" * (MOST_BYTES - len(GET) - 8) + b"\r\n\r\n"
    body = b"b" * 300_000
    many = b"".join(b"1\r\na\r\n" for _ in range(50_000))
    close = GET + b"Connection: close\r\n\r\n"
    sent = head * 3 + POST + b"Content-Length: 300000\r\n\r\n" + body + CHUNKED + many + b"0\r\n\r\n" + close
    with connected(port) as connection:
        sender = threading.Thread(target=connection.sendall, args=[sent])
        sender.start()
        reply = until_closed(connection)
        sender.join()
    assert statuses(reply) == [b"200"] * 6
    sizes = [part.partition(b"HTTP")[0] for part in reply.split(b"\r\n\r\n")[1:]]
    assert sizes == [b"0", b"0", b"0", b"300000", b"50000", b"0"]


@pytest.mark.parametrize("pieces", [[], [GET], [b"G", b"E", b"T", *[b" "] * 20], [b"\r\n"] * 20])
def test_silent_and_slow_connections_are_cut(port: int, pieces: list[bytes]) -> None:
    """A connection has so many seconds until its headers are complete, however it fills them."""
    began = time.monotonic()
    with connected(port) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(QUICK / 10)
        assert statuses(until_closed(connection)) in ([], [b"400"])
        assert time.monotonic() - began < 3 * QUICK


@pytest.mark.parametrize("more", [b"", b"\r\n", b"G", b"a"])
def test_kept_connections_are_cut(port: int, more: bytes) -> None:
    """After a reply a silent client is cut by uvicorn, and one that sends a byte now and then by us."""
    with connected(port) as connection:
        length = b"Content-Length: 1000\r\n" if more == b"a" else b""
        connection.sendall(GET + length + b"\r\n")
        assert statuses(connection.recv(1000)) == [b"200"]
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for _ in range(20 if more else 0):
                connection.sendall(more)
                time.sleep(QUICK / 5)
        until_closed(connection)
        assert time.monotonic() - began < 2.5


def test_what_is_being_answered_is_not_cut(port: int) -> None:
    """A reply may take longer than headers, and a next request is taken after it."""
    with connected(port) as connection:
        for _ in range(2):
            connection.sendall(GET.replace(b"ping", b"slow") + b"\r\n")
            assert statuses(connection.recv(1000)) == [b"200"]


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_replies_that_nobody_reads_are_cut(port: int, more: bytes) -> None:
    """A client that takes nothing of a large reply is cut; one that reads slowly gets all of it."""
    head = GET.replace(b"ping", b"large") + more + b"\r\n"
    with connected(port) as connection:
        connection.sendall(head)
        time.sleep(4 * QUICK)
        assert len(until_closed(connection)) < LARGE
    with connected(port) as connection:
        connection.sendall(head)
        size = 0
        while size < LARGE:
            size += len(connection.recv(1_000_000))
            time.sleep(QUICK / 20)
