"""Processes that leave whoever started them, in every way that there is."""

from __future__ import annotations

import time
from pathlib import Path

FAMILY = """
import os, pathlib, signal, subprocess, time

def stay(place, name):
    (place / f"{name}.tmp").write_text(str(os.getpid()))
    (place / f"{name}.tmp").rename(place / name)
    time.sleep(600)

def forked(place, name, depth, *, deaf=False, closed=False):
    # A child in a session of its own, of a child in a session of its own, …: each parent goes at once.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    for _ in range(depth):
        if os.fork():
            os._exit(0)
        os.setsid()
    if deaf:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if closed:
        os.closerange(0, 256)
    stay(place, name)

def program(place, name, *words):
    script = f"echo $$ > '{place}/{name}.tmp'; mv '{place}/{name}.tmp' '{place}/{name}'; exec sleep 600"
    subprocess.Popen([*words, "bash", "-c", script])

def leave_family(place):
    place = pathlib.Path(place)
    forked(place, "daemon", 1, closed=True)
    forked(place, "deaf", 1, deaf=True)
    forked(place, "deep", 4)
    if os.fork() == 0:  # a child that stays, with a child that left
        forked(place, "below", 1)
        stay(place, "child")
    program(place, "plain")
    program(place, "nobody", "env", "-i", "PATH=" + os.environ["PATH"], "setsid", "--fork")
    while len([n for n in os.listdir(place) if "." not in n]) < 7:
        time.sleep(0.01)
"""
"""Python that defines `leave_family(place)`: seven processes that write their ids to files in a folder."""
NAMES = {"daemon", "deaf", "deep", "below", "child", "plain", "nobody"}


def ids(place: Path) -> dict[str, int]:
    """Returns the ids of a family, waiting until it is complete."""
    for _ in range(1500):
        found = {file.name: int(file.read_text()) for file in place.iterdir() if "." not in file.name}
        if found.keys() == NAMES:
            return found
        time.sleep(0.02)
    raise AssertionError(f"of the family there is only {sorted(found)}")


def alive(family: dict[str, int]) -> list[str]:
    """Returns the members that are there, as zombies too."""
    return sorted(name for name, process in family.items() if Path(f"/proc/{process}").exists())


def left(family: dict[str, int], seconds: float = 10.0) -> list[str]:
    """Returns the members that are still there after so many seconds."""
    until = time.monotonic() + seconds
    while (there := alive(family)) and time.monotonic() < until:
        time.sleep(0.02)
    return there
