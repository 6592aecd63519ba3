"""The process that mirrors pipeline runs to W&B while they run: its main loop.

It receives events as JSON documents, one per line (see `WandbMirror`), and answers in the same way.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from waypost.tracking.wandb_runs import LOOK_SECONDS, Wandb


def main(number: int) -> None:
    """Handles events until the engine closes the socket; `number` is its file descriptor."""
    os.nice(5)  # the run itself comes first
    kept = Wandb()
    with socket.socket(fileno=number) as other:
        for document in _events(other, kept):
            before = len(kept.folders)
            kept.handle(document)
            if new := kept.folders[before:]:
                _answer(other, {"folders": new})
        kept.finish()
        _answer(other, {"over": True, "problem": kept.problem, "url": kept.url})
    os._exit(0)  # at exit, W&B would wait for a server that went away


def _events(other: socket.socket, kept: Wandb) -> Iterator[dict[str, Any]]:
    """Yields events until there are no more; in between, polls running steps."""
    events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    # A thread receives them at once: the engine must not wait for us, however long W&B takes.
    threading.Thread(target=_receive, args=(other, events), daemon=True).start()
    while True:
        try:
            document = events.get(timeout=LOOK_SECONDS if kept.is_busy else None)
        except queue.Empty:
            kept.look()
            continue
        if document["event"] == "over":
            return
        yield document


def _receive(other: socket.socket, events: queue.SimpleQueue[dict[str, Any]]) -> None:
    with contextlib.suppress(OSError), other.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            events.put(json.loads(line))
    events.put({"event": "over"})  # the engine is gone


def _answer(other: socket.socket, content: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the engine is gone
        other.sendall(json.dumps(content).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
