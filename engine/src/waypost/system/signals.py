"""The signals that end a process: SIGINT, SIGTERM, SIGHUP and SIGQUIT.

The first one raises Interrupted, wherever the main thread is; later ones do not disturb the clean-up. Work
that must be finished once begun, such as a run on a tracking server, *holds* signals: an arriving signal is
noted, and raised by the next `check`. So it comes between two steps of the work, never between a server's
response and recording it. Work that does not get there within some seconds is interrupted wherever it is.

Invariants: one exception per process and signal, however many signals arrive; raised only in the main thread;
a SIGHUP that was ignored from the start (nohup) stays ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from waypost.errors import Interrupted

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MOST_HELD_SECONDS = 5.0
_STREAMS = (0, 1, 2)


@dataclass
class _Received:
    """The first signal received, and whether it was raised; `terminals` are streams."""

    number: int = 0
    is_raised: bool = False
    is_heeded: bool = False
    holds: int = 0
    terminals: list[int] = field(default_factory=list)


_received = _Received()


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Turns the first signal of ENDING into Interrupted; has no effect if nested or outside the main
    thread.
    """
    global _received  # noqa: PLW0603 (signals are per process)
    if _received.is_heeded or not _is_main_thread():
        yield
        return
    before = {number: handler for number in ENDING if (handler := _replaceable(number)) is not None}
    _received = _Received(is_heeded=True, terminals=[stream for stream in _STREAMS if os.isatty(stream)])
    try:
        for number in before:
            signal.signal(number, _receive)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.is_heeded = False


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Notes signals, and raises Interrupted at the next `check`, or else at the end of the block; after some
    seconds wherever the main thread is.
    """
    if not _is_main_thread():
        yield
        return
    with heeded():
        before = signal.signal(signal.SIGALRM, lambda *_: check())
        _received.holds += 1
        try:
            yield
        finally:
            _received.holds -= 1
            if not _received.holds:
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if not _received.holds:
                check()


def check() -> None:
    """Raises Interrupted if a signal was noted and not raised yet."""
    if _received.number and not _received.is_raised and _is_main_thread():
        _received.is_raised = True
        raise Interrupted(_received.number)


def _receive(number: int, _: FrameType | None) -> None:
    if _received.number:
        return
    _received.number = number
    if number == signal.SIGHUP:
        _detach_terminals(_received.terminals)
    if _received.holds:
        signal.setitimer(signal.ITIMER_REAL, _MOST_HELD_SECONDS)
    else:
        check()


def _detach_terminals(terminals: list[int]) -> None:
    """Redirects streams with a closed terminal to /dev/null: output during clean-up must not fail."""
    for stream in terminals:
        if not os.isatty(stream):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, stream)
            os.close(nowhere)


def _replaceable(number: signal.Signals) -> Any:
    """Returns a signal's current handler, None if it has to stay: nohup's, or another library's."""
    handler = signal.getsignal(number)
    return None if number == signal.SIGHUP and handler == signal.SIG_IGN else handler


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
