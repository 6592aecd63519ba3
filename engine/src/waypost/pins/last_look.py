"""The result of the last check of a pipeline's remotes, and its age. A run with nothing to do reads it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from waypost.errors import Finding
from waypost.system.places import home

# As contracts.lock has it: that import alone takes half the time of a run with nothing to do.
FILE = "components.lock.json"
_FOLDER = "looks"
# Set to `never`, a run with nothing to do asks no remote in the background.
_SETTING = "WAYPOST_LOOK"
_OLD_SECONDS = 86400.0
# The process that asks in the background ends after ASK_SECONDS; until then no other needs to ask.
ASK_SECONDS = 120
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True)
class Look:
    """When the remotes were asked (seconds since 1970), and what was not as the lock says."""

    asked: float
    warnings: tuple[str, ...]

    def lines(self, now: float) -> list[str]:
        """Returns it as lines for the reader."""
        when = f"when the remotes were last checked, {age(now - self.asked)} ago (--verify asks now)"
        if not self.warnings:
            return [f"no tag was moved and nothing was yanked {when}"]
        return [*self.warnings, f"so it was {when}"]

    def is_old(self, now: float) -> bool:
        """Tells whether it is time to ask again."""
        return not 0 <= now - self.asked < _OLD_SECONDS


def age(seconds: float) -> str:
    """Returns a time in words, in the largest unit that it fills."""
    for unit, size in _UNITS:
        if (count := int(seconds // size)) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a second"


def note_look(folder: Path, findings: Iterable[Finding]) -> None:
    """Stores the result of a check of the remotes; does nothing if the cache is read-only."""
    warnings = [f"{finding.place}: {finding.problem}; {finding.hint}" for finding in findings]
    content = {"asked": time.time(), "lock": _lock_digest(folder), "warnings": warnings}
    with contextlib.suppress(OSError):
        file = _file(folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(content), encoding="utf-8")
        new.replace(file)


def last_look(folder: Path) -> Look | None:
    """Returns the last look at the remotes of the lock that is there now, None where there was none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(_file(folder).read_text(encoding="utf-8"))
        if content["lock"] == _lock_digest(folder):
            return Look(float(content["asked"]), tuple(map(str, content["warnings"])))
    return None


def has_lock(folder: Path) -> bool:
    """Tells whether there is anything to ask for."""
    return (folder / FILE).is_file()


def ask_beside(folder: Path) -> None:
    """Asks the remotes in a process that nobody waits for, unless one was started a moment ago."""
    if os.environ.get(_SETTING) == "never":
        return
    mark = _file(folder).with_suffix(".asking")
    with contextlib.suppress(OSError):
        if mark.is_file() and time.time() - mark.stat().st_mtime < ASK_SECONDS:
            return
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        # Not at the top: a run with nothing to do starts a process once a day.
        from waypost.system.process import start_apart

        command = [sys.executable, "-m", "waypost", "verify", str(folder.resolve()), "--remotes-only"]
        start_apart([*command, "--within", str(ASK_SECONDS)])


def _file(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return home() / _FOLDER / f"{name}.json"


def _lock_digest(folder: Path) -> str:
    return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
