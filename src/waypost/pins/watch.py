"""While a pipeline runs, its remotes are asked whether they still say what the lock says."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Self

from waypost.pins.verify import UNREACHABLE
from waypost.sources.process import Background
from waypost.sources.scratch import scratch


class Watch:
    """Asks in a process of its own: a run never waits for the network, and never misses its word."""

    def __init__(self, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        folder_for_answer = self._stack.enter_context(scratch())
        command = [sys.executable, "-m", "waypost", "verify", str(folder), "--remotes-only", "--json"]
        self._process: Background | None = Background(command, folder_for_answer / "verdict.json")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def news(self) -> list[str]:
        """Returns what the remotes say, once and as soon as they have; nothing until then."""
        text = self._process.result() if self._process else None
        if text is None:
            return []
        self.end()
        try:
            findings = json.loads(text)["findings"]
        except (ValueError, KeyError):
            return []
        return [_sentence(finding) for finding in findings]

    def end(self) -> None:
        """Stops asking."""
        if self._process:
            self._process.end()
            self._process = None
            self._stack.close()


def _sentence(finding: dict[str, str]) -> str:
    if finding["category"] == UNREACHABLE:
        return f"{finding['place']}: the remote was not asked ({finding['problem']}); verified by tree"
    return f"{finding['place']}: {finding['problem']}; {finding['hint']}"
