"""How a process ends: with the engine, and together with everything that it started."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

from waypost.system import supervisor

GRACE_SECONDS = supervisor.GRACE_SECONDS
LAST_SECONDS = supervisor.LAST_SECONDS + 1.0


def die_with_parent() -> None:
    # When the engine is killed with -9, the kernel ends the process: no orphan goes on computing.
    supervisor.signal_on_parent_death(signal.SIGKILL)


@functools.cache
def death_signal_prefix() -> tuple[str, ...]:
    """Returns a command prefix that has the kernel end the command with us; empty if only Python can.

    A function run in the child (`preexec_fn`) makes Python fork, which copies the page tables of everything
    loaded: with MLflow 40 ms of a core instead of 4.
    """
    program = shutil.which("setpriv") if sys.platform == "linux" else None
    if program is None:
        return ()
    tie = (program, "--pdeathsig", "KILL")
    quiet = subprocess.DEVNULL
    try:  # busybox has a setpriv without this option
        subprocess.run([*tie, "true"], check=True, stdin=quiet, stdout=quiet, stderr=quiet)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tie


def supervised_command(command: Sequence[str]) -> list[str]:
    """Returns a command that runs the given one and ends all its descendants; outside Linux the command
    itself.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid()), *command]


def signal_group(leader: int, number: signal.Signals) -> None:
    """Sends a signal to all processes of a group, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def end_process_group(process: subprocess.Popen[bytes], *, supervised: bool = False) -> None:
    """Ends what is left of the group: SIGTERM to a running process, then SIGKILL to all."""
    if process.poll() is None:
        signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A supervisor, alone in its group, gives the command the same time, and needs some itself.
            process.wait(GRACE_SECONDS + (LAST_SECONDS if supervised else 0.0))
    signal_group(process.pid, signal.SIGKILL)
    process.wait()
