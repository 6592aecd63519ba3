"""How a model does while it is served: what is said of a log of predictions, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from waypost.errors import UsageError
from waypost.report.live import live_page
from waypost.serving.monitoring import LiveReport, live_report, psi
from waypost.serving.prediction_log import Label


def write(folder: Path, part: int, **columns: Any) -> pd.DataFrame:
    """Writes a part of a log, of one request a row unless it says otherwise."""
    count = len(columns["_prediction"])
    moments = pd.to_datetime("2026-01-01T00:00:00Z") + pd.to_timedelta(np.arange(count) + 1000 * part, "s")
    ours = {"_request": [f"{part}-{i}" for i in range(count)], "_row": np.int32(0), "_time": moments}
    frame = pd.DataFrame({**ours, "_model": "m/1", "_role": "main", "_seconds": 0.001, **columns})
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / f"predictions-2026010{part}T000000-a-0.parquet")
    return frame


def label(folder: Path, part: int, *labels: Label) -> None:
    frame = pd.DataFrame(labels, columns=["_request", "_row", "_label"]).astype({"_row": "int32"})
    frame["_time"] = pd.to_datetime("2026-02-01T00:00:00Z") + pd.to_timedelta(part, "s")
    frame.to_parquet(folder / f"feedback-2026020{part}T000000-a-0.parquet")


def report(folder: Path, reference: Path | None = None, rows: int = 10_000) -> LiveReport:
    return live_report(folder, reference, rows)


def test_classes_have_an_accuracy(tmp_path: Path) -> None:
    """Labels count by request and row, the last one that came, as text or number; others are unknown."""
    write(
        tmp_path,
        1,
        _request=["a", "a", "b", "c"],
        _row=np.array([0, 1, 0, 0], np.int32),
        _prediction=[1, 2, 1, 2],
    )
    label(tmp_path, 1, Label("a", 0, "1"), Label("a", 1, "1"), Label("b", 0, '"1"'), Label("gone", 0, "1"))
    label(tmp_path, 2, Label("a", 1, "2"), Label("c", 0, "3"))
    found = report(tmp_path)
    [model] = found.models
    assert (model.model, model.role, model.requests, model.rows, model.labelled) == ("m/1", "main", 3, 4, 4)
    assert model.quality == {"accuracy": 0.75}
    assert model.predictions == {"1": 0.5, "2": 0.5}
    assert (found.labels, found.unknown, found.is_whole) == (5, 1, True)


def test_numbers_have_errors(tmp_path: Path) -> None:
    """A model that answers numbers is told by its errors, and by the range of its answers."""
    write(tmp_path, 1, _prediction=[1.0, 2.0, 6.0])
    label(tmp_path, 1, Label("1-0", 0, "2"), Label("1-1", 0, "2.0"), Label("1-2", 0, '"six"'))
    [model] = report(tmp_path).models
    expected = {"mean absolute error": 0.5, "root mean squared error": 0.5**0.5, "bias": -0.5}
    assert model.quality == pytest.approx(expected)
    assert model.predictions == {"mean": 3.0, "smallest": 1.0, "largest": 6.0}


def test_models_and_roles_are_told_apart(tmp_path: Path) -> None:
    """Each model in each role is told for itself; the seconds are those of requests, not of rows."""
    write(
        tmp_path,
        1,
        _prediction=["A"] * 2,
        _model=["m/1", "m/2"],
        _role=["main", "canary"],
        _seconds=[0.1, 0.2],
    )
    write(
        tmp_path, 2, _prediction=["B"] * 99, _request="many", _row=np.arange(99, dtype=np.int32), _seconds=0.9
    )
    found = {(model.model, model.role): model for model in report(tmp_path).models}
    assert set(found) == {("m/1", "main"), ("m/2", "canary")}
    main = found["m/1", "main"]
    assert (main.requests, main.rows) == (2, 100)
    assert main.seconds["p50"] == pytest.approx(0.5)
    newest = report(tmp_path, rows=10)
    assert ([model.rows for model in newest.models], newest.is_whole) == ([99], False)


def test_columns_that_move_are_named(tmp_path: Path) -> None:
    """Numbers, categories and what is missing move; free text and what stays do not."""
    chance = np.random.default_rng(0)
    half = 500

    def halves(before: Any, after: Any) -> list[Any]:
        return [*before, *after]

    columns = {
        "still": chance.normal(size=2 * half),
        "shifted": halves(chance.normal(size=half), chance.normal(2, size=half)),
        "lacking": halves(chance.normal(size=half), [None] * half),
        "kind": halves(chance.choice(["x", "y"], half), ["z"] * half),
        "text": [f"words {i}" for i in range(2 * half)],
    }
    frame = write(tmp_path / "log", 1, _prediction=["A"] * (2 * half), **columns)
    [model] = report(tmp_path / "log").models
    moved = {one.column: one.psi for one in model.drift}
    assert set(moved) == {"still", "shifted", "lacking", "kind"}
    assert moved["still"] < 0.1
    assert min(moved[name] for name in ("shifted", "lacking", "kind")) > 0.25
    frame.to_csv(tmp_path / "same.csv", index=False)
    compared = report(tmp_path / "log", tmp_path / "same.csv")
    assert max(one.psi for one in compared.models[0].drift) < 1e-9
    with pytest.raises(UsageError, match="not a table of Parquet or CSV"):
        report(tmp_path / "log", tmp_path / "nothing.parquet")


def test_the_index_is_symmetric_and_finite() -> None:
    """Equal shares give 0, an empty bin a finite number, and the sides may be exchanged."""
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert psi([1, 0], [0.5, 0.5]) == pytest.approx(psi([0.5, 0.5], [1, 0]))
    assert psi([0.5, 0.5], [0.6, 0.4]) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))


def test_a_page_of_hostile_names(tmp_path: Path) -> None:
    """Names and classes are text on the page, whatever is in them; JSON is JSON."""
    write(tmp_path, 1, _prediction=["<script>alert(1)</script>"], _model="<b>m</b>")
    page = live_page(report(tmp_path))
    assert "<script" not in page
    assert "<b>" not in page
    assert "default-src 'none'" in page


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    """A folder without a log is told, with what writes one."""
    with pytest.raises(UsageError, match="no predictions here") as error:
        report(tmp_path)
    assert "--log-predictions" in error.value.hint
