"""While a pipeline runs, its remotes are asked whether they still say what the lock says."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from waypost.pins.verdict import UNREACHABLE
from waypost.system.children import Background
from waypost.system.scratch import scratch


@dataclass(frozen=True)
class News:
    """What a remote says: a `warning` where it is not what the lock says, else only a remark."""

    text: str
    warning: bool


class Watch:
    """Asks in a process of its own: a run never waits for the network.

    A run that ends before the remotes answer says nothing of them; what they said last is in looks.py.
    """

    def __init__(self, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        folder_for_answer = self._stack.enter_context(scratch())
        command = [sys.executable, "-m", "waypost", "verify", str(folder), "--remotes-only", "--json"]
        self._process: Background | None = Background(command, folder_for_answer / "verdict.json")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def news(self) -> list[News]:
        """Returns what the remotes say, once and as soon as they have; nothing until then."""
        text = self._process.result() if self._process else None
        if text is None:
            return []
        self.end()
        try:
            findings = json.loads(text)["findings"]
        except (ValueError, KeyError):
            return []
        return [_news(finding) for finding in findings]

    def end(self) -> None:
        """Stops asking."""
        if self._process:
            self._process.end()
            self._process = None
            self._stack.close()


def _news(finding: dict[str, str]) -> News:
    if finding["category"] == UNREACHABLE:
        return News(
            f"{finding['place']}: its remote does not answer; the content is verified by tree", warning=False
        )
    return News(f"{finding['place']}: {finding['problem']}; {finding['hint']}", warning=True)
