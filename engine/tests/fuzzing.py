"""Fuzzing with a fixed budget: numbered hostile cases, attempted in a process of their own.

A test module offers `attempt(number, folder) -> outcome`: it makes the case of that number (the same bytes
each time), hands it to Waypost, and returns a word for what came of it. A case may be refused by a
WaypostError. It may not raise anything else, end or hang its process, make it larger than the limit, or write
outside its folder.

Writes are seen in two ways: Python's audit hook stops those of the process itself before they happen,
wherever they go; inotify on the canary beside the folder sees those of any other program.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import shutil
import struct
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from waypost.errors import WaypostError

ROOT = Path(__file__).parents[1]
# Of each kind, in `make check`; `make fuzz` attempts 5,000.
CASES = int(os.environ.get("FUZZ_CASES", "300"))
MOST_MIB = 1024
_MOST_FAILURES = 5
# Room for what libraries reserve without using it; what is really used is measured.
_RESERVE_BYTES = 6 << 30
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# The events of Python's audit hook that change files: where in their arguments (path, folder's number) stand.
_CHANGES: dict[str, list[tuple[int, int | None]]] = {
    "os.mkdir": [(0, 2)],
    "os.rename": [(0, 2), (1, 3)],
    "os.symlink": [(1, 2)],
    "os.link": [(1, 3)],
    "os.remove": [(0, 1)],
    "os.rmdir": [(0, 1)],
    "os.truncate": [(0, None)],
    "os.chmod": [(0, 2)],
}
_IN_CREATE, _IN_MODIFY, _IN_DELETE, _IN_MOVED, _IN_ATTRIB = 0x100, 0x2, 0x200, 0xC0, 0x4


class OutsideError(BaseException):
    """A write outside the case's folder; no `except Exception` of the product hides it."""


def fuzz(attempts: str, count: int, top: Path, *, seconds: float = 20.0) -> Counter[str]:
    """Attempts the cases 0 to `count` - 1 of `attempts`, a module with a function `attempt`.

    Returns how often each outcome came. `top` is an empty folder: the cases' folder and the canary lie in it.

    Raises AssertionError that lists the cases which went wrong, each with its number.
    """
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    inside, canary = top / "inside", top / "canary"
    inside.mkdir()
    for name in ("a", "a/b", "trees"):
        (canary / name).mkdir(parents=True, exist_ok=True)
        (canary / name / "file").write_text("as it was", encoding="utf-8")
    with _watched([top, *(canary / name for name in (".", "a", "a/b", "trees"))]) as events:
        start = 0
        while start < count and len(failures) < _MOST_FAILURES:
            start = _some(attempts, start, count, inside, seconds, outcomes, failures)
        failures += [f"something was written outside: {event}" for event in events()]
    changed = [p for p in canary.rglob("file") if p.read_text(encoding="utf-8") != "as it was"]
    failures += [f"{path} was changed" for path in changed]
    shutil.rmtree(inside, ignore_errors=True)
    assert not failures, "\n".join(failures)
    return outcomes


def _some(
    attempts: str,
    start: int,
    count: int,
    inside: Path,
    seconds: float,
    outcomes: Counter[str],
    failures: list[str],
) -> int:
    """Attempts cases until the last, or until the process is lost; returns the number to go on with."""
    command = [sys.executable, "-m", "tests.fuzzing", attempts, str(start), str(count), str(inside)]
    log = inside / "log"
    # The temporary folder is inside, too: what is made there is no write outside.
    env = {**os.environ, "TMPDIR": str(inside), "HOME": str(inside), "PYTHONFAULTHANDLER": "1"}
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        current = start
        for line in _lines(process, seconds):
            told: dict[str, Any] = json.loads(line)
            current = told["case"]
            if "outcome" in told:
                outcomes[told["outcome"]] += 1
                current += 1
            if "failure" in told:
                failures.append(f"case {told['case']}: {told['failure']}")
            if len(failures) >= _MOST_FAILURES:
                process.kill()
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[:2000]
        how = (
            f"no end within {seconds:g} s" if process.returncode == -9 else f"exit code {process.returncode}"
        )
        failures.append(f"case {current}: {how}\n{said}")
        return current + 1
    return count


