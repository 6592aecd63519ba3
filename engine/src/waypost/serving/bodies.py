"""Receiving of request bodies: each limited in size and time, all of them together in memory."""

from __future__ import annotations

import asyncio
import gzip
import io
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from waypost.inference.limits import RequestError

Receive = Callable[[], Awaitable[dict[str, Any]]]
InThread = Callable[[Callable[[Any], bytes]], Awaitable[bytes]]

_MEMBER, _MOST_MEMBERS = b"\x1f\x8b\x08", 1000
_ROOM = 4  # bodies of the largest size
SMALL_BYTES = 32_768
"""Smaller bodies are not counted: there are never more of them than connections."""


class GoneError(Exception):
    """The client disconnected before its request was complete."""


class Bodies:
    """Receives bodies of `most` bytes, each within `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._held = 0
        self._deadlines: dict[asyncio.Task[Any] | None, float] = {}
        self._late: set[asyncio.Task[Any] | None] = set()

    async def receive(self, length: bytes, receive: Receive) -> bytes:
        """Returns a body; a large one has to be released at the end.

        Args: `length` is its Content-Length.
        Raises RequestError if it is too large, takes too long, or there is no memory for it; GoneError.
        """
        if length.isdigit() and int(length[:18]) > self._most:
            raise self._too_large()
        task = asyncio.current_task()
        # `asyncio.timeout` would cost a tenth of each request: `end_late` ends late ones.
        self._deadlines[task] = time.monotonic() + self._seconds
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            is_whole = message["type"] == "http.request" and not message.get("more_body", False)
            if is_whole and len(body) <= SMALL_BYTES:
                return body
            return await self._joined(message, receive)
        except asyncio.CancelledError:
            if task not in self._late or task is None:
                raise
            task.uncancel()
            problem = f"the body did not arrive within {self._seconds:g} s"
            raise RequestError(problem, status=408) from None
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    async def _joined(self, message: dict[str, Any], receive: Receive) -> bytes:
        """Returns a body that arrives in parts, or is large."""
        parts: list[bytes] = []
        size = held = 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise GoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > SMALL_BYTES:
                    self._hold(size - held, size)
                    held = size
                if not message.get("more_body", False):
                    held = 0  # from here on, the caller owns it
                    return parts[0] if len(parts) == 1 else b"".join(parts)
                message = await receive()
        finally:
            self._held -= held

    async def unpacked(self, body: bytes, in_thread: InThread) -> bytes:
        """Returns the content of a gzipped body, to be released instead of the body.

        Raises RequestError if it is not gzip, or exceeds the limit of a body when unpacked, or there is no
        memory for that limit, which is reserved until the size is known.
        """
        self._hold(self._most, 0)
        held = self._most
        try:
            found = await in_thread(lambda _: gunzipped(body, self._most))
            if len(found) > SMALL_BYTES:
                held -= len(found)
        finally:
            self._held -= held
        self.release(body)
        return found

    async def drain(self, receive: Receive) -> None:
        """Receives and discards the rest of a refused body, for a limited number of seconds.

        Many clients read a reply only after sending all of the body: if a server closes earlier, they see a
        broken pipe.
        """
        task = asyncio.current_task()
        self._deadlines[task] = time.monotonic() + self._seconds
        try:
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
        except asyncio.CancelledError:  # too late, or the server ends; the reply has been sent already
            if task is not None:
                task.uncancel()
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    def _hold(self, more: int, size: int) -> None:
        if size > self._most:
            raise self._too_large()
        if self._held + more > _ROOM * self._most:
            raise busy("too many large bodies are being received")
        self._held += more

    def release(self, body: bytes) -> None:
        """Releases the memory of a received body."""
        if len(body) > SMALL_BYTES:
            self._held -= len(body)

    def end_late(self) -> None:
        """Ends requests with late bodies."""
        now = time.monotonic()
        for task, deadline in self._deadlines.items():
            if task and now > deadline:
                self._late.add(task)
                task.cancel()

    def _too_large(self) -> RequestError:
        return _too_large(f"the body is larger than {self._most:,} bytes")


def busy(problem: str) -> RequestError:
    """Returns the error that asks the client to retry later."""
    return RequestError(problem, status=503, hint="retry in a few seconds")


def _too_large(problem: str) -> RequestError:
    return RequestError(problem, status=413, hint="send fewer rows at once, or score a file: waypost score")


def is_gzip(encoding: bytes) -> bool:
    """Returns whether a Content-Encoding is gzip, not identity. Raises RequestError (415) for others."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return False
    if name not in (b"gzip", b"x-gzip"):
        problem = f"the Content-Encoding {encoding.decode('latin-1')!r} cannot be read"
        raise RequestError(problem, status=415, hint="send gzip, or the body uncompressed")
    return True


def gunzipped(body: bytes, most: int) -> bytes:
    """Returns the content of a gzipped body, of one member or several.

    Raises RequestError if it exceeds `most` bytes (413), or is not gzip, or truncated.
    """
    if body.count(_MEMBER) > _MOST_MEMBERS:  # each costs some time, and may be empty
        raise RequestError(f"the body is gzip in more than {_MOST_MEMBERS:,} members")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            found = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RequestError(f"the body is not valid gzip: {error}") from error
    if len(found) > most:
        raise _too_large(f"the body is larger than {most:,} bytes when unpacked")
    return found
