"""What steps cost a tracking server: requests a step, and seconds a request. Writes tracking.json.

`python -m benchmarks.tracking`: an MLflow server of four processes on PostgreSQL, and pipelines of independent
steps of which each logs a parameter, a metric and a file. Ten steps and forty: the difference is what thirty
cost, without what a run costs once.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests
from tests.forks import Forks
from tests.pipelines import write_component, write_pipeline
from tests.team import postgres, tracking_server

import waypost

FILE = Path(__file__).with_name("tracking.json")
FEW, MANY = 10, 40
CODE = """
import pathlib, sys, tempfile, mlflow
with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    mlflow.log_param("given", sys.argv[2])
    mlflow.log_metric("letters", 1)
    out = pathlib.Path(folder, "out.txt")
    out.write_text(sys.argv[2])
    mlflow.log_artifact(str(out))
"""


def kind_of(method: str, url: str) -> str:
    """Returns what a request asks for: an endpoint of MLflow's API, without ids."""
    path = re.sub(r"^https?://[^/]+", "", url).partition("?")[0]
    if "mlflow-artifacts" in path or "get-artifact" in path:
        return f"{method.lower()} artifact"
    return path.rpartition("/mlflow/")[2]


@contextmanager
def counted(into: dict[str, list[float]]) -> Iterator[None]:
    """Notes the seconds of each request that this process makes, by kind."""
    send = requests.Session.request

    def request(self: requests.Session, method: str, url: str, *values: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return send(self, method, url, *values, **named)
        finally:
            into[kind_of(method, url)].append(time.perf_counter() - began)

    requests.Session.request = request  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        requests.Session.request = send  # type: ignore[method-assign]


def execute(root: Path, steps: int, log: Path) -> tuple[dict[str, list[float]], int]:
    """Runs so many new steps; returns this process's requests by kind, and how many the server had."""
    names = {f"s{n}": {"uses": "parts/part", "with": {"word": f"{steps}-{n}"}} for n in range(steps)}
    write_pipeline(root, names)
    found: dict[str, list[float]] = defaultdict(list)
    before = log.read_text().count(" HTTP/1.1")
    with counted(found):
        result = waypost.run(root, env="local", jobs=2, quiet=True)
    if result.status != "FINISHED":
        sys.exit(f"the run is {result.status}")
    return found, log.read_text().count(" HTTP/1.1") - before


def measure() -> dict[str, Any]:
    """Returns requests a step, by kind and whose, and the median milliseconds of each kind."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Forks()) as forks,
        postgres() as database,
        tracking_server(Path(folder, "server"), database, forks=forks, workers=4) as server,
    ):
        os.environ |= {"MLFLOW_TRACKING_URI": server.url, "WAYPOST_HOME": f"{folder}/home"}
        root, log = Path(folder, "small"), Path(folder, "server", "server.log")
        write_component(root / "parts", "part", CODE, word={})
        project = root / "parts" / "part" / "MLproject"
        project.write_text(project.read_text() + "    outputs: {out: {path: out.txt}}\n")
        execute(root, 2, log)  # connections, tables, workers
        few, few_all = execute(root, FEW, log)
        many, many_all = execute(root, MANY, log)
    more = MANY - FEW
    ours = {kind: (len(many[kind]) - len(few.get(kind, ()))) / more for kind in sorted(many)}
    seconds = {kind: [*few.get(kind, ()), *many[kind]] for kind in many}
    return {
        "requests a step, the engine": {kind: round(count, 2) for kind, count in ours.items() if count > 0.1},
        "requests a step, its component": round((many_all - few_all) / more - sum(ours.values()), 1),
        "milliseconds a request": {
            kind: round(1000 * statistics.median(times), 1) for kind, times in sorted(seconds.items())
        },
        "requests in all": dict(Counter({kind: len(times) for kind, times in seconds.items()})),
    }


if __name__ == "__main__":
    found = measure()
    print(json.dumps(found, indent=2))
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
