"""Runs a verb again and again, and sends it a signal at one point of its work after the other.

    python -m tests.interrupted POINTS EACH VERB…

Points are the calls of our functions on the way, of each the first two, so that waiting makes none; and the
moments before and after each request to the tracking store. What is imported once serves all: each attempt
is a fork. A line of JSON says of it: signal, point, exit code. At each point EACH of the four signals are
sent, in turns.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import NoReturn

from waypost.tracking.databases import Turn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PLACES = ("/waypost/runs/", "/waypost/tracking/")
_LOG = Path("interrupted.log")


class Points:
    """Counts the points, and sends this process a signal at one of them."""

    def __init__(self, number: int, at: int) -> None:
        self.count = 0
        self._number, self._at = number, at
        self._calls: Counter[CodeType] = Counter()
        self._others: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code in self._others:
            return
        if not any(place in code.co_filename for place in _PLACES):
            self._others.add(code)
            return
        self._calls[code] += 1
        if self._calls[code] <= 2:
            self.come_by()

    def come_by(self) -> None:
        self.count += 1
        if self.count == self._at:
            os.kill(os.getpid(), self._number)

    def around_requests(self) -> None:
        """Sees both ends of each request, and nothing in between: that would take most of the time."""
        request = Turn.__call__

        def seen(turn: Turn, call: Callable[[], object]) -> object:
            self.come_by()
            sys.setprofile(None)
            try:
                return request(turn, call)
            finally:
                sys.setprofile(self)
                self.come_by()

        Turn.__call__ = seen  # type: ignore[assignment]
        sys.setprofile(self)


def attempt(verb: list[str], number: int, at: int) -> tuple[int, int]:
    """Returns the exit code of a verb that gets a signal at a point, and how many points it came by."""
    said, tell = os.pipe()
    child = os.fork()
    if child == 0:
        execute(verb, Points(number, at), tell)
    os.close(tell)
    with os.fdopen(said) as lines:
        points = int(lines.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), points


def execute(verb: list[str], points: Points, tell: int) -> NoReturn:
    """Executes a verb in this process, its output in a file."""
    import atexit

    from waypost.cli import main

    os.setsid()
    sink = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    atexit.register(lambda: os.write(tell, str(points.count).encode()))
    sys.argv = ["waypost", *verb]
    points.around_requests()
    main()
    raise AssertionError("it came back")


def prepare() -> None:
    """Imports what a run needs, but opens nothing that a fork must not share."""
    for name in ("mlflow.store.tracking.rest_store", "mlflow.store.tracking.sqlalchemy_store"):
        importlib.import_module(name)
    for name in ("cli", "commands.run", "commands.running", "commands.sweep"):
        importlib.import_module(f"waypost.{name}")


def main(wanted: int, each: int, verb: list[str]) -> None:
    """Finds the points of a whole run, and interrupts others at some, evenly spread."""
    prepare()
    attempt(verb, 0, 0)  # the first one makes what the others find
    code, points = attempt(verb, 0, 0)
    print(json.dumps({"signal": 0, "point": points, "code": code}), flush=True)
    for index in range(wanted):
        at = 1 + (points - 1) * index // max(wanted - 1, 1)
        for number in [*ENDING, *ENDING][index % 4 :][:each]:
            code, _ = attempt(verb, number, at)
            print(json.dumps({"signal": int(number), "point": at, "code": code}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
