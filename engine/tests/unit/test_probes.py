"""What a worker of a cluster says of its machine."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from waypost.sources.files import content_digest

pytest.importorskip("distributed")


def test_a_file_of_the_clients_machine(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite file is no store for a worker on another machine, and none is made there; files and variables
    that it has not are named.
    """
    from waypost.runs.probe import look_around

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (workplace / "same.csv").write_text("a\n")
    (workplace / "other.csv").write_text("b\n")
    document = {
        "host": f"not-{socket.gethostname()}",
        "store": f"sqlite:///{workplace}/there.db",
        "experiment_id": "1",
        "experiment": ["small", 1],
        "files": {
            str(workplace / "same.csv"): content_digest(workplace / "same.csv"),
            str(workplace / "other.csv"): "0" * 64,
            str(workplace / "none.csv"): "0" * 64,
        },
        "variables": ["HOME", "NOBODY_HAS_THIS"],
    }
    said = look_around(document)
    assert said == {
        "store": f"sqlite:///{workplace}/there.db is a file of not-{socket.gethostname()}",
        "files": [str(workplace / "other.csv"), str(workplace / "none.csv")],
        "variables": ["NOBODY_HAS_THIS"],
    }
    assert not (workplace / "there.db").exists()


def asked(place: Path, store: str) -> dict[str, Any]:
    """Returns what a client asks that has a database of its own, with one experiment."""
    from waypost.tracking.connection import client

    shutil.copyfile(place / "mlflow.db", place / store)
    uri = f"sqlite:///{place / store}"
    experiment_id = client(uri).create_experiment("small")
    found = client(uri).get_experiment(experiment_id)
    return {
        "host": socket.gethostname(),
        "store": uri,
        "experiment_id": experiment_id,
        "experiment": [found.name, found.creation_time],
        "files": {},
        "variables": [],
    }


def test_each_clients_own_store(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without a store of its own takes each client's, one after the other: MLflow notes the one
    that it used last in the variables of the process.
    """
    from waypost.runs import on_worker
    from waypost.runs.probe import look_around

    monkeypatch.setattr(on_worker, "OWN_VARIABLES", {})
    first, second = asked(workplace, "first.db"), asked(workplace, "second.db")
    assert look_around(first)["store"] == ""
    assert on_worker.own_store(second["store"]) == second["store"]
    assert look_around(second)["store"] == ""
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_another_server_with_the_same_names(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's server that has an experiment of the same name and id, but not the same one, is named."""
    from waypost.runs import on_worker
    from waypost.runs.probe import look_around

    mine, theirs = asked(workplace, "mine.db"), asked(workplace, "theirs.db")
    assert mine["experiment_id"] == theirs["experiment_id"]
    monkeypatch.setattr(on_worker, "OWN_VARIABLES", {"MLFLOW_TRACKING_URI": theirs["store"]})
    said = look_around(mine)["store"]
    assert said.startswith(f"{theirs['store']} is a different tracking server: its experiment 1 was created")
