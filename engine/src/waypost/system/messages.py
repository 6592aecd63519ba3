"""Messages between two processes over a socket: a head and a body, as bytes."""

from __future__ import annotations

import socket
import struct
import time

Bytes = bytes | memoryview

_SIZES = struct.Struct("<QQ")


def send(connection: socket.socket, head: bytes, *rest: Bytes) -> None:
    """Sends a message. Raises OSError (TimeoutError if the socket has a timeout)."""
    views = [view.cast("B") for part in rest if (view := memoryview(part)).nbytes]
    connection.sendall(_SIZES.pack(len(head), sum(view.nbytes for view in views)) + head)
    for view in views:
        connection.sendall(view)


def receive(connection: socket.socket, most: int, deadline: float | None = None) -> tuple[bytes, memoryview]:
    """Returns a message's head and body.

    Args: `most` is the size limit in bytes; `deadline` is on the clock `time.monotonic`.
    Raises EOFError if the other process is gone or exceeds the limit, TimeoutError, OSError.
    """
    head, rest = _SIZES.unpack(_read(connection, _SIZES.size, deadline))
    if head + rest > most:
        raise EOFError(f"a message of {head + rest} bytes; the limit is {most}")
    content = _read(connection, head + rest, deadline)
    return bytes(content[:head]), content[head:]


def _read(connection: socket.socket, size: int, deadline: float | None) -> memoryview:
    content = memoryview(bytearray(size))
    done = 0
    while done < size:
        if deadline is not None:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
        count = connection.recv_into(content[done:])
        if not count:
            raise EOFError("the other process is gone")
        done += count
    return content
