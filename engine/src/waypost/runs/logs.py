"""What a step's log says of how it ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from waypost.texts.masks import Masks

_TAIL_LINES, _TAIL_BYTES = 20, 1 << 16
_MOST_NAMED = 8


def mask(log: Path, masks: Masks) -> None:
    """Takes secret values out of the log of a step that has ended, before anybody reads or keeps it."""
    if not masks or not log.exists():
        return
    new = log.with_name(f"{log.name}.masked")
    with log.open("rb") as source, new.open("wb") as sink:
        sink.writelines(map(masks.line, source))
    new.replace(log)


def exit_cause(code: int, log: Path) -> str:
    """Returns the component's own word for what went wrong, else how its process ended."""
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        name = _signal_name(number)
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    lines = tail_of(log).splitlines()
    stated = [line for line in lines if re.match(r"(run\.py: )?error: ", line)]
    last = stated[-1] if stated else next((line for line in reversed(lines) if line.strip()), "")
    return re.sub(r"^(run\.py: )?error: ", "", last) or f"exit code {code}"


def not_logged(name: str, path: str, logged: Sequence[str]) -> str:
    """Returns that an output (`path` in the run's artifacts) is not there, how it gets there, and what is."""
    folder, _, file = path.rpartition("/")
    arguments = [file, folder] if folder else [file]
    call = f"mlflow.log_artifact({', '.join(map(repr, arguments))})"
    if "." not in file:
        call = f"mlflow.log_artifacts(FOLDER, {path!r})"
    others = f"; it logged {', '.join(logged[:_MOST_NAMED])}" if logged else ""
    problem = f"the step ended well, but its output {name!r} ({path}) was not logged"
    return f"{problem}: {call} in the step does that{others}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tail_of(log: Path) -> str:
    """Returns the last lines of a log, empty where there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _TAIL_BYTES, 0))  # however much was written
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
