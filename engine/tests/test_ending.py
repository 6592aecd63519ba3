"""A server that was told to end has ended some seconds later, whatever it is at."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from waypost.serving.shutdown import at_most

PROGRAM = """
import os, signal, sys, time
from waypost.serving.shutdown import after_signal

def heard(number, frame):
    print("heard", number, flush=True)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, heard)
after_signal(0.5, lambda: os._exit(7))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_though_its_main_thread_does_not(number: int) -> None:
    """From the first signal on the process has so many seconds; the signal does what it did before."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        for _ in range(2):
            process.send_signal(number)
            assert process.stdout.readline() == f"heard {int(number)}\n"
        began = time.monotonic()
        assert process.wait(20) == 7
        assert time.monotonic() - began < 10


def test_last_words_take_no_longer_than_they_may() -> None:
    """Functions are called one after the other; one that does not come back is left alone."""
    called: list[int] = []
    began = time.monotonic()
    at_most(0.1, lambda: called.append(1), threading.Event().wait, lambda: called.append(2))  # type: ignore[arg-type]
    assert called == [1]
    assert time.monotonic() - began < 5
