"""Programs that are run for their output, started detached, or replace this process."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from waypost.system.ending import (
    death_signal_prefix,
    die_with_parent,
    end_process_group,
    supervised_command,
)

_DRAIN_SECONDS = 0.5


class ProcessError(Exception):
    """A process failed; `stderr` and `stdout` are its output, `timed_out` says whether it was ended because
    it took too long.
    """

    def __init__(
        self, arguments: Sequence[str], code: int, stderr: str, *, timed_out: bool = False, stdout: str = ""
    ) -> None:
        super().__init__(f"{' '.join(arguments)}: exit code {code}: {stderr.strip()}")
        self.stderr = stderr
        self.stdout = stdout
        self.timed_out = timed_out


def output_of(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    supervised: bool = False,
) -> str:
    """Returns a process's stdout as text. Raises ProcessError unless it exits with 0."""
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
    """Returns a process's stdout. Raises ProcessError unless it exits with 0.

    It has no terminal, so it cannot ask questions. Whatever ends the wait, `timeout` (seconds) or an
    exception, also ends the process and its children. A `tied` process does not outlive the engine, even one
    killed with -9; nothing that a `supervised` one starts outlives the engine or the process itself.
    """
    tie = death_signal_prefix() if tied else ()
    process = subprocess.Popen(
        supervised_command(arguments) if supervised else [*tie, *arguments],
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent if tied and not tie and sys.platform == "linux" else None,  # noqa: PLW1509
    )
    with process:
        try:
            output, errors = _communicate(process, stdin, timeout)
        except subprocess.TimeoutExpired as error:
            problem = f"no answer after {timeout:g} s"
            raise ProcessError(arguments, -1, problem, timed_out=True) from error
        finally:
            if process.poll() is None:
                end_process_group(process, supervised=supervised)
    if process.returncode:
        said = errors.decode(errors="replace")
        raise ProcessError(arguments, process.returncode, said, stdout=output.decode(errors="replace"))
    return output


def _communicate(
    process: subprocess.Popen[bytes], stdin: bytes, timeout: float | None
) -> tuple[bytes, bytes]:
    """Returns the output of a process when it ends, even if others keep its streams open: git leaves
    user-level servers running (ssh connections, the credential cache), which are not ours to end.
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


def start_apart(arguments: Sequence[str]) -> None:
    """Starts a detached, silent process that outlives this one."""
    quiet = subprocess.DEVNULL
    subprocess.Popen(arguments, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def become(arguments: Sequence[str]) -> NoReturn:
    """Replaces this process with another program."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(arguments[0], list(arguments))  # noqa: S606 (without a shell)
