"""Which of several runs computes a key: agreed upon by tags on a tracking store, here a SQLite file."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from waypost.system.liveness import process_name
from waypost.tracking import leases as module
from waypost.tracking.leases import OWNER_TAG, Holder, Leases, is_alive_here

KEY = "0123456789abcdef0123"


def client_of(folder: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")


def open_run(client: mlflow.MlflowClient, owner: str, user: str = "anna") -> str:
    run = client.create_run("0", tags={OWNER_TAG: owner, "mlflow.user": user})
    return str(run.info.run_id)


def here() -> str:
    return process_name()


def test_one_holder_at_a_time(workplace: Path) -> None:
    """Of eight runs that want a key at once, one has it at any time, and each gets it in the end."""
    holding: list[str] = []
    served: list[str] = []
    wrong: list[str] = []
    together = threading.Barrier(8)

    def work() -> None:
        client = client_of(workplace)
        run_id = open_run(client, here())
        leases = Leases(client, "0")
        together.wait()
        for _ in range(400):
            if leases.acquire(run_id, KEY) is None:
                holding.append(run_id)
                time.sleep(0.02)
                wrong.extend(holding[1:])
                holding.remove(run_id)
                leases.release(run_id, KEY)
                served.append(run_id)
                return
            time.sleep(random.uniform(0.01, 0.1))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(set(served)) == 8


def test_who_holds_it(workplace: Path) -> None:
    """Who asks for a key that somebody computes is told whose run that is; a key is asked for once; after it
    is left, or its run has ended, it is free.
    """
    client = client_of(workplace)
    leases = Leases(client, "0")
    first, second = open_run(client, here()), open_run(client, here(), "berta")
    assert leases.acquire(first, KEY) is None
    assert leases.acquire(first, KEY) is None
    assert leases.acquire(second, KEY) == Holder(first, "anna")
    assert leases.acquire(second, KEY[::-1]) is None
    leases.release(first, KEY)
    assert leases.acquire(second, KEY) is None
    client.set_terminated(second)
    assert leases.acquire(first, KEY) is None
    leases.release(first, KEY)
    assert not [tag for tag in client.get_run(first).data.tags if tag.startswith("waypost.computes")]


def test_stepping_back(workplace: Path) -> None:
    """Of two that asked, the one with the smaller id waits for the other to step back; where it cannot
    start then and steps back itself, the other one has the key.
    """
    client = client_of(workplace)
    first, second = sorted(open_run(client, here()) for _ in range(2))
    one, other = Leases(client, "0"), Leases(client, "0")
    client.set_tag(second, f"waypost.computes.{KEY[:16]}", "asked")
    assert one.acquire(first, KEY) == Holder(second, "anna")
    assert other.acquire(second, KEY) == Holder(first, "anna")  # and steps back
    one.release(first, KEY)
    assert other.acquire(second, KEY) is None


def test_nobody_asks_while_a_lesser_one_does(workplace: Path) -> None:
    """Who sees that a run with a lesser id asks for the key sets no tag of its own, and is told whom it
    waits for: else twenty that ask, step back and ask again never leave the least one alone.
    """
    client = client_of(workplace)
    runs = sorted(open_run(client, here(), f"user-{number}") for number in range(4))
    least, rest = runs[0], runs[1:]
    client.set_tag(least, f"waypost.computes.{KEY[:16]}", "asked")
    each = {run_id: Leases(client, "0") for run_id in runs}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "set_tag", lambda *_: pytest.fail("a tag was set, only to be taken away"))
        said = [each[run_id].acquire(run_id, KEY) for run_id in rest]
    assert [holder and holder.run_id for holder in said] == [least] * 3
    assert each[least].acquire(least, KEY) is None


def test_own_run_is_not_asked_for(workplace: Path) -> None:
    """A pipeline's run has a tag for each step that it finished. None of them comes with the answer to who
    else wants a key: at ten thousand steps each lease would take seconds.
    """
    client = client_of(workplace)
    mine, other = open_run(client, here()), open_run(client, here())
    came: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        search = client.search_runs

        def noted(*values: Any, **named: Any) -> Any:
            found = search(*values, **named)
            came.extend(run.info.run_id for run in found)
            return found

        patch.setattr(client, "search_runs", noted)
        assert Leases(client, "0").acquire(mine, KEY) is None
        assert came == []
        assert Leases(client, "0").acquire(other, KEY) == Holder(mine, "anna")
    assert came == [mine]


def test_tag_that_goes_while_it_is_read(workplace: Path) -> None:
    """Where another run is found, but steps back before its tags are read, the key is not ours yet."""
    client = client_of(workplace)
    first, second = sorted(open_run(client, here()) for _ in range(2))
    leases = Leases(client, "0")
    without_tag = client.get_run(second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases, "_other_runs", lambda run_id, key: [without_tag])
        assert leases.acquire(first, KEY) == Holder(second, "anna")
        assert leases.acquire(first, KEY) == Holder(second, "anna")
    assert leases.acquire(first, KEY) is None


def old_name(pid: int) -> str:
    """Returns the name of a process of this machine as 1.0 and 1.1 wrote it."""
    return f"{socket.gethostname()}:{pid}"


def test_a_process_does_not_name_its_machine(workplace: Path) -> None:
    """The tag that tells whether a run is alive shows no host name on MLflow's page; that of 1.0 is read."""
    client = client_of(workplace)
    assert socket.gethostname() not in here()
    alive = (open_run(client, name) for name in (here(), old_name(os.getpid()), "elsewhere:1", ""))
    assert [is_alive_here(client.get_run(run_id)) for run_id in alive] == [True, True, None, None]


@pytest.mark.parametrize("named", [old_name, lambda pid: f"{here().rpartition('-')[0]}-{pid}"])
def test_dead_holder(workplace: Path, monkeypatch: pytest.MonkeyPatch, named: Callable[[int], str]) -> None:
    """A key is free where the process that held it is gone: at once on this machine; on another one after
    two minutes without a sign, and not while signs come.
    """
    client = client_of(workplace)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = open_run(client, named(gone.pid))
    mine = open_run(client, here())
    assert Leases(client, "0").acquire(dead, KEY) is None
    assert Leases(client, "0").acquire(mine, KEY) is None

    far, other = open_run(client, "elsewhere:1"), KEY[::-1]
    assert Leases(client, "0").acquire(far, other) is None
    monkeypatch.setattr(module, "_SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.0)
    theirs, ours = Leases(client, "0"), Leases(client, "0")
    for number in range(3):
        monkeypatch.setattr("waypost.tracking.leases.time.time", lambda now=number: now)
        theirs.renew([far])
        assert ours.acquire(mine, other) == Holder(far, "anna")
        time.sleep(0.2)
    time.sleep(0.3)
    assert ours.acquire(mine, other) is None
