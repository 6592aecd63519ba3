"""What a step's log says of how it ended."""

from __future__ import annotations

import re
import signal
from pathlib import Path

_TAIL_LINES = 20


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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tail_of(log: Path) -> str:
    """Returns the last lines of a log, empty where there is none."""
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
