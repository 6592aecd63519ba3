"""The only module that starts processes."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GRACE_SECONDS = 5.0
TIMED_OUT = "no answer"
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    # When the engine is killed with -9, the kernel ends the step: no orphan computes on.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# Run in the child before it becomes the program; other systems have nothing of the kind.
_TIE = _die_with_parent if sys.platform == "linux" else None


class ProcessError(Exception):
    """A process that was run for its output failed; `stderr` is what it said."""

    def __init__(self, arguments: Sequence[str], code: int, stderr: str) -> None:
        super().__init__(f"{' '.join(arguments)}: exit code {code}: {stderr.strip()}")
        self.stderr = stderr


def output_of(
    arguments: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Returns what a process writes to stdout. Raises ProcessError unless it exits with 0."""
    return bytes_of(arguments, cwd=cwd, env=env).decode(errors="replace")


def bytes_of(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
    tied: bool = False,
) -> bytes:
    """Returns what a process writes to stdout. Raises ProcessError unless it exits with 0.

    It has no terminal, so that it cannot ask a question. Whatever ends the wait, `timeout`
    (seconds) or an exception, ends the process and its children too. A `tied` process does not
    outlive the engine, not even when that is killed with -9.
    """
    process = subprocess.Popen(
        arguments,
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_TIE if tied else None,  # noqa: PLW1509
    )
    try:
        output, errors = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        raise ProcessError(arguments, -1, f"{TIMED_OUT} after {timeout:g} s") from error
    finally:
        if process.poll() is None:
            _end_group(process)
    if process.returncode:
        raise ProcessError(arguments, process.returncode, errors.decode(errors="replace"))
    return output


class Background:
    """A process that goes on beside us; `result` is there once it has ended."""

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self._output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_TIE,  # noqa: PLW1509
            )

    def result(self) -> str | None:
        """Returns what it wrote to stdout, None while it is still at work."""
        return None if self._process.poll() is None else self._output.read_text(encoding="utf-8")

    def signal(self) -> signal.Signals | None:
        """Returns the signal that ended it, None where it is at work, or ended by itself."""
        code = self._process.poll() or 0
        return signal.Signals(-code) if code < 0 else None

    def end(self) -> None:
        """Ends it where it has not ended by itself."""
        if self._process.poll() is None:
            _end_group(self._process)


class Shell:
    """A shell command as a process group of its own; stdout and stderr go to `log`."""

    def __init__(self, command: str, *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Safe: the engine has no second thread while it starts a step.
                preexec_fn=_TIE,  # noqa: PLW1509
            )

    def poll(self) -> int | None:
        """Returns the exit code (-N: signal N), None while it runs; then no process of the group is left."""
        code = self._process.poll()
        if code is not None:
            _end_group(self._process)
        return code

    def end(self) -> None:
        """Ends all processes of the group."""
        _end_group(self._process)


class Partner:
    """A process that we talk with over a socket, one JSON document a line; `log` gets its output.

    It gets the number of the socket as its last argument. A `tied` one does not outlive the engine, not
    even when that is killed with -9; another sees that the socket ends.
    """

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str], log: Path, tied: bool = True
    ) -> None:
        self._ours, theirs = socket.socketpair()
        self._received = b""
        with theirs, log.open("ab") as sink:
            self._process = subprocess.Popen(
                [*arguments, str(theirs.fileno())],
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_TIE if tied else None,  # noqa: PLW1509
            )

    def fileno(self) -> int:
        """Returns the socket's number, for `select`."""
        return self._ours.fileno()

    def send(self, content: Mapping[str, Any]) -> bool:
        """Sends a document; tells whether there is somebody to hear it."""
        try:
            self._ours.sendall(json.dumps(content).encode() + b"\n")
        except OSError:
            return False
        return True

    def receive(self) -> list[dict[str, Any]] | None:
        """Waits for documents and returns them, None where the other one is gone."""
        try:
            data = self._ours.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self) -> None:
        """Hangs up and ends it at once: it keeps nothing that could be lost."""
        self._ours.close()
        self._process.kill()
        self._process.wait()


def end_group(leader: int, number: signal.Signals) -> None:
    """Sends a signal to all processes of a group, where there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the group: SIGTERM to a running step, then SIGKILL to everything."""
    if process.poll() is None:
        end_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    end_group(process.pid, signal.SIGKILL)
    process.wait()


def is_alive(pid: int) -> bool:
    """Tells whether a process with this id exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
