"""Schedulers and workers that do not answer, fail or stop: nothing waits in silence, the reason is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from waypost.errors import RemoteError

pytest.importorskip("distributed")

from distributed.client import FuturesCancelledError

from waypost.cluster import connection
from waypost.cluster.connection import Cluster, Worker

NODES = [Worker(f"tcp://{name}", name, "host", 1, 0) for name in ("node1", "node2", "node3", "node4")]


@dataclass
class Client:
    """Stands for Dask's client; `answers` are what workers return or raise, by address."""

    answers: dict[str, Callable[[], Any]] = field(default_factory=dict)
    status: str = "running"
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, _: Any, workers: list[str]) -> dict[str, Any]:
        return {workers[0]: self.answers[workers[0]]()}

    def scheduler_info(self, *_: Any, **__: Any) -> dict[str, Any]:
        self.ended.wait()
        return {}

    run_on_scheduler = scheduler_info

    def as_current(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.fixture
def client() -> Iterator[Client]:
    found = Client()
    yield found
    found.ended.set()


def raising(error: Exception) -> Callable[[], Any]:
    """Returns a function that raises an error."""

    def call() -> Any:
        raise error

    return call


def test_workers_that_fail_are_told_by_their_error(client: Client) -> None:
    """A worker that is gone, one with another error and one without an answer are told apart."""
    client.answers = {
        "tcp://node1": lambda: "fine",
        "tcp://node2": raising(OSError("Timed out trying to connect")),
        "tcp://node3": raising(ModuleNotFoundError("No module named 'waypost'")),
        "tcp://node4": client.ended.wait,
    }
    said = Cluster(client, "tcp://there")._each(NODES, str, 0.2)
    assert {worker.name: str(answer) for worker, answer in said.items()} == {
        "node1": "fine",
        "node2": "it is gone: Timed out trying to connect",
        "node3": "ModuleNotFoundError: No module named 'waypost'",
        "node4": "no answer within 0.2 s",
    }


@pytest.mark.parametrize("ask", [Cluster.workers, Cluster.worker_ttl, Cluster.check_scheduler])
def test_a_stopped_scheduler_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Cluster], Any]
) -> None:
    """A scheduler that holds its connections, and answers nothing, is told after some time."""
    monkeypatch.setattr(connection, "_ANSWER_SECONDS", 0.05)
    with pytest.raises(RemoteError, match=r"^tcp://there: the scheduler has not answered for 0\.05 s$"):
        ask(Cluster(client, "tcp://there"))


def test_tasks_that_a_lost_scheduler_takes_along(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask cancels all tasks when its scheduler goes: that is how they end, and no error of its own."""

    class Task:
        def done(self) -> bool:
            return True

    monkeypatch.setattr(connection, "wait", lambda *_, **__: raising(FuturesCancelledError([]))())
    task = Task()
    assert Cluster(client, "tcp://there").wait([task], 1.0) == {task}
