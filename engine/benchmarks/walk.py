"""The walk through a forest: the extension beside ONNX Runtime and scikit-learn, as ratios of one run.

    python -m benchmarks.walk [--rows 20000]

100 trees of depth 14, 7 classes, one thread. "Cooled": 8 MB of other memory are read before each row, which is
what a server does between requests. A figure is the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from waypost.contracts.mlmodel import Column
from waypost.inference.compiling import compiled_form
from waypost.inference.forest import NATIVE, Forest

_FEATURES, _CLASSES, _TREES, _DEPTH, _LEARNED = 30, 7, 100, 14, 12_000
_ROWS = 400
_OTHER = np.ones(1 << 20)  # 8 MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=20_000, help="of the batch")
    rows = parser.parse_args().rows
    chance = np.random.default_rng(0)
    table = chance.normal(size=(_LEARNED, _FEATURES)).astype(np.float32)
    score = table[:, 0] + table[:, 1] * table[:, 2] + chance.normal(size=_LEARNED) / 2
    classes = np.digitize(score, np.quantile(score, np.linspace(0, 1, _CLASSES + 1)[1:-1]))
    model = RandomForestClassifier(_TREES, max_depth=_DEPTH, random_state=0, n_jobs=1).fit(table, classes)
    columns = [Column(name=f"x{i}", type="double") for i in range(_FEATURES)]
    content, form = compiled_form(model, columns)
    assert form is not None
    asked = chance.normal(size=(rows, _FEATURES)).astype(np.float32)
    walks = {"extension": Forest(form, content.leading)}
    os.environ[NATIVE] = "0"
    walks["ONNX Runtime"] = Forest(form, content.leading)
    ways: dict[str, Callable[[Any], Any]] = {name: partial(means, walk) for name, walk in walks.items()}
    ways["scikit-learn"] = model.predict_proba
    expected = model.predict_proba(asked[:500])
    equal = {
        name: sum((way(asked[i : i + 1]) == expected[i]).all() for i in range(500))
        for name, way in ways.items()
    }
    nodes = sum(tree.tree_.node_count for tree in model.estimators_)
    print(f"{_TREES} trees, {nodes:,} nodes, {_CLASSES} classes; microseconds a row")
    print(
        "| way | one row, warm | cooled | batch | rows with the bits of scikit-learn |\n|---|---|---|---|---|"
    )
    found = {name: measured(way, asked) for name, way in ways.items()}
    for name, figures in found.items():
        cells = " | ".join(f"{figure * 1e6:,.1f}" for figure in figures)
        print(f"| {name} | {cells} | {equal[name]} of 500 |")
    base = found["extension"]
    for name in list(found)[1:]:
        ratios = ", ".join(f"{other / own:.1f} x" for own, other in zip(base, found[name], strict=True))
        print(f"{name} takes, in times of the extension: {ratios}")


def means(walk: Forest, rows: Any) -> Any:
    """Returns the probabilities of rows."""
    return walk.sums(rows) / _TREES


def measured(way: Callable[[Any], Any], asked: Any) -> tuple[float, float, float]:
    """Returns the seconds of a row, warm and cooled, and of a row in a batch."""
    few = 60 if getattr(way, "__name__", "") == "predict_proba" else _ROWS
    for i in range(20):
        way(asked[i : i + 1])
    warm = [clocked(way, asked[i % 50 : i % 50 + 1]) for i in range(few)]
    cooled = []
    for i in range(few):
        _OTHER.sum()
        cooled.append(clocked(way, asked[i : i + 1]))
    batch = [clocked(way, asked, time.thread_time) / len(asked) for _ in range(5)]
    return statistics.median(warm), statistics.median(cooled), statistics.median(batch)


def clocked(way: Callable[[Any], Any], rows: Any, clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    way(rows)
    return clock() - began


if __name__ == "__main__":
    main()
