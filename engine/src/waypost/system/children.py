"""Supervised background processes: nothing that they start outlives them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from waypost.system.ending import end_process_group, supervised_command


class Background:
    """A supervised background process; `result` is available once it has ended."""

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self._output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                supervised_command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def result(self) -> str | None:
        """Returns its stdout, None while it runs."""
        return None if self._process.poll() is None else self._output.read_text(encoding="utf-8")

    def ended_by(self) -> signal.Signals | None:
        """Returns the signal that ended it, None if it still runs or exited by itself."""
        code = self._process.poll() or 0
        return signal.Signals(-code) if code < 0 else None

    def end(self) -> None:
        """Ends it if it still runs."""
        if self._process.poll() is None:
            end_process_group(self._process, supervised=True)


class Shell:
    """A shell command, supervised; stdout and stderr go to `log`."""

    def __init__(self, command: str, *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                supervised_command(["bash", "-c", command]),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def number(self) -> int:
        """The process id of the supervisor."""
        return self._process.pid

    def poll(self) -> int | None:
        """Returns the exit code (-N: signal N), None while it runs; afterwards none of its children is
        left.
        """
        code = self._process.poll()
        if code is not None:
            end_process_group(self._process, supervised=True)
        return code

    def end(self) -> None:
        """Ends it and everything that it started."""
        end_process_group(self._process, supervised=True)
