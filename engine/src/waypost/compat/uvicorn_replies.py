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


def takes_at_once(send: Send) -> bool:
    """Returns whether a plain reply may be written at once.

    It may not where `send` is not of uvicorn, the client reads slowly or is gone, or the connection ends
    after the reply.
    """
    cycle: Any = getattr(send, "__self__", None)
    return type(cycle) is RequestResponseCycle and not (
        cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or cycle.access_log
        or not cycle.keep_alive
    )


def sent_at_once(send: Send, status: int, headers: Headers, body: bytes) -> bool:
    """Writes a reply whose headers say the length of its body; tells whether it did.

    It does so only where `takes_at_once`, and not for a header that holds a line break. What answers HEAD is
    not asked.
    """
    if not takes_at_once(send):
        return False
    cycle: Any = send.__self__  # type: ignore[attr-defined]  # a method of uvicorn's cycle
    head = b"\r\n".join([*map(b": ".join, (*cycle.default_headers, *headers)), b"", b""])
    breaks = len(cycle.default_headers) + len(headers) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = cycle.chunked_encoding = False
    cycle.transport.write(STATUS_LINE[status] + head + body)
    cycle.message_event.set()
    cycle.on_response()
    return True
