"""An MLflow run written by a separate process, so that MLflow's import does not delay the work.

It gets one JSON document per line: first the run's description, then its end. If the other process is killed,
the run is closed as KILLED.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from waypost.errors import WaypostError
from waypost.system.conversations import Partner


class Logbook:
    """The MLflow run of a task. Its problems are reported, and never fail the task."""

    def __init__(self, name: str, experiment: str, tags: dict[str, str], parameters: dict[str, str]) -> None:
        command = [sys.executable, "-m", "waypost.tracking.logbook"]
        self._partner: Partner | None = Partner(command, env=dict(os.environ), log=Path(os.devnull))
        self._partner.send({"name": name, "experiment": experiment, "tags": tags, "parameters": parameters})

    def close(self, status: str, metrics: dict[str, float], files: dict[str, str]) -> tuple[str, str]:
        """Ends the run with metrics and text artifacts; returns (run id, problem)."""
        if self._partner is None:
            return "", ""
        self._partner.send({"status": status, "metrics": metrics, "files": files})
        messages: list[dict[str, Any]] | None = []
        while messages == []:
            messages = self._partner.receive()
        self._partner.end()
        self._partner = None
        if not messages:
            return "", "the process that records the MLflow run ended without an answer"
        return str(messages[0]["run_id"]), str(messages[0]["problem"])


def main(number: int) -> None:
    """Records a run; `number` is the socket's descriptor."""
    os.nice(5)  # the work itself comes first
    with socket.socket(fileno=number) as other, other.makefile("r", encoding="utf-8") as lines:
        about = json.loads(next(lines, "{}") or "{}")
        if not about:
            return
        try:
            run_id, problem = _kept(about, lines)
        except WaypostError as error:
            run_id, problem = "", str(error)
        with contextlib.suppress(OSError):  # nobody is listening
            other.sendall(json.dumps({"run_id": run_id, "problem": problem}).encode() + b"\n")


def _kept(about: dict[str, Any], lines: Any) -> tuple[str, str]:
    from waypost.tracking.connection import tracking_errors
    from waypost.tracking.tracker import Tracker

    with tracking_errors():
        tracker = Tracker(about["experiment"])
        run_id = tracker.open_work(about["name"], about["tags"])
        tracker.log_parameters(run_id, about["parameters"])
        ended = json.loads(next(lines, "{}") or "{}")
        if ended:
            tracker.tag(run_id, {}, ended["metrics"])
            for name, text in ended["files"].items():
                tracker.log_text(run_id, text, name)
        tracker.close(run_id, ended.get("status", "KILLED"))
        return run_id, ""


if __name__ == "__main__":
    main(int(sys.argv[1]))
