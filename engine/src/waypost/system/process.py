"""The only module that starts processes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from waypost.system import messages, supervisor

GRACE_SECONDS = supervisor.GRACE_SECONDS
_LAST_SECONDS = supervisor.LAST_SECONDS + 1.0
_DRAIN_SECONDS = 0.5


def _die_with_parent() -> None:
    # When the engine is killed with -9, the kernel ends the process: no orphan computes on.
    supervisor.hear_of_parent(signal.SIGKILL)


@functools.cache
def _tie() -> tuple[str, ...]:
    """Returns what, before a command, has the kernel end it with us; nothing where only Python can.

    A function that runs in the child (`preexec_fn`) makes Python fork, which copies the page tables of all
    that is loaded: beside MLflow 40 ms of a core instead of 4.
    """
    program = shutil.which("setpriv") if sys.platform == "linux" else None
    if program is None:
        return ()
    tie = (program, "--pdeathsig", "KILL")
    quiet = subprocess.DEVNULL
    try:  # busybox has one that knows no such option
        subprocess.run([*tie, "true"], check=True, stdin=quiet, stdout=quiet, stderr=quiet)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tie


def _supervised(command: Sequence[str]) -> list[str]:
    """Returns what runs a command and ends all that comes from it; elsewhere than on Linux the command."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid()), *command]


class ProcessError(Exception):
    """A process that was run for its output failed; `stderr` is what it said, `timed_out` whether it was
    ended because it took too long.
    """

    def __init__(self, arguments: Sequence[str], code: int, stderr: str, *, timed_out: bool = False) -> None:
        super().__init__(f"{' '.join(arguments)}: exit code {code}: {stderr.strip()}")
        self.stderr = stderr
        self.timed_out = timed_out


def output_of(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    supervised: bool = False,
) -> str:
    """Returns what a process writes to stdout. Raises ProcessError unless it exits with 0."""
    return bytes_of(arguments, cwd=cwd, env=env, supervised=supervised).decode(errors="replace")


def bytes_of(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
    tied: bool = False,
    supervised: bool = False,
) -> bytes:
    """Returns what a process writes to stdout. Raises ProcessError unless it exits with 0.

    It has no terminal, so that it cannot ask a question. Whatever ends the wait, `timeout`
    (seconds) or an exception, ends the process and its children too. A `tied` process does not
    outlive the engine, not even when that is killed with -9; of a `supervised` one nothing does that
    comes from it, and nothing outlives its own end.
    """
    tie = _tie() if tied else ()
    process = subprocess.Popen(
        _supervised(arguments) if supervised else [*tie, *arguments],
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent if tied and not tie and sys.platform == "linux" else None,  # noqa: PLW1509
    )
    with process:
        try:
            output, errors = _said(process, stdin, timeout)
        except subprocess.TimeoutExpired as error:
            problem = f"no answer after {timeout:g} s"
            raise ProcessError(arguments, -1, problem, timed_out=True) from error
        finally:
            if process.poll() is None:
                _end_group(process, supervised=supervised)
    if process.returncode:
        raise ProcessError(arguments, process.returncode, errors.decode(errors="replace"))
    return output


def _said(process: subprocess.Popen[bytes], stdin: bytes, timeout: float | None) -> tuple[bytes, bytes]:
    """Returns what a process wrote until it ended, whoever keeps its streams open afterwards: git leaves
    servers of its user's behind (ssh's connection, the credentials' cache), which are not ours to end.
    """
    until = time.monotonic() + (math.inf if timeout is None else timeout)
    given: bytes | None = stdin
    while True:
        has_ended = process.poll() is not None
        try:
            return process.communicate(given, min(_DRAIN_SECONDS, max(until - time.monotonic(), 0.0)))
        except subprocess.TimeoutExpired as pause:
            given = None
            if has_ended:
                return pause.output or b"", pause.stderr or b""
            if time.monotonic() > until:
                raise


