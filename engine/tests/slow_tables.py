"""Two tables as people have them, from a file to a server, by configuration alone (`make tables`).

Their sizes and kinds are those of two public tables. It takes minutes, so that pytest does not find this file
by its name.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import LIBRARY, Call
from tests.serving import serving

WAYPOST = ("python", "-m", "waypost")

pytestmark = pytest.mark.timeout(900)

FOREST = {"n_estimators": 30, "max_depth": 12}


class Case(NamedTuple):
    """A table in a file, the rows of it, and what a pipeline's steps are given."""

    write: Callable[[Path], None]
    file: str
    rows: int
    given: dict[str, dict[str, Any]]


def write_products(file: Path) -> None:
    """42,896 rows of 15 classes: categories that are numbers, some of them with gaps, and two texts."""
    draw = np.random.default_rng(0)
    rows = 42_896
    kind = draw.integers(0, 15, rows)
    words = np.array([f"word{n:02}" for n in range(15)])
    noise = [" ".join(words[three]) for three in draw.integers(0, 15, (rows, 3))]
    table = pd.DataFrame(
        {
            "code": np.where(draw.random(rows) < 0.1, np.nan, (kind * 7 + draw.integers(0, 3, rows)) % 40),
            "region": draw.integers(1, 9, rows),
            "price": draw.lognormal(3, 1, rows).round(2) + kind,
            "title": [f"{title} {words[k]}" for title, k in zip(noise, kind, strict=True)],
            "note": draw.choice(np.array(["", "see manual", "no returns", "ask first"]), rows),
            "class": [f"kind {k:02}" for k in kind],
        }
    )
    table.to_csv(file, index=False, sep=";", decimal=",")


