"""The heartbeat of a run: it does not pause while the engine is busy."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from waypost.tracking import leases
from waypost.tracking.leases import Leases


class Client:
    """Stands for MLflow's client; the first request fails."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.beaten = threading.Event()

    def set_tag(self, run_id: str, name: str, _: str) -> None:
        assert name == "waypost.seen"
        self.asked.append(run_id)
        if len(self.asked) == 1:
            raise OSError("no answer")
        if len(self.asked) == 3:
            self.beaten.set()


def test_a_busy_engine_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers stop their steps if their engine is silent for long, and the upload of a file may take longer:
    the heartbeat is sent beside it, whatever became of the one before.
    """
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.01)
    client: Any = Client()
    found = Leases(client, "1")
    with found.kept():
        found._beating = ("a", "b")
        assert client.beaten.wait(10)
    assert client.asked[:3] == ["a", "a", "b"]
