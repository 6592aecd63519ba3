"""What can go wrong, as values: where, what, and the command or change that mends it."""

from __future__ import annotations

import difflib
import heapq
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass

# Up to the last `@` before the path: a password may hold one.
_USER = re.compile(r"(?<=://)[^/\s]*@")
_SECRETIVE = r"[^=&\s]*(?:token|secret|passw|pwd|key|signature|credential)[^=&\s]*|auth|code|jwt|pass|sas|sig"
_SECRET = re.compile(rf"(?i)([?&;#](?:{_SECRETIVE})=)[^&\s'\"]+")
_LONGEST_NAME, _MOST_NAMES, _MOST_COMPARED, _MOST_LISTED = 100, 10_000, 20, 12


class WaypostError(Exception):
    """An error for the reader: one line that says what and where; `hint` says what mends it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(WaypostError):
    """The command line asks for something that does not make sense."""

    exit_code = 2


class RemoteError(WaypostError):
    """A remote does not answer, or not with what is asked for: network, access, no such thing."""

    exit_code = 3


class Interrupted(KeyboardInterrupt):
    """A signal that ends us arrived. Not an Exception: a library would take it for a failure of its own.

    The exit code is a shell's: 128 and the signal's number.
    """

    exit_code = 130

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: `place` is file and key, such as `pipeline.yaml: steps.train.with`.

    `category` is a word for machines, such as `tag-moved`; most findings need none.
    """

    place: str
    problem: str
    hint: str = ""
    category: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem}"
        return f"{text}; {self.hint}" if self.hint else text


class FindingsError(WaypostError):
    """Everything that a check found, each once; `consequence` says what was not done."""

    def __init__(self, findings: Iterable[Finding], *, consequence: str = "nothing was run") -> None:
        self.findings = tuple(dict.fromkeys(findings))
        self.consequence = consequence
        count = len(self.findings)
        noun = "problem" if count == 1 else "problems"
        self.headline = f"{count} {noun} found"
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        start = f"{self.headline}, {consequence}" if consequence else self.headline
        super().__init__(f"{start}:\n{lines}")


class IntegrityError(FindingsError):
    """Content, tag or lock is not what it was said to be."""

    exit_code = 4

    def __init__(self, findings: Iterable[Finding], *, consequence: str = "") -> None:
        super().__init__(findings, consequence=consequence)


@dataclass(frozen=True)
class ErrorDocument:
    """What `--json` writes instead of a result."""

    error: str
    hint: str
    findings: tuple[Finding, ...]


def redacted(text: str) -> str:
    """Returns a text without the user names, passwords and tokens of the URLs in it."""
    return _SECRET.sub(r"\1***", _USER.sub("", text))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns `did you mean 'x'?` for the nearest known name, or the known names if they are few.

    Comparing costs the product of two lengths: longer names, and names among too many, have no nearest one.
    """
    names = _sorted(known)
    listed = f"known: {', '.join(names)}" if 0 < len(names) <= _MOST_LISTED else ""
    return nearest(name, names) or listed


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns `did you mean 'x'?` for the nearest known name, empty where none is near."""
    near = _nearest(name, _sorted(known))
    return f"did you mean {near[0]!r}?" if near else ""


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if len(name) <= _LONGEST_NAME)


def _nearest(name: str, names: list[str]) -> list[str]:
    if len(name) > _LONGEST_NAME or len(names) > _MOST_NAMES:
        return []
    matcher = difflib.SequenceMatcher(b=name)

    def shared(other: str) -> float:
        matcher.set_seq1(other)
        return matcher.quick_ratio()

    # How many letters two names share is quick to find; only the likeliest are compared in their order.
    return difflib.get_close_matches(name, heapq.nlargest(_MOST_COMPARED, names, key=shared), n=1)
