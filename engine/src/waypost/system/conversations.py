"""Child processes that communicate over a socket."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from waypost.system import messages
from waypost.system.ending import LAST_SECONDS, signal_group, supervised_command


class Partner:
    """A child process that exchanges JSON documents over a socket, one per line; its output goes to `log`.

    It gets the socket's file descriptor as its last argument. A `supervised` process and its children do not
    outlive the engine; others notice that the socket closes.
    """

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str], log: Path, supervised: bool = False
    ) -> None:
        self._ours, theirs = socket.socketpair()
        self._received = b""
        self._supervised = supervised
        with theirs, log.open("ab") as sink:
            command = [*arguments, str(theirs.fileno())]
            self._process = subprocess.Popen(
                supervised_command(command) if supervised else command,
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def fileno(self) -> int:
        """Returns the socket's file descriptor, for `select`."""
        return self._ours.fileno()

    def send(self, content: Mapping[str, Any]) -> bool:
        """Sends a document; returns whether the process could receive it."""
        try:
            self._ours.sendall(json.dumps(content).encode() + b"\n")
        except OSError:
            return False
        return True

    def receive(self) -> list[dict[str, Any]] | None:
        """Waits for documents and returns them, None if the process is gone."""
        try:
            data = self._ours.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self) -> None:
        """Closes the socket and ends the process at once: it has nothing to lose."""
        self._ours.close()
        if self._supervised and self._process.poll() is None:
            signal_group(self._process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_SECONDS)
        self._process.kill()
        self._process.wait()


class Companion:
    """A process that answers messages over a socket, one at a time (`system/messages.py`).

    It gets the socket's file descriptor as its last argument, and must exit when the socket closes. A program
    with threads may start it: no code of this process runs between fork and exec.
    """

    def __init__(self, arguments: Sequence[str], *, env: Mapping[str, str]) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*arguments, str(theirs.fileno())],
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def is_alive(self) -> bool:
        """Returns whether it still runs."""
        return self._process.poll() is None

    def ask(self, head: bytes, *rest: messages.Bytes, most: int, seconds: float) -> tuple[bytes, memoryview]:
        """Returns the answer, at most `most` bytes. After an error it must not be used again.

        Raises TimeoutError if it takes longer, EOFError or OSError if the process is gone.
        """
        deadline = time.monotonic() + seconds
        self._ours.settimeout(seconds)
        messages.send(self._ours, head, *rest)
        return messages.receive(self._ours, most, deadline)

    def end(self) -> int:
        """Kills it, and returns its exit code (-N: signal N)."""
        self._ours.close()
        if self._process.poll() is None:
            self._process.kill()
        return self._process.wait()
