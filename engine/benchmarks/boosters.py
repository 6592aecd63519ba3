"""Models of each library of boosted trees, one row a request: `waypost serve` beside `mlflow models serve`.

    python -m benchmarks.boosters [--rounds 3] [--seconds 3]

For each library, both servers are up at once and asked in turn by wrk, one connection; a figure is the median of
the rounds. Writes its part of RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson
from benchmarks.bench import say
from benchmarks.deploy import BIN, Target, ask, running
from benchmarks.page import replace
from tests.repositories import free_port

LIBRARIES = ("HistGradientBoosting", "LightGBM", "XGBoost", "CatBoost")
_COLUMNS = [f"x{number}" for number in range(20)]
_TARGET = 30
MAKE = """
import sys, mlflow, numpy as np, pandas as pd
library, folder, columns = sys.argv[1], sys.argv[2], sys.argv[3].split()
numbers = np.random.default_rng(0)
x = pd.DataFrame(numbers.normal(size=(20_000, len(columns))), columns=columns)
y = pd.qcut(x.x0 * x.x1 + x.x2 + numbers.normal(size=len(x)), 5, labels=False)
if library == "HistGradientBoosting":
    from sklearn.ensemble import HistGradientBoostingClassifier
    model, flavour = HistGradientBoostingClassifier(max_iter=100, early_stopping=False), mlflow.sklearn
elif library == "LightGBM":
    from lightgbm import LGBMClassifier
    model, flavour = LGBMClassifier(n_estimators=100, verbose=-1), mlflow.lightgbm
elif library == "XGBoost":
    from xgboost import XGBClassifier
    model, flavour = XGBClassifier(n_estimators=100), mlflow.xgboost
else:
    from catboost import CatBoostClassifier
    model, flavour = CatBoostClassifier(iterations=100, verbose=0, allow_writing_files=False), mlflow.catboost
model.fit(x, y)
form = {"serialization_format": "cloudpickle"} if flavour is mlflow.sklearn else {}
flavour.save_model(model, folder, **form, input_example=x[:20], signature=mlflow.models.infer_signature(x, model.predict(x)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    given = parser.parse_args()
    lines = ["| library | Waypost (requests/s) | MLflow | ratio | target |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        packages = with_catboost(place)
        os.environ |= {"WAYPOST_HOME": str(place / "home"), "MLFLOW_DISABLE_TELEMETRY": "true"}
        os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # MLflow looks for uvicorn there
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), packages)))
        for library in LIBRARIES:
            say(library)
            ours, stock = compared(library, place, given.rounds, given.seconds)
            ratio = ours / stock
            met = "met" if ratio >= _TARGET else "**missed**"
            lines.append(
                f"| {library} | {ours:,.0f} | {stock:,.0f} | {ratio:,.0f} × | ≥ {_TARGET} ×, {met} |"
            )
    told = "One row a request, one connection: `python -m benchmarks.boosters`. 20 numbers, five classes, 100 rounds."
    text = "\n".join(("## Boosting libraries", "", told, "", *lines))
    replace("boosters", text)
    print(text)


def with_catboost(place: Path) -> str:
    """Returns a folder with CatBoost, which the development environment lacks."""
    folder = place / "packages"
    command: list[str | Path] = [BIN / "uv", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--target", folder, "catboost"], check=True)
    return str(folder)


def compared(library: str, place: Path, rounds: int, seconds: int) -> tuple[float, float]:
    """Returns requests a second of Waypost and of MLflow."""
    folder = place / library
    command: list[Any] = [sys.executable, "-c", MAKE, library, folder, " ".join(_COLUMNS)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    body = {"dataframe_split": {"columns": _COLUMNS, "data": [[0.5] * len(_COLUMNS)]}}
    script = place / "ask.lua"
    script.write_text(
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
        f"wrk.body = '{orjson.dumps(body).decode()}'\n"
    )
    commands = {
        "Waypost": [BIN / "waypost", "serve", folder, "--trust", "--port"],
        "MLflow": [BIN / "mlflow", "models", "serve", "--env-manager", "local", "-m", folder, "-p"],
    }
    with contextlib.ExitStack() as stack:
        targets = []
        for name, start in commands.items():
            port = str(free_port())
            stack.enter_context(running([*map(str, start), port], place, f"http://127.0.0.1:{port}/ping", {}))
            targets.append(
                Target(name, f"http://127.0.0.1:{port}/invocations", script, {1: []}, {1: []}, {1: []})
            )
        for number in range(rounds):
            for target in targets if number % 2 else targets[::-1]:
                ask(target, 1, seconds)
    ours, stock = (statistics.median(target.rates[1]) for target in targets)
    return ours, stock


if __name__ == "__main__":
    main()