def _lines(process: subprocess.Popen[bytes], seconds: float) -> Iterator[bytes]:
    """Gives the lines that a process writes; ends it where it says nothing for too long."""
    assert process.stdout is not None
    number = process.stdout.fileno()
    left = b""
    # The first case waits for imports.
    patience = seconds + 60
    while select.select([number], [], [], patience)[0]:
        data = os.read(number, 1 << 16)
        if not data:
            return
        patience = seconds
        *lines, left = (left + data).split(b"\n")
        yield from lines
    process.kill()


@contextlib.contextmanager
def _watched(folders: list[Path]) -> Iterator[Callable[[], list[str]]]:
    """Gives the function that returns what happened in folders, but for the cases' own."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.inotify_init1(os.O_NONBLOCK)
    names: dict[int, Path] = {}
    mask = _IN_CREATE | _IN_MODIFY | _IN_DELETE | _IN_MOVED | _IN_ATTRIB
    for folder in folders:
        names[libc.inotify_add_watch(number, os.fsencode(folder), mask)] = folder

    def events() -> list[str]:
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := os.read(number, 1 << 16):
                position = 0
                while position < len(data):
                    watch, _, _, length = struct.unpack_from("iIII", data, position)
                    name = data[position + 16 : position + 16 + length].rstrip(b"\0")
                    position += 16 + length
                    if name != b"inside":
                        found.append(str(names.get(watch, Path("?")) / os.fsdecode(name)))
        return sorted(set(found))

    try:
        yield events
    finally:
        os.close(number)


def _peak_mib() -> int:
    """Returns the largest size that this process had, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


class _Guard:
    """Stops this process from writing outside a folder while it is on."""

    def __init__(self, inside: Path) -> None:
        self.is_on = False
        self._top = str(inside.resolve())
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open" and _is_writing(*arguments[1:]):
            self._check(arguments[0], None)
        for path, folder in _CHANGES.get(event, ()):
            self._check(arguments[path], None if folder is None else arguments[folder])

    def _check(self, path: Any, folder: int | None) -> None:
        if isinstance(path, int):
            return
        text = os.fsdecode(path)
        if folder is not None and folder >= 0:
            text = f"{os.readlink(f'/proc/self/fd/{folder}')}/{text}"  # noqa: PTH115
        head, _, name = os.path.abspath(text).rpartition("/")  # noqa: PTH100
        # The folder is resolved, the last name is not: a link may be replaced, not followed.
        place = f"{os.path.realpath(head)}/{name}"
        if place != self._top and not place.startswith((f"{self._top}/", "/dev/null", "/proc/self")):
            raise OutsideError(f"a write to {place}")


def _is_writing(mode: Any, flags: Any) -> bool:
    is_plain = isinstance(mode, str) and not set(mode) & set("wax+")
    return not is_plain and bool((flags or 0) & _WRITING)


def _say(**content: Any) -> None:
    os.write(1, json.dumps(content).encode() + b"\n")


def main(attempts: str, start: int, count: int, inside: Path) -> None:
    """Attempts the cases from `start` on, one after the other, and writes what came of each."""
    sys.dont_write_bytecode = True
    attempt = importlib.import_module(attempts).attempt
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _RESERVE_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(inside)
    guard = _Guard(inside)
    for number in range(start, count):
        folder = inside / f"case-{number}"
        folder.mkdir()
        _say(case=number)
        failure, outcome = "", ""
        began = time.monotonic()
        guard.is_on = True
        try:
            outcome = attempt(number, folder)
        except WaypostError:
            outcome = "refused"
        except BaseException:  # each of them is what is looked for
            failure = traceback.format_exc()[-1500:]
        guard.is_on = False
        if not failure and (peak := _peak_mib()) > MOST_MIB:
            _say(case=number, failure=f"the process has grown to {peak} MiB")
            os._exit(3)
        _say(case=number, **({"failure": failure} if failure else {"outcome": outcome}))
        if time.monotonic() - began > 5:
            sys.stderr.write(f"case {number} took {time.monotonic() - began:.1f} s\n")
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o755)  # noqa: PTH101 (trees are written read-only)
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
