"""A trainer's search leaves child runs, and goes on where an earlier one was cut off."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import LIBRARY


def train(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--data=data.parquet", "--target=y", "--task=regression", "--model=model.yaml"]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["run.py", *arguments])
        runpy.run_path(str(LIBRARY / "train_linear" / "run.py"), run_name="__main__")


def test_a_search_is_resumed(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fit is a finished child run with what it changed; the same search takes all of them over, one that
    lost a fit makes that one; the model is that of the best candidate, which `tuned.yaml` holds.
    """
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workplace / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    draw = np.random.default_rng(0)
    data = pd.DataFrame(draw.normal(size=(400, 3)), columns=["a", "b", "c"])
    data["y"] = data["a"] + draw.normal(0, 0.1, 400)
    data.to_parquet("data.parquet")
    search = {"space": {"ALPHA": [0.001, 1000.0]}, "candidates": 3}
    text = yaml.safe_dump({"features": {"numeric": ["a", "b", "c"]}, "search": search})
    Path("model.yaml").write_text(text.replace("ALPHA", "strength"))
    client = mlflow.MlflowClient()

    def children() -> list[mlflow.entities.Run]:
        return client.search_runs(["0"], "tags.`search.key` LIKE '%'")

    train(monkeypatch)
    first = children()
    assert len(first) == 4  # three on a third of the rows, one on all
    assert {child.info.status for child in first} == {"FINISHED"}
    parents = {child.data.tags["mlflow.parentRunId"] for child in first}
    assert len(parents) == 1
    parent = client.get_run(parents.pop())
    assert parent.data.metrics["search_fits"] == 4
    best = min((c for c in first if c.data.params["rows"] == "320"), key=lambda c: c.data.metrics["rmse"])
    tuned = yaml.safe_load(Path(client.download_artifacts(parent.info.run_id, "tuned.yaml")).read_text())
    changes = json.loads(best.data.tags["search.trial"].rpartition(" ")[0])
    assert tuned.get("linear", {}).get("alpha") == changes.get("strength")
    assert "search" not in tuned
    assert parent.data.metrics["validation_rmse"] == pytest.approx(best.data.metrics["rmse"])

    client.set_terminated(first[0].info.run_id, status="KILLED")
    train(monkeypatch)
    assert len(children()) == 5
    train(monkeypatch)
    assert len(children()) == 5
