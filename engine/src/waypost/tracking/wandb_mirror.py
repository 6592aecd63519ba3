"""Mirrors runs to W&B in a separate process: nothing in W&B can delay or fail a run."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waypost.extras import require
from waypost.system.conversations import Partner

_PATIENCE_SECONDS = 300.0
_AFTER_FAILURE_SECONDS = 20.0
_QUIET_SECONDS = 3.0


class RunMirror:
    """Receives events of pipeline runs, each identified by the id of its MLflow run. This one ignores them.

    The events are the methods `_on_…` of `wandb_runs.Wandb`, with their arguments.
    """

    def send(self, event: str, **content: Any) -> None:
        """Sends an event; `content` is JSON."""

    @property
    def warning(self) -> str:
        """What went wrong, empty if nothing did; known once the mirror is closed."""
        return ""


class WandbMirror(RunMirror):
    """Passes all events to the W&B process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "waypost.tracking.wandb_process"]
        self._partner = Partner(command, env=dict(os.environ), log=Path(os.devnull))
        self._warning = ""
        self._folders: list[str] = []

    @property
    def warning(self) -> str:
        return self._warning

    def send(self, event: str, **content: Any) -> None:
        self._partner.send({"event": event, **content})

    def close(self, notify: Callable[[str], None], *, patience: float) -> None:
        """Waits up to `patience` seconds until W&B has everything; then reports where it is."""
        self.send("over")
        ended: Mapping[str, Any] = {}
        begun, is_told = time.monotonic(), False
        while not ended and (left := begun + patience - time.monotonic()) > 0:
            if not is_told and time.monotonic() - begun > _QUIET_SECONDS:
                is_told = True
                notify(f"W&B: waiting up to {patience:.0f} s for uploads")
            if not select.select([self._partner], [], [], min(left, _QUIET_SECONDS))[0]:
                continue
            documents = self._partner.receive()
            if documents is None:
                break
            for document in documents:
                self._folders += document.get("folders", [])
                ended = document if document.get("over") else ended
        self._partner.end()
        problem = str(ended.get("problem", ""))
        if not ended and time.monotonic() - begun >= patience:
            problem = f"not everything was sent within {patience:.0f} s"
        elif not ended:
            problem = "the process that sends to it ended without an answer"
        where = f"; stored locally; upload it: {_command(self._folders)}" if self._folders else ""
        if problem:
            self._warning = f"W&B: {problem}{where}"
        elif ended.get("url"):
            notify(f"W&B: {ended['url']}")
        else:
            notify(f"W&B: offline{where}")


def _command(folders: list[str]) -> str:
    """Returns the command that sends runs to W&B, in the order in which they began.

    Otherwise a run that used an artifact may arrive before the one that made it, and W&B would not know its
    producer.
    """
    here = [os.path.relpath(folder) for folder in folders]
    shown = here if len(here) < 3 else sorted({f"{name.partition('_')[0]}_*" for name in here})
    return f"for run in {' '.join(shown)}; do wandb sync --include-online $run; done"


def is_wanted(asked: bool, *, by: str = "tracking on W&B") -> bool:
    """Returns whether a run is mirrored to W&B. Raises MissingExtraError, naming what asked for it."""
    if not asked or os.environ.get("WANDB_MODE") == "disabled":
        return False
    require("wandb", by)
    return True


@contextmanager
def run_mirror(
    *, wanted: bool, notify: Callable[[str], None], warn: Callable[[str], None]
) -> Iterator[RunMirror]:
    """Yields the mirror of runs: W&B if wanted and not disabled, else one that ignores events."""
    if not is_wanted(wanted):
        yield RunMirror()
        return
    kept = WandbMirror()
    patience = _AFTER_FAILURE_SECONDS
    try:
        yield kept
        patience = _PATIENCE_SECONDS
    finally:
        kept.close(notify, patience=patience)
        if kept.warning:
            warn(kept.warning)
