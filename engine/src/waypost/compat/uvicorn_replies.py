"""A whole reply in one write: uvicorn takes a reply in two messages, and looks at each header four times.

What is set here is what uvicorn's `RequestResponseCycle.send` sets for the same reply, with the same bytes.
Where a reply is not as plain as that, uvicorn sends it.
Seen with uvicorn 0.51 to 0.54.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


def sent_at_once(send: Send, status: int, headers: Headers, body: bytes) -> bool:
    """Writes a reply whose headers say the length of its body; tells whether it did.

    It does not where `send` is not of uvicorn, the client reads slowly or is gone, the connection ends after
    the reply; nor for a header that holds a line break. What answers HEAD is not asked.
    """
    cycle: Any = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or cycle.access_log
        or not cycle.keep_alive
    ):
        return False
    parts = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    lines = len(cycle.default_headers) + len(headers) + 2
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = cycle.chunked_encoding = False
    cycle.transport.write(head + body)
    cycle.message_event.set()
    cycle.on_response()
    return True
