"""What a step's log says about how it ended."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from waypost.texts.masks import Masks

TAIL_LINES, _TAIL_BYTES = 20, 1 << 16
_MOST_NAMED = 8
_NEWS_LINES, _NEWS_WIDTH, _NEWS_BYTES = 20, 500, 1 << 16


def mask(log: Path, masks: Masks) -> None:
    """Masks secret values in the log of an ended step, before anybody reads or keeps it."""
    if not masks or not log.exists():
        return
    new = log.with_name(f"{log.name}.masked")
    with log.open("rb") as source, new.open("wb") as sink:
        sink.writelines(map(masks.line, source))
    new.replace(log)


def exit_cause(code: int, log: Path) -> str:
    """Returns the component's own error message, or else how its process ended."""
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        name = _signal_name(number)
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    lines = _last_lines(log)
    stated = [line for line in lines[-TAIL_LINES:] if re.match(r"(run\.py: )?error: ", line)]
    last = stated[-1] if stated else _raised(lines) or next(filter(str.strip, reversed(lines)), "")
    return re.sub(r"^(run\.py: )?error: ", "", last) or f"exit code {code}"


def _raised(lines: Sequence[str]) -> str:
    """Returns the line of the last traceback that names the exception: its message may span more lines."""
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call")]
    frames = lines[starts[-1] + 1 :] if starts else []
    return next((line for line in frames if line.strip() and not line.startswith(" ")), "")


def not_logged(name: str, path: str, logged: Sequence[str]) -> str:
    """Returns that an output (`path` among the run's artifacts) is missing, how to log it, and what was
    logged.
    """
    folder, _, file = path.rpartition("/")
    arguments = [file, folder] if folder else [file]
    call = f"mlflow.log_artifact({', '.join(map(repr, arguments))})"
    if "." not in file:
        call = f"mlflow.log_artifacts(FOLDER, {path!r})"
    others = f"; it logged {', '.join(logged[:_MOST_NAMED])}" if logged else ""
    problem = f"the step ended well, but its output {name!r} ({path}) was not logged"
    return f"{problem}: {call} in the step does that{others}"


class Follower:
    """Reads new lines of a log: at most so many a second, each truncated, secrets masked."""

    def __init__(self, log: Path, masks: Masks) -> None:
        self._log = log
        self._masks = masks
        self._read = 0

    def news(self) -> list[str]:
        """Returns the complete lines since the last call; if there are many, the last ones."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            skipped = max(size - _NEWS_BYTES, self._read)
            file.seek(skipped)
            found = file.read(_NEWS_BYTES)
        whole = found[: found.rfind(b"\n") + 1]
        self._read = skipped + len(whole) if whole else self._read
        lines = [self._masks.line(line) for line in whole.splitlines()]
        return [line.decode(errors="replace")[:_NEWS_WIDTH] for line in lines[-_NEWS_LINES:]]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tail_of(log: Path) -> str:
    """Returns the last lines of a log, empty if there is none."""
    return "\n".join(_last_lines(log)[-TAIL_LINES:])


def _last_lines(log: Path) -> list[str]:
    """Returns the lines at the end of a log, reading only its last bytes."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _TAIL_BYTES, 0))
        return file.read().decode(errors="replace").splitlines()
