"""What the library's components hand over is read by the engine, and a page of it keeps within its size."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import LIBRARY
from waypost.contracts.figures import Figures, parse_figures
from waypost.pages.facts import Run, Step
from waypost.pages.run_page import run_page

CLASSES = np.array(list("ABCDEFG"), dtype=object)
ROWS = 3000


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library's modules can be imported, and are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(LIBRARY))
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(LIBRARY)):
            del sys.modules[name]


def part(name: str) -> Any:
    return importlib.import_module(name)


def document(figures: Any, tables: Any = ()) -> Figures:
    return parse_figures(part("componentkit.figures").document(figures, tables), "figures.json")


def model_figures(classes: Any = CLASSES, rows: int = ROWS) -> Figures:
    draw = np.random.default_rng(0)
    labels = classes[draw.integers(0, len(classes), rows)]
    probabilities = draw.dirichlet(np.ones(len(classes)), rows)
    predicted = classes[probabilities.argmax(axis=1)]
    by_class = part("evaluate.classes").per_class(labels, predicted, classes)
    slices = {"state": {"CA": {"rows": 300.0, "accuracy": 0.5, "log_loss": 1.0}}}
    measured = part("evaluate.figures").model_figures
    return document(measured(labels, probabilities, predicted, classes, by_class, slices))


def data_figures(columns: int = 38) -> Figures:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({f"c{n}": draw.normal(size=ROWS) for n in range(columns)})
    table["kind"] = CLASSES[draw.integers(0, 7, ROWS)]
    names = list(table)
    drift = part("check_data.rules").Drift(numeric=names[:-1], categorical=["kind"])
    results = part("check_data.drift").drift_results(table, table[:1000], drift)
    figures = part("check_data.figures")
    drawn = figures.drift_figures(table, table[:1000], drift)
    size = part("componentkit.figures").table_size("loans", table, "ab" * 32)
    return document([figures.checks_figure(results), *drawn], [size])


def test_a_page_of_the_library_is_small(library: None) -> None:
    """All figures of a pipeline like the reference one, 38 columns and 7 classes, are below 300 kB."""
    columns = document([part("componentkit.figures").columns_figure(pd.DataFrame({"a": [1, None]}))])
    steps = tuple(
        Step(name, f"core/{name} 1.1.0", "done", figures=figures)
        for name, figures in (("clean", columns), ("check", data_figures()), ("evaluate", model_figures()))
    )
    page = run_page(Run("0" * 32, "loan-grades", "FINISHED", 0, 1.0, steps=steps))
    assert len(page.encode()) < 300_000
    assert "did not fit" not in page
    assert page.count("<svg") > 40


@pytest.mark.parametrize("count", [2, 15, 40, 100])
def test_many_classes(library: None, count: int) -> None:
    """Two classes or a hundred: what is handed over is within the limits of a document."""
    classes = np.array([f"class {n}" for n in range(count)], dtype=object)
    figures = model_figures(classes, 40 * count).figures
    assert [figure.mark for figure in figures[:3]] == ["heat", "bar", "line"]
    assert all(len(figure.rows) <= 2000 for figure in figures)
