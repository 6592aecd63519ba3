"""What a worker of a cluster says of its machine."""

from __future__ import annotations

import socket
from pathlib import Path

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
        "name": "small",
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
