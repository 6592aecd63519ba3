"""Messages about workers that died, stopped a step or have no disk space, with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_DEATHS = 4
"""After this many workers died with one step, the step is to blame."""
MOST_STOPS = 4
"""After this many attempts at a step were stopped, there is no other."""
_SENT = "these are the lines that it sent before, at most 20 per second"
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True)
class Memory:
    """A step's memory when last seen, and its worker's limit, in MiB; 0: unknown."""

    used: int = 0
    limit: int = 0


def is_gone(worker: str) -> str:
    """Returns what happened to an attempt whose worker died."""
    return f"its worker {worker} is gone" if worker else "the worker assigned to it is gone"


def died_here(worker: str) -> str:
    """Returns the last line of a log that is incomplete because the worker died."""
    return f"waypost: worker {worker} is gone; {_SENT}"


def no_log() -> str:
    """Returns the last line of a log that a worker could not send."""
    return f"waypost: the worker could not send its log; {_SENT}"


def was_stopped(worker: str, why: str) -> str:
    """Returns what happened to an attempt that its worker stopped."""
    return f"worker {worker} stopped it: {why}"


def stopped_too_often(step: str, why: str) -> str:
    """Returns why a stopped step is not retried."""
    count = _number(MOST_STOPS)
    return f"{count} attempts at {step} were stopped by their workers, the last one because {why}"


def runs_again(step: str, lost: str, worker: str) -> str:
    """Returns the message that a step runs again."""
    return f"{step}: {lost}; it runs again on {worker}"


def no_room(worker: str, problem: str) -> str:
    """Returns what happened to an attempt on a worker with a full disk."""
    return f"worker {worker} has no disk space left: {problem}"


def left_out(worker: str, problem: str) -> str:
    """Returns the message that such a worker gets no more steps."""
    return f"{no_room(worker, problem)}; it gets no more steps of this run"


def nobody_has_room(workers: Sequence[str], problem: str) -> str:
    """Returns why a step is not retried if no worker with disk space can run it."""
    mend = "free disk space there (WAYPOST_HOME, TMPDIR)"
    return f"no worker with disk space is left ({', '.join(workers)}): {problem}; {mend}"


def too_many(step: str, workers: Sequence[str], memory: Memory) -> str:
    """Returns why a step is not retried."""
    limit = f"limit {memory.limit} MB" if memory.limit else "no limit is set"
    seen = f", last seen {memory.used} MB" if memory.used else ""
    named = ", ".join(dict.fromkeys(filter(None, workers)))
    there = f" ({named})" if named else ""
    count = _number(len(workers))
    return f"{count} workers died while {step} ran{there}; the usual cause is memory: {limit}{seen}"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
