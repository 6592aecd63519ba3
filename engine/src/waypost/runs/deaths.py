"""What is said of workers that died, in words that tell what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_DEATHS = 4
"""After so many workers died with one step, it is the step."""
_SENT = "these are the lines that it sent until then, at most 20 a second"
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True)
class Memory:
    """What a step had in memory when it was last seen, and what its worker may take, in MiB; 0: not known."""

    used: int = 0
    limit: int = 0


def is_gone(worker: str) -> str:
    """Returns what became of an attempt whose worker died."""
    return f"its worker {worker} is gone" if worker else "the worker that was to run it is gone"


def died_here(worker: str) -> str:
    """Returns the last line of a log that was not handed over, since the worker is gone."""
    return f"waypost: worker {worker} is gone; {_SENT}"


def no_log() -> str:
    """Returns the last line of a log that a worker could not hand over."""
    return f"waypost: the worker could not hand over its log; {_SENT}"


def runs_again(step: str, lost: str, worker: str) -> str:
    """Returns that a step begins once more."""
    return f"{step}: {lost}; it runs again on {worker}"


def too_many(step: str, workers: Sequence[str], memory: Memory) -> str:
    """Returns why a step is not tried again."""
    count = _NUMBERS[len(workers)] if len(workers) < len(_NUMBERS) else str(len(workers))
    limit = f"limit {memory.limit} MB" if memory.limit else "no limit is set"
    seen = f", last seen {memory.used} MB" if memory.used else ""
    named = ", ".join(dict.fromkeys(filter(None, workers)))
    there = f" ({named})" if named else ""
    return f"{count} workers died while {step} ran{there}; the usual cause is memory: {limit}{seen}"
