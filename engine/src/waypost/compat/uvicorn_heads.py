"""uvicorn's HTTP protocol with bounds for what is no body: request line, headers, chunk frames, trailers; and
for replies that nobody reads. And a request that is there completely may be answered without a task.

uvicorn with httptools has none: it keeps headers as long as they come, and waits for them without end. What
is taken from it here is no promise: the callbacks of its protocol, `cycle` and `transport`.
Seen with uvicorn 0.51 to 0.54.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_BYTES = 64 * 1024
_MESSAGE = b'{"error_code":"BAD_REQUEST","message":"the headers are larger than %d KiB"}' % (MOST_BYTES >> 10)
_REPLY = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
) % (len(_MESSAGE), _MESSAGE)


class BoundedHeads(HttpToolsProtocol):
    """Takes `MOST_BYTES` of headers; a connection without a request has `seconds` to bring one.

    A connection that is kept after a reply is idle until its next byte: for that long uvicorn's own
    `timeout_keep_alive` holds.

    If an application has a method `at_once(scope, body, send)`, it is called for each request whose body came
    with its headers. If it returns True, it has replied; else a task is started, as for all other requests.
    """

    seconds = 10.0
    unread_seconds = 30.0  # for so long a client may take nothing of a reply
    lingering = 1.0  # a client that still sends cannot read the reply after the connection is closed
    _unread = 0  # bytes since the last message or chunk was complete that are no body
    _is_refused = False
    _timer: TimerHandle | None = None
    _reading: TimerHandle | None = None
    _unsent = 0
    _is_new = False
    _held: tuple[RequestResponseCycle, Any] | None = None  # whose task is not started yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._close_after(self.seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        self._forget_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._forget_reading()
        self._reading = self.loop.call_later(self.unread_seconds, self._end_unread)

    def resume_writing(self) -> None:
        self._forget_reading()
        super().resume_writing()

    def _end_unread(self) -> None:
        """Ends a connection whose client has taken nothing of a reply: nobody else frees the memory."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent >= before:
            self.transport.abort()
        else:
            self._reading = self.loop.call_later(self.unread_seconds, self._end_unread)

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        if self._unread <= MOST_BYTES:
            super().data_received(data)
        else:
            self._unread -= len(data)
            self._take_pieces(data)
        self._start_held()
        # What is being answered has other limits of time.
        cycle: Any = self.cycle
        if cycle is None or (cycle.response_complete and self._unread):
            if self._timer is None:
                self._close_after(self.seconds)
        elif self._timer is not None and not self._is_refused:
            self._forget_timer()

    def on_body(self, body: bytes) -> None:
        self._unread -= len(body)
        super().on_body(body)

    def on_chunk_complete(self) -> None:
        """Begins to count again: a body may have any number of chunks."""
        self._unread = 0

    def on_message_complete(self) -> None:
        self._unread = 0
        super().on_message_complete()
        if self._held is not None:
            cycle, app = self._held
            if app.at_once(cycle.scope, cycle.body, cycle.send):
                self._held = None
                cycle.on_response = _nothing  # it refers to this connection, which refers to the cycle
            else:
                self._start_held()

    def on_headers_complete(self) -> None:
        self._is_new = True
        try:
            super().on_headers_complete()
        finally:
            self._is_new = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._is_new and hasattr(app, "at_once"):
            self._held = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _start_held(self) -> None:
        """Starts the task of a request that was not answered at once."""
        if self._held is not None:
            held, self._held = self._held, None
            super()._start_asgi_task(*held)

    def _take_pieces(self, data: bytes) -> None:
        """Takes as much at a time as headers may still be long: what is body by then has made room."""
        at = 0
        while at < len(data) and not self._is_refused and not self.transport.is_closing():
            size = min(MOST_BYTES - self._unread, len(data) - at)
            if size <= 0:
                self._refuse()
                return
            self._unread += size
            super().data_received(data[at : at + size])
            at += size

    def _refuse(self) -> None:
        """Says so, unless an earlier request waits for its reply; takes nothing more, and closes."""
        self._is_refused = True
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_REPLY)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._close_after(self.lingering)

    def _close_after(self, seconds: float) -> None:
        self._forget_timer()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Does nothing."""