class Answering:
    """A process that answers what is written to it, as `git cat-file --batch` does; started when it is asked.

    Not more may be asked at once than a pipe holds (64 KiB): it may wait until its answers are read.
    It outlives nobody who asks, not even one that is killed with -9: where its stdin ends, it ends.
    """

    def __init__(self, arguments: Sequence[str], *, env: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def ask(self, data: bytes) -> IO[bytes]:
        """Writes a question; returns what the answer is read from. Raises ProcessError where it has ended."""
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
            self._process = subprocess.Popen(
                self._arguments,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("a process without pipes")
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            raise self.failure() from None
        return self._process.stdout

    def failure(self) -> ProcessError:
        """Returns what the process said of why it answers no longer, and ends it."""
        words = b""
        if self._process and self._errors:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
            self._errors.seek(0)
            words = self._errors.read(1 << 16)
        code = self._process.returncode if self._process else -1
        self.end()
        return ProcessError(self._arguments, -1 if code is None else code, words.decode(errors="replace"))

    def end(self) -> None:
        """Ends it; the next question starts another one."""
        process, self._process = self._process, None
        errors, self._errors = self._errors, None
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if errors:
            errors.close()


def start_apart(arguments: Sequence[str]) -> None:
    """Starts a process that goes on when this one ends, and says nothing."""
    quiet = subprocess.DEVNULL
    subprocess.Popen(arguments, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def become(arguments: Sequence[str]) -> NoReturn:
    """Goes on as another program, in this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(arguments[0], list(arguments))  # noqa: S606 (no shell is meant)


class Background:
    """A process that goes on beside us, supervised; `result` is there once it has ended."""

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self._output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                _supervised(arguments),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def result(self) -> str | None:
        """Returns what it wrote to stdout, None while it is still at work."""
        return None if self._process.poll() is None else self._output.read_text(encoding="utf-8")

    def ended_by(self) -> signal.Signals | None:
        """Returns the signal that ended it, None where it is at work, or ended by itself."""
        code = self._process.poll() or 0
        return signal.Signals(-code) if code < 0 else None

    def end(self) -> None:
        """Ends it where it has not ended by itself."""
        if self._process.poll() is None:
            _end_group(self._process, supervised=True)


class Shell:
    """A shell command, supervised; stdout and stderr go to `log`."""

    def __init__(self, command: str, *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                _supervised(["bash", "-c", command]),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def number(self) -> int:
        """The id of the process above all that it starts."""
        return self._process.pid

    def poll(self) -> int | None:
        """Returns the exit code (-N: signal N), None while it runs; then nothing that it started is left."""
        code = self._process.poll()
        if code is not None:
            _end_group(self._process, supervised=True)
        return code

    def end(self) -> None:
        """Ends it and all that it started."""
        _end_group(self._process, supervised=True)


class Partner:
    """A process that we talk with over a socket, one JSON document a line; `log` gets its output.

    It gets the number of the socket as its last argument. Of a `supervised` one nothing outlives the
    engine; another sees that the socket ends.
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
                _supervised(command) if supervised else command,
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
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
        if self._supervised and self._process.poll() is None:
            end_group(self._process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_SECONDS)
        self._process.kill()
        self._process.wait()


class Companion:
    """A process that answers messages over a socket, one after the other (`sources.messages`).

    It gets the number of the socket as its last argument, and is to end when the socket does. A program
    with threads may start it: nothing of ours runs between fork and exec.
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
        """Tells whether it can be asked."""
        return self._process.poll() is None

    def ask(self, head: bytes, *rest: messages.Bytes, most: int, seconds: float) -> tuple[bytes, memoryview]:
        """Returns the answer, of `most` bytes. After an error it is not to be asked again.

        Raises TimeoutError where it takes longer, EOFError or OSError where the process is gone.
        """
        deadline = time.monotonic() + seconds
        self._ours.settimeout(seconds)
        messages.send(self._ours, head, *rest)
        return messages.receive(self._ours, most, deadline)

    def end(self) -> int:
        """Ends it, whatever it is at, and returns its exit code (-N: signal N)."""
        self._ours.close()
        if self._process.poll() is None:
            self._process.kill()
        return self._process.wait()


def end_group(leader: int, number: signal.Signals) -> None:
    """Sends a signal to all processes of a group, where there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _end_group(process: subprocess.Popen[bytes], *, supervised: bool = False) -> None:
    """Ends what is left of the group: SIGTERM to a running process, then SIGKILL to everything."""
    if process.poll() is None:
        end_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A supervisor, alone in its group, gives the same time to the command, and needs some itself.
            process.wait(GRACE_SECONDS + (_LAST_SECONDS if supervised else 0.0))
    end_group(process.pid, signal.SIGKILL)
    process.wait()


def is_alive(pid: int) -> bool:
    """Tells whether a process with this id exists on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@functools.cache
def _machine() -> str:
    """Returns what tells this machine's processes from those of others, and of other containers."""
    space = ""
    with contextlib.suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def process_name() -> str:
    """Returns a name of this process that no living process has, on whatever machine."""
    return f"{_machine()}-{os.getpid()}"


def is_gone(name: str) -> bool:
    """Tells whether the process with such a name ended; of another machine's nothing is known."""
    machine, _, pid = name.rpartition("-")
    return machine == _machine() and not is_alive(int(pid))
