"""Shutdown of a server, within a number of seconds after the first SIGINT or SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def after_signal(seconds: float, finish: Callable[[], None]) -> None:
    """Calls a function some seconds after the first SIGINT or SIGTERM, if the process still runs.

    It is called in a thread, so that other threads cannot delay it. Existing signal handlers are still
    called. Only the main thread may call this.
    """
    heard, tell = os.pipe()

    def wait() -> None:
        os.read(heard, 1)
        time.sleep(seconds)
        finish()

    threading.Thread(target=wait, name="ending", daemon=True).start()
    for number in _SIGNALS:
        before = signal.getsignal(number)

        def begin(number: int, frame: FrameType | None, before: object = before) -> None:
            # No lock and no new thread: this thread may hold the lock when the signal arrives.
            os.write(tell, b"!")
            if callable(before):
                before(number, frame)

        signal.signal(number, begin)


def at_most(seconds: float, *functions: Callable[[], None]) -> None:
    """Calls functions one after the other; returns after `seconds`, even if they block."""

    def call() -> None:
        for function in functions:
            function()

    calling = threading.Thread(target=call, daemon=True)
    calling.start()
    calling.join(seconds)
