"""The only module that starts processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 5.0
TIMED_OUT = "no answer"
_TICK_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1


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
        preexec_fn=_die_with_parent if tied and sys.platform == "linux" else None,  # noqa: PLW1509
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
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    def result(self) -> str | None:
        """Returns what it wrote to stdout, None while it is still at work."""
        return None if self._process.poll() is None else self._output.read_text(encoding="utf-8")

    def end(self) -> None:
        """Ends it where it has not ended by itself."""
        if self._process.poll() is None:
            _end_group(self._process)


def run_step(command: str, *, cwd: Path, env: Mapping[str, str], log: Path, tick: Callable[[], None]) -> int:
    """Runs a shell command as a process group of its own; returns its exit code (-N: signal N).

    stdout and stderr go to `log`; `tick` is called while waiting. However this ends, by an
    exception too, no process of the group is left.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Safe: the engine has no second thread while it starts a step.
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
    try:
        while process.poll() is None:
            tick()
            time.sleep(_TICK_SECONDS)
        return process.returncode
    finally:
        _end_group(process)


def _die_with_parent() -> None:
    # When the engine is killed with -9, the kernel ends the step: no orphan computes on.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the group: SIGTERM to a running step, then SIGKILL to everything."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
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
