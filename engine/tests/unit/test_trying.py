"""Executing a library's tests leaves the process that asks for it as it was."""

from __future__ import annotations

import subprocess
import sys


def test_the_guard_of_tests_guards_nobody_else() -> None:
    """Tests of components reach no other machine; `waypost check` itself still does: an audit hook that it
    had loaded for them would stay for the rest of the process.
    """
    code = """
import socket
from waypost.release import trying
assert trying._GUARD.is_file()
try:
    socket.getaddrinfo("no-such-machine.invalid", 1)
except socket.gaierror:
    print("asked")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "asked\n", told.stderr
