"""Runs a command, and when it ends, ends everything that it started, wherever that went.

    python -I -S supervisor.py PARENT COMMAND…

A process between PARENT (an id) and the command. Linux makes it the parent of every orphan below it
(PR_SET_CHILD_SUBREAPER): a process that leaves the command's group or session, daemonises or forks twice
becomes a child of the supervisor once its own parent is gone. So what is left of a command is found without
guessing, and only children are ever signalled: nobody else can have their ids.

SIGTERM asks the command's group to end, and ends everything after a while; SIGINT ends everything at once, as
does the end of PARENT. The supervisor ends last, as the command did: with its code or by its signal.

Standard library only, few modules: it starts before each step that is a plain process.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time

TYPE_CHECKING = False  # typing takes longer to import than all the others together
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

GRACE_SECONDS = 5.0
LAST_SECONDS = 5.0
"""For processes that SIGKILL does not end at once, such as one writing to a dead disk."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_HEARD = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_PAUSE_SECONDS = 0.01


def main(parent: int, command: list[str]) -> None:
    """Runs the command; exits as it did."""
    # Signals stay pending until waited for, so that none is lost in between. Those that the parent
    # ignores (SIGCHLD, nohup's SIGHUP) are received, too.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal_on_parent_death(signal.SIGHUP)
    if os.getppid() != parent:  # the parent died before prctl took effect
        return
    own = os.getpid()
    process = os.fork()
    if process == 0:
        _become(command, before, own)
    _wait(process, parent)
    _exit_with(_end_all(process))


def signal_on_parent_death(number: signal.Signals) -> None:
    """Has the kernel send this process a signal when its parent dies, in whatever way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _become(command: list[str], mask: set[Any], supervisor: int) -> None:
    """Turns the fork into the command, in a new session."""
    try:
        os.setsid()
        signal_on_parent_death(signal.SIGKILL)
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, others do not expect that
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if os.getppid() == supervisor:
            os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait(process: int, parent: int) -> None:
    """Waits until the command has ended, or must be ended."""
    until = 0.0
    while not _has_ended(process):
        left = max(until - time.monotonic(), 0.0) if until else 1e6
        heard = signal.sigtimedwait(_HEARD, left)
        number = heard.si_signo if heard else 0
        is_orphan = number == signal.SIGHUP and os.getppid() != parent  # else only one of its threads ended
        if heard is None or number == signal.SIGINT or is_orphan:
            return
        if number == signal.SIGTERM and not until:
            until = time.monotonic() + GRACE_SECONDS
            _signal_group(process, signal.SIGTERM)


def _has_ended(process: int) -> bool:
    """Reaps orphans; the command itself stays unreaped, so that no other process gets its group's id."""
    while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if found.si_pid == process:
            return True
        os.waitpid(found.si_pid, 0)
    return False


def _end_all(process: int) -> int:
    """Ends the command and all its descendants; returns the command's wait status."""
    _signal_group(process, signal.SIGKILL)
    status = int(signal.SIGKILL)
    until = time.monotonic() + LAST_SECONDS
    while time.monotonic() < until:
        try:
            ended, found = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if ended == process:
            status = found
        elif not ended:
            # When one ends, its children become ours: the next iteration finds them.
            for child in _children():
                _signal(os.kill, child, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, _PAUSE_SECONDS)
    return status


def _children() -> list[int]:
    own = os.getpid()
    names = os.listdir("/proc") if os.path.isdir("/proc") else ()
    return [int(name) for name in names if name.isdigit() and _parent_of(name) == own]


def _parent_of(process: str) -> int:
    """Returns the id of a process's parent, 0 if the process has ended meanwhile."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _signal_group(leader: int, number: signal.Signals) -> None:
    if not _signal(os.killpg, leader, number):  # it is not a group leader yet
        _signal(os.kill, leader, number)


def _signal(send: Callable[[int, int], None], process: int, number: signal.Signals) -> bool:
    try:
        send(process, number)
    except OSError:  # another user's process: sudo
        return False
    return True


def _exit_with(status: int) -> None:
    """Exits as a process with this wait status did."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os._exit(128 + number)
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
