"""What `waypost promote` does with a model, phase by phase: `python -m benchmarks.promotion_phases MODEL TABLE ROWS`.

Prints (phase, seconds of processor time, seconds of the clock) as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PHASES: list[tuple[str, float, float]] = []


def timed(phase: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    began, clock = time.process_time(), time.perf_counter()
    found = call(*arguments, **options)
    PHASES.append((phase, time.process_time() - began, time.perf_counter() - clock))
    return found


def imports() -> None:
    for name in ("mlflow.sklearn", "pandas", "skops.io", "sklearn.ensemble", "waypost.inference.model_cache"):
        importlib.import_module(name)


def main(model: str, table: str, rows: int) -> None:
    timed("imports", imports)
    import pandas as pd

    from waypost.inference.compiled import Compiled
    from waypost.inference.compiling import compiled_form
    from waypost.inference.loading import load
    from waypost.inference.proof import prove
    from waypost.sources.files import read_mlmodel

    folder = Path(model)
    mlmodel = read_mlmodel(folder)
    read = timed("reading the table", pd.read_parquet, table)[[c.name for c in mlmodel.inputs]].head(rows)
    original = timed("loading the model", load, folder, mlmodel, is_trusted=False)
    content, form = timed("compiling", compiled_form, original.estimator, mlmodel.inputs)
    compiled = Compiled(content, form, original.layout)
    plain = read.astype(object).where(read.notna(), None)
    given = {str(name): plain[name].tolist() for name in plain}
    proof = timed("proving", prove, original, compiled, given, {}, form)
    assert proof.is_equal, proof.reason
    timed("of that, the original's answers to the table", original.of_frame, read.convert_dtypes().astype(
        {c.name: "float64" if c.kind == "number" else object for c in mlmodel.inputs if c.kind in ("number", "text")}
    ))  # fmt: skip
    print(json.dumps(PHASES))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
