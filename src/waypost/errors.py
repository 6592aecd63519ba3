"""What can go wrong, as values: where, what, and the command or change that mends it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


class WaypostError(Exception):
    """An error for the reader: one line that says what and where; `hint` says what mends it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(WaypostError):
    """The command line asks for something that does not make sense."""

    exit_code = 2


class Interrupted(WaypostError):  # noqa: N818 (not an error: a wish)
    """SIGINT or SIGTERM arrived."""

    exit_code = 130


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: `place` is file and key, such as `pipeline.yaml: steps.train.with`."""

    place: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem}"
        return f"{text}; {self.hint}" if self.hint else text


class FindingsError(WaypostError):
    """Everything that a check found, reported at once."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        noun = "problem" if count == 1 else "problems"
        self.headline = f"{count} {noun} found"
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        super().__init__(f"{self.headline}, nothing was run:\n{lines}")


def redacted(text: str) -> str:
    """Returns a text without the user names, passwords and tokens of the URLs in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns `did you mean 'x'?` for the nearest known name, or the known names if they are few."""
    names = sorted(known)
    if near := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names)}" if 0 < len(names) <= 12 else ""