def write_flights(file: Path) -> None:
    """336,776 rows for a binary target that is still to be made, as a CSV in a zip archive."""
    draw = np.random.default_rng(1)
    rows = 336_776
    hour, carrier = draw.integers(5, 23, rows), draw.choice(np.array(["AA", "B6", "DL", "UA", "WN"]), rows)
    delay = draw.normal(hour - 12 + 6 * (carrier == "B6"), 20, rows).round()
    day = pd.Timestamp(2013, 1, 1) + pd.to_timedelta(np.sort(draw.integers(0, 365, rows)), unit="D")
    table = pd.DataFrame(
        {
            "day": day.strftime("%Y-%m-%d"),
            "hour": hour,
            "CARRIER": carrier,
            "distance": draw.integers(80, 5000, rows),
            "flight": draw.integers(1, 7000, rows),
            "arr_delay": np.where(draw.random(rows) < 0.03, np.nan, delay),
        }
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("flights.csv", "w") as out:
        table.to_csv(out, index=False)


CASES = {
    "products": Case(
        write_products,
        "products.csv",
        42_896,
        {
            "preprocess": {"recipe": {"csv": {"separator": ";", "decimal": ","}, "units": {"price": "EUR"}}},
            "check_data": {"checks": {"columns": [{"name": "price", "minimum": 0, "type": "number"}]}},
            "segregate": {"strategy": "stratified", "column": "class", "test_size": 0.2},
            "train": {
                "target": "class",
                "model": {
                    "features": {
                        "numeric": ["price"],
                        "categorical": ["code", "region"],
                        "text": ["title", "note"],
                    },
                    "forest": FOREST,
                },
            },
            "evaluate": {"min_accuracy": 0.8},
        },
    ),
    "flights": Case(
        write_flights,
        "flights.zip",
        336_776,
        {
            "preprocess": {
                "recipe": {
                    "dates": {"day": None},
                    "derive": {"late": "arr_delay > 15", "weekday": "day.dt.weekday"},
                    "drop": ["arr_delay"],
                },
                "filter": "arr_delay.notna()",
            },
            "check_data": {
                "checks": {"columns": [{"name": "day", "newest_within_days": 30}]},
                "as_of": "2014-01-05",
            },
            "segregate": {
                "strategy": "time",
                "column": "day",
                "test_size": 0.2,
                "gap": "1d",
                "target": "late",
            },
            "train": {
                "target": "late",
                "model": {
                    "features": {"numeric": ["hour", "distance"], "categorical": ["CARRIER", "weekday"]},
                    "forest": FOREST,
                    "threshold": {"by": "f1", "positive": True},
                },
            },
            "evaluate": {"min_auc": 0.6},
        },
    ),
}


def write_pipeline(root: Path, case: Case) -> None:
    """Writes the six steps of a pipeline; what they are given is all that is the table's own."""
    places = {
        "preprocess": {"data": f"../{case.file}"},
        "check_data": {"data": "${steps.preprocess.outputs.clean}"},
        "segregate": {"data": "${steps.preprocess.outputs.clean}"},
        "train": {"data": "${steps.segregate.outputs.train}"},
        "evaluate": {"data": "${steps.segregate.outputs.test}", "model": "${steps.train.outputs.model}"},
    }
    uses = {"train": "train_random_forest"}
    steps = {
        name: {"uses": f"core/{uses.get(name, name)}", "with": {**place, **case.given[name]}}
        for name, place in places.items()
    }
    root.mkdir()
    content = {"name": root.name, "components": {"core": {"path": str(LIBRARY)}}, "steps": steps}
    (root / "pipeline.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (root / "params.yaml").write_text("{}\n")


@pytest.mark.parametrize("name", CASES)
def test_from_a_file_to_a_server(name: str, workplace: Path, call: Call) -> None:
    """Run, promote, score and serve: the compiled model says of each row what `evaluate` measured, and JSON
    numbers are answered like the table; the rules that are suggested for the file are YAML.
    """
    case = CASES[name]
    case.write(workplace / case.file)
    write_pipeline(workplace / name, case)
    result = call(*WAYPOST, "run", name, "--env", "local", "--json")
    assert result.returncode == 0, result.stderr
    ended = json.loads(result.stdout)
    steps = {step["name"]: step for step in ended["steps"]}
    assert steps["preprocess"]["metrics"]["rows_before"] == case.rows
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")

    def artifact(step: str, path: str) -> str:
        return str(mlflow.artifacts.download_artifacts(f"runs:/{steps[step]['run_id']}/{path}"))

    predicted = pd.read_parquet(artifact("evaluate", "predictions.parquet"))["prediction"]
    promoted = call(*WAYPOST, "promote", ended["run_id"], "--name", name)
    assert promoted.returncode == 0, promoted.stderr
    assert "  compiled, and equal to the original on" in promoted.stdout + promoted.stderr
    test = artifact("segregate", "test.parquet")
    scored = call(*WAYPOST, "score", f"models:/{name}@champion", test, "scored")
    assert scored.returncode == 0, scored.stderr
    answers = pq.read_table(workplace / "scored").to_pandas().sort_values("row")["prediction"]
    assert (answers.to_numpy() == predicted.to_numpy()).all()
    model = mlflow.models.get_model_info(artifact("train", "model"))
    rows = pd.read_parquet(test)[model.signature.inputs.input_names()].head(500)
    asked = {"dataframe_split": json.loads(rows.to_json(orient="split", index=False))}
    with serving(f"models:/{name}@champion", cwd=workplace) as server:
        reply = server.ask(asked)
        assert reply.status_code == 200, reply.text
        assert reply.json()["predictions"] == predicted.head(500).tolist()
    clean = artifact("preprocess", "clean.parquet")
    suggested = call(*WAYPOST, "checks", "suggest", clean, "-p", name, "--env", "local", "--dev")
    assert suggested.returncode == 0, suggested.stderr
    columns = yaml.safe_load((workplace / "checks.yaml").read_text())["columns"]
    assert {column["name"] for column in columns} >= set(rows)
