"""`make bench-cluster`: a step that starts on a worker as a warm fork, against one that starts as a process.

A scheduler and a worker of one core on this machine, an MLflow server, a component that imports MLflow, pandas
and scikit-learn and logs a number. Runs as forks and as processes take turns, so that a slow minute meets
both. The seconds are the step's, as its worker has them: from the start of its process to its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tests.clusters import machines, wait_for
from tests.forks import Forks
from tests.pipelines import write_component, write_pipeline
from tests.team import tracking_server

from waypost.cluster.connection import connected

ROUNDS = 5
_CODE = """
import mlflow, pandas, sklearn.ensemble
with mlflow.start_run():
    mlflow.log_metric("rows", len(pandas.DataFrame({"a": [1, 2]})))
"""


def seconds(folder: Path, address: str, how: str) -> float:
    """Returns what a run's only step took."""
    options = ["--no-cache", "--json", "--env", "local", "--worker", how, "--on", address]
    command = [sys.executable, "-m", "waypost", "run", str(folder), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(result.stdout + result.stderr)
    [step] = json.loads(result.stdout)["steps"]
    return float(step["seconds"])


def main() -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Forks()) as forks:
        place = Path(name)
        write_component(place / "small" / "parts", "part", textwrap.dedent(_CODE))
        write_pipeline(place / "small", {"one": {"uses": "parts/part"}})
        os.environ |= {"WAYPOST_HOME": str(place / "store")}
        database = f"sqlite:///{place}/mlflow.db"
        with (
            tracking_server(place / "server", database, forks=forks) as server,
            machines(place / "c") as there,
        ):
            os.environ["MLFLOW_TRACKING_URI"] = server.url
            there.start_worker("node1")
            with connected(there.address) as cluster:
                wait_for(cluster, 1)
            first = seconds(place / "small", there.address, "fork")
            found: dict[str, list[float]] = {"fork": [], "process": []}
            for _ in range(ROUNDS):
                for how, took in found.items():
                    took.append(seconds(place / "small", there.address, how))
    warm, cold = (statistics.median(took) for took in found.values())
    print(f"""
a step that imports MLflow, pandas and scikit-learn, on a worker; medians of {ROUNDS}; {os.cpu_count()} cores

| | seconds |
|---|---:|
| a new process | {cold:.2f} |
| the first fork of a fork server | {first:.2f} |
| a fork of one that is warm | {warm:.2f} |

a warm fork is {cold / warm:.1f} × as quick as a process""")


if __name__ == "__main__":
    main()
