"""Unpacking of Parquet and Arrow bodies, in separate processes.

The sizes in such a body may be false, which only decoding shows: a page of 2 GB, a footer of a million
columns, groups nested until the stack overflows. No check is as reliable as the system's: the process has a
memory limit and a timeout, and if it crashes, the server does not.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict

from waypost.contracts.mlmodel import Column
from waypost.inference.columnar import read_checked, read_columnar
from waypost.inference.layout import Layout, TableError
from waypost.inference.limits import MIB, Limits, RequestError
from waypost.inference.table import Table
from waypost.system import messages
from waypost.system.conversations import Companion

# The process' own memory, and the number of copies of the table while unpacking.
_OWN_BYTES, _COPIES = 384 * MIB, 4
_MOST_MESSAGE = 1 << 40  # the server trusts itself


class _UnpackRequest(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str
    columns: list[Column]
    rows: int
    bytes: int
    is_checked: bool = False
    """Return plain Parquet, not a table of numbers and texts."""


class _UnpackReply(BaseModel):
    """A table of `rows` rows follows, its matrix first; or the error."""

    model_config = ConfigDict(frozen=True)

    rows: int = 0
    problem: str = ""
    hint: str = ""
    status: int = 400
    column: str = ""
    row: int | None = None

    def error(self) -> TableError:
        """Returns the error raised in the other process."""
        return TableError(self.problem, column=self.column, row=self.row, hint=self.hint, status=self.status)


class Unpacker:
    """Unpacks bodies, `most` at a time, each within `seconds`. Thread-safe."""

    def __init__(self, most: int, seconds: float) -> None:
        self._seconds = seconds
        self._free = threading.Semaphore(most)
        self._idle: list[Companion] = []

    def unpack(self, kind: str, body: bytes, layout: Layout, limits: Limits) -> Table:
        """Returns the table in a Parquet or Arrow body. Raises TableError, RequestError."""
        reply, rest = self._asked(kind, body, layout, limits, is_checked=False)
        return _table_of(reply.rows, rest, layout)

    def check(self, kind: str, body: bytes, layout: Layout, limits: Limits) -> bytes:
        """Returns the content of a Parquet or Arrow body as plain Parquet. Raises TableError,
        RequestError.
        """
        return bytes(self._asked(kind, body, layout, limits, is_checked=True)[1])

    def _asked(
        self, kind: str, body: bytes, layout: Layout, limits: Limits, *, is_checked: bool
    ) -> tuple[_UnpackReply, memoryview]:
        asked = _UnpackRequest(
            kind=kind,
            columns=list(layout.columns),
            rows=limits.rows,
            bytes=limits.bytes,
            is_checked=is_checked,
        )
        with self._companion(limits) as companion:
            try:
                head, rest = companion.ask(
                    asked.model_dump_json().encode(), body, most=3 * limits.bytes, seconds=self._seconds
                )
            except TimeoutError:
                companion.end()
                problem = f"the body could not be read within {self._seconds:g} s"
                raise RequestError(problem, status=413, hint="send fewer rows at once") from None
            except (EOFError, OSError):
                raise _fallen(companion.end(), kind) from None
        reply = _UnpackReply.model_validate_json(head)
        if reply.problem:
            raise reply.error()
        return reply, rest

    @contextlib.contextmanager
    def _companion(self, limits: Limits) -> Iterator[Companion]:
        """Yields a process for exclusive use; one that ended is not used again."""
        if not self._free.acquire(timeout=self._seconds):
            raise RequestError("too many bodies are being unpacked", status=503, hint="ask again later")
        try:
            idle = self._idle.pop() if self._idle else None
            companion = idle if idle and idle.is_alive() else _started(limits)
            yield companion
            if companion.is_alive():
                self._idle.append(companion)
        finally:
            self._free.release()

    def end(self) -> None:
        """Ends the idle processes; the others end with the server."""
        while self._idle:
            self._idle.pop().end()


def _started(limits: Limits) -> Companion:
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    most = _OWN_BYTES + _COPIES * limits.bytes
    return Companion([sys.executable, "-m", "waypost.serving.unpacking", str(most)], env=env)


def _fallen(code: int, kind: str) -> RequestError:
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return RequestError(f"the body is not valid {kind}: the process that reads it has crashed ({how})")


def _table_of(rows: int, content: memoryview, layout: Layout) -> Table:
    import pyarrow as pa

    shape = rows, len(layout.numbers)
    size = 8 * rows * len(layout.numbers)
    numbers = np.frombuffer(content[:size], np.float64).reshape(shape, order="F")
    with pa.ipc.open_stream(pa.py_buffer(content[size:])) as stream:
        batch = stream.read_next_batch()
    batch.validate(full=True)
    return Table(numbers, {name: batch[name] for name in layout.texts})


def _content_of(table: Table) -> list[memoryview]:
    """Returns the bytes of a table, as `_table_of` reads them."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    batch = pa.record_batch(list(table.texts.values()), list(table.texts))
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return [table.numbers.T.reshape(-1).data, memoryview(sink.getvalue())]


def _answer(head: bytes, body: memoryview) -> tuple[_UnpackReply, list[memoryview]]:
    asked = _UnpackRequest.model_validate_json(head)
    layout = Layout(tuple(asked.columns))
    limits = Limits(asked.rows, asked.bytes)
    try:
        if asked.is_checked:
            return _UnpackReply(), [memoryview(read_checked(asked.kind, body, layout, limits))]
        table = read_columnar(asked.kind, body, layout, limits)
        return _UnpackReply(rows=len(table)), _content_of(table)
    except MemoryError:
        return _told(limits.too_large()), []
    except TableError as error:
        return _told(error), []


def _told(error: TableError) -> _UnpackReply:
    return _UnpackReply(
        problem=str(error), hint=error.hint, status=error.status, column=error.column, row=error.row
    )


def _bounded(most: int) -> None:
    """Limits the memory of this process to a number of bytes; more raises MemoryError."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with(number: int) -> None:
    """Ends this process when the other end of a socket is closed, whatever it is doing."""
    poll = select.poll()
    poll.register(number, 0)  # poll reports a closed socket in any case
    poll.poll()
    os._exit(0)


def main(most: str, number: str) -> None:
    """Unpacks one body after the other until the server closes the socket."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    _bounded(int(most))
    threading.Thread(target=_end_with, args=[int(number)], daemon=True).start()
    with socket.socket(fileno=int(number)) as connection, contextlib.suppress(EOFError, OSError):
        while True:
            reply, content = _answer(*messages.receive(connection, _MOST_MESSAGE))
            messages.send(connection, reply.model_dump_json().encode(), *content)


if __name__ == "__main__":
    main(*sys.argv[1:])
