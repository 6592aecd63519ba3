"""`make bench-deploy`: serving and scoring beside their peers, on this machine, now.

All servers are up at the same time and asked in turn, all scorers run in turn, so that a slow minute of the
machine hits them all; a figure is the median of the rounds, and what counts are the ratios. Needs wrk
(Debian: apt-get install wrk) on the PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from benchmarks.bench import PYTHON, install, say, version
from benchmarks.chart import bars
from benchmarks.page import replace
from tests.repositories import free_port

HERE = Path(__file__).parent
BIN = PYTHON.parent
PEERS = {
    "bentoml": ["bentoml==1.4.40", "scikit-learn", "pandas"],
    "mlserver": ["mlserver==1.7.1", "scikit-learn", "pandas"],
}
CONNECTIONS = (1, 8, 32)
EMPTY, OURS, OURS2, STOCK = "empty answer", "Waypost", "Waypost, 2 workers", "mlflow models serve"
EMPTY_APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
"""
BENTO = """
import bentoml, joblib, pandas as pd

@bentoml.service(workers=1)
class Grades:
    def __init__(self) -> None:
        self.model = joblib.load("model.joblib")

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[str]:
        return self.model.predict(pd.DataFrame(rows)).tolist()
"""
MLSERVER = """
import joblib, pandas as pd
from mlserver import MLModel
from mlserver.codecs import PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

class Grades(MLModel):
    async def load(self) -> bool:
        self._model = joblib.load("model.joblib")
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        frame = PandasCodec.decode_request(payload)
        labels = self._model.predict(frame).tolist()
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("labels", labels)])
"""


@dataclass
class Target:
    """A server: its requests a second and latencies (ms) by connections, round by round."""

    name: str
    url: str
    script: Path
    rates: dict[int, list[float]]
    middles: dict[int, list[float]]
    p99s: dict[int, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--without-peers", action="store_true", help="measure Waypost and MLflow only")
    given = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        os.environ["WAYPOST_HOME"] = str(place / "home")
        os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # MLflow looks for uvicorn there
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        peers = {} if given.without_peers else install_peers(place / "peers")
        say("making the model and the tables")
        # Elsewhere: a process that begins as a copy of a large one counts as large.
        command = [sys.executable, "-m", "benchmarks.deploy_model", str(place)]
        subprocess.run(command, cwd=HERE.parent, check=True, stderr=subprocess.DEVNULL)
        say(f"serving, {given.rounds} rounds")
        targets = serving(place, peers, given.rounds, given.seconds)
        say("scoring")
        scored = scoring(place, given.rounds)
        share = evaluation_share(place)
        versions = {name: version(python, name) for name, python in peers.items()}
    text = report(targets, scored, share, versions, given.rounds)
    replace("deploy", text)
    rates = {t.name: statistics.median(t.rates[8]) for t in targets if t.name != EMPTY}
    bars(rates, HERE / "serving.svg", "one row a request, eight connections: requests a second", "{:,.0f}")
    seconds = {
        name: statistics.median(values["seconds"]) for name, values in scored.items() if " 10" not in name
    }
    bars(seconds, HERE / "scoring.svg", "1,000,000 rows, whole process", "{:.1f} s", is_less_better=True)
    print(text)


def install_peers(place: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, packages in PEERS.items():
        with contextlib.suppress(subprocess.CalledProcessError):  # a peer that does not install is left out
            found |= install(place, {name: packages})
    return found


def serving(place: Path, peers: Mapping[str, Path], rounds: int, seconds: int) -> list[Target]:
    """Returns what wrk measured of each server."""
    row = json.loads((place / "row.json").read_text())
    record = dict(zip(row["columns"], row["data"][0], strict=True))
    ours = {"dataframe_split": {"columns": row["columns"], "data": row["data"]}}
    with contextlib.ExitStack() as stack:

        def start(
            name: str, command: list[Any], cwd: Path, path: str, ready: str, body: Any, port: int = 0
        ) -> Target:
            port = port or free_port()
            full = [str(part).replace("PORT", str(port)) for part in command]
            stack.enter_context(running(full, cwd, f"http://127.0.0.1:{port}{ready}", {"PORT": str(port)}))
            script = place / f"{name.replace(' ', '-')}.lua"
            text = orjson.dumps(body).decode().replace("\\", "\\\\").replace("'", "\\'")
            script.write_text(
                f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{text}'\n"
            )
            empty: list[dict[int, list[float]]] = [{c: [] for c in CONNECTIONS} for _ in range(3)]
            return Target(name, f"http://127.0.0.1:{port}{path}", script, *empty)

        (place / "empty.py").write_text(EMPTY_APP)
        uvicorn = [BIN / "uvicorn", "empty:app", "--port", "PORT", "--no-access-log", "--no-proxy-headers"]
        serve = [BIN / "waypost", "serve", place / "model", "--port", "PORT"]
        targets = [
            start(EMPTY, [*uvicorn, "--log-level", "warning"], place, "/", "/", ours),
            start(OURS, serve, place, "/invocations", "/ping", ours),
            start(OURS2, [*serve, "--workers", "2"], place, "/invocations", "/ping", ours),
            start(
                STOCK,
                [BIN / "mlflow", "models", "serve", "-m", place / "model", "-p", "PORT"]
                + ["--env-manager", "local"],
                place,
                "/invocations",
                "/ping",
                ours,
            ),
        ]
        if "bentoml" in peers:
            folder = prepared(place, "bento", {"service.py": BENTO})
            command = [peers["bentoml"].parent / "bentoml", "serve", "service:Grades", "--port", "PORT"]
            targets.append(start("BentoML", command, folder, "/predict", "/readyz", {"rows": [record]}))
        if "mlserver" in peers:
            settings = {"name": "grades", "implementation": "runtime.Grades"}
            ports = {f"{kind}_port": free_port() for kind in ("http", "grpc", "metrics")}
            folder = prepared(
                place,
                "mlserver",
                {
                    "runtime.py": MLSERVER,
                    "model-settings.json": json.dumps(settings),
                    "settings.json": json.dumps(
                        ports | {"host": "127.0.0.1", "debug": False, "parallel_workers": 0}
                    ),
                },
            )
            body: dict[str, Any] = {"inputs": [v2_input(name, value) for name, value in record.items()]}
            body["parameters"] = {"content_type": "pd"}
            command = [peers["mlserver"].parent / "mlserver", "start", "."]
            path, ready = "/v2/models/grades/infer", "/v2/health/ready"
            targets.append(start("MLServer", command, folder, path, ready, body, ports["http_port"]))
        for number in range(rounds):
            for connections in CONNECTIONS:
                for each in targets[number % len(targets) :] + targets[: number % len(targets)]:
                    ask(each, connections, seconds)
            say(f"round {number + 1}: " + ", ".join(f"{t.name} {t.rates[8][-1]:,.0f}/s" for t in targets))
    return targets


def v2_input(name: str, value: Any) -> dict[str, Any]:
    kind = (
        "BYTES"
        if isinstance(value, str) or (value is None and name == "verification_income_joint")
        else "FP64"
    )
    data = [value if value is not None else ("" if kind == "BYTES" else float("nan"))]
    known = {"parameters": {"content_type": "str"}} if kind == "BYTES" else {}
    if kind == "FP64" and value is None:
        data = [0.0]  # the protocol's JSON knows no missing number
    return {"name": name, "shape": [1], "datatype": kind, "data": data, **known}


def prepared(place: Path, name: str, files: Mapping[str, str]) -> Path:
    folder = place / name
    folder.mkdir()
    shutil.copy(place / "model.joblib", folder)
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


@contextlib.contextmanager
def running(command: list[str], cwd: Path, url: str, env: Mapping[str, str]) -> Iterator[None]:
    """Runs a server until the context ends; it is there once its `url` answers."""
    log = cwd / f"server-{time.monotonic_ns()}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **env, "DO_NOT_TRACK": "true", "BENTOML_DO_NOT_TRACK": "True"},
        )  # fmt: skip
    try:
        for _ in range(900):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{command}: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{command}: no answer: {log.read_text()[-2000:]}")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def ask(target: Target, connections: int, seconds: int) -> None:
    """Lets wrk ask a server, and notes what it measured."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(target.script)]
    output = subprocess.run([*command, target.url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(f"{target.name}: {output}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    target.rates[connections].append(float(rate[1]) if rate else 0.0)
    for share, found in (("50%", target.middles), ("99%", target.p99s)):
        hit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)\b", output)
        found[connections].append(float(hit[1]) * UNITS[hit[2]] if hit else float("nan"))


PANDAS = """
import sys, mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
table = pd.read_parquet(sys.argv[2])
pd.DataFrame({"id": table["id"], "prediction": model.predict(table)}).to_parquet(sys.argv[3])
"""


def scoring(place: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Returns seconds and peak memory (MiB) of each way to score."""
    score = [BIN / "waypost", "score", place / "model"]
    options = ["--id", "id", "--overwrite"]
    ways: dict[str, list[Any]] = {
        "Waypost, CSV": [*score, place / "1.csv", place / "out", *options, "--no-track"],
        "Waypost, CSV, tracked": [*score, place / "1.csv", place / "out", *options],
        "Waypost, parquet": [*score, place / "1.parquet", place / "out", *options, "--no-track"],
        "mlflow models predict, CSV": [
            BIN / "mlflow",
            "models",
            "predict",
            "-m",
            place / "model",
            "-t",
            "csv",
        ]
        + ["-i", place / "1.csv", "-o", place / "o.json", "--env-manager", "local"],
        "pyfunc in pandas, parquet": [
            *(PYTHON, "-c", PANDAS, place / "model", place / "1.parquet", place / "o.parquet")
        ],
    }
    found: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "memory": []} for name in ways}
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            measured(ways[name], place, found[name])
            say(f"round {number + 1}: {name} {found[name]['seconds'][-1]:.1f} s")
    ten = [*score, place / "10.parquet", place / "out", *options, "--no-track"]
    found["Waypost, parquet, 10,000,000 rows"] = {"seconds": [], "memory": []}
    measured(ten, place, found["Waypost, parquet, 10,000,000 rows"])
    return found


def measured(command: list[Any], place: Path, found: dict[str, list[float]]) -> None:
    """Runs a command; notes its seconds and the most memory that it, or a child of it, had."""
    began = time.perf_counter()
    with (place / "score.log").open("wb") as sink:
        process = subprocess.Popen(
            [str(c) for c in command], cwd=place, stdout=sink, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError((place / "score.log").read_text()[-3000:])
    found["seconds"].append(time.perf_counter() - began)
    found["memory"].append(usage.ru_maxrss / 1024)


def evaluation_share(place: Path) -> tuple[float, float]:
    """Returns the shares that trees take of a scoring process: of its threads' wall time, from its start to its
    end, and of all its processor time.
    """
    command = [PYTHON, "-m", "benchmarks.tree_share", place / "model", place / "1.csv", place / "out"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    wall, processor = done.stdout.split()[-2:]
    return float(wall), float(processor)


def report(
    targets: list[Target],
    scored: Mapping[str, Mapping[str, list[float]]],
    share: tuple[float, float],
    versions: Mapping[str, str],
    rounds: int,
) -> str:
    """Returns the page's part."""
    middle = statistics.median
    by_name = {target.name: target for target in targets}
    empty, ours, two, stock = (by_name[name] for name in (EMPTY, OURS, OURS2, STOCK))
    mine, theirs = scored["Waypost, CSV"], scored["mlflow models predict, CSV"]
    one, ten = scored["Waypost, parquet"], scored["Waypost, parquet, 10,000,000 rows"]
    alone = middle(ours.rates[1]) / middle(stock.rates[1])
    against_empty = middle(ours.rates[1]) / middle(empty.rates[1])
    best = max((ours, two), key=lambda target: middle(target.rates[8]))
    crowd = middle(best.rates[8]) / middle(stock.rates[8])
    faster = middle(theirs["seconds"]) / middle(mine["seconds"])
    memory = max(middle(mine["memory"]), middle(one["memory"]))
    growth = ten["memory"][0] / middle(one["memory"]) - 1

    def verdict(*, met: bool) -> str:
        return "met" if met else "**missed**"

    goals = [
        ("one row, one connection, against `mlflow models serve`", f"{alone:.0f} × the requests", "≥ 130 ×",
         verdict(met=alone >= 130)),
        ("one row, one connection, against an empty answer", f"{against_empty:.0%} of its requests", "≥ 60 %",
         verdict(met=against_empty >= 0.6)),
        ("one row, eight connections", f"{crowd:.0f} × ({best.name})", "≥ 450 ×", verdict(met=crowd >= 450)),
        ("p99 of that", f"{middle(best.p99s[8]):.1f} ms", "≤ 2 ms", verdict(met=middle(best.p99s[8]) <= 2)),
        ("1,000,000 rows of CSV, whole process", f"{middle(mine['seconds']):.1f} s, {faster:.1f} × faster",
         "≥ 6 ×", verdict(met=faster >= 6)),
        ("memory of that", f"{memory:.0f} MiB", "≤ 350 MiB", verdict(met=memory <= 350)),
        ("10,000,000 rows", f"{ten['memory'][0]:.0f} MiB, {growth:+.0%}", "± 10 %",
         verdict(met=abs(growth) <= 0.1)),
        ("share of wall time in tree evaluation", f"{share[0]:.0%} of each thread's ({share[1]:.0%} of all"
         " processor time)", "≥ 70 %", verdict(met=share[0] >= 0.7)),
    ]  # fmt: skip
    rows = [
        f"| {t.name} | "
        + " | ".join(
            f"{middle(t.rates[c]):,.0f} | {middle(t.middles[c]):.2f} | {middle(t.p99s[c]):.2f}"
            for c in CONNECTIONS
        )
        + " |"
        for t in sorted(targets, key=lambda t: -middle(t.rates[8]))
    ]
    batches = [
        f"| {name} | {middle(values['seconds']):.1f} | {middle(values['memory']):,.0f} |"
        for name, values in sorted(scored.items(), key=lambda item: middle(item[1]["seconds"]))
    ]
    peers = "".join(f"{name} {text}, " for name, text in versions.items())
    return f"""# Measured: deployment

Written by `make bench-deploy` on {datetime.now(UTC).date()}: {rounds} rounds, medians, all in turn in a round.
{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}; {peers}MLflow {version(PYTHON, "mlflow")},
ONNX Runtime {version(PYTHON, "onnxruntime")}. The model: 100 trees, 15 classes,
32 numbers, 6 categories, one text; loans of the reference pipeline.

| measure | Waypost | target | |
|---|---|---|---|
{chr(10).join(f"| {' | '.join(goal)} |" for goal in goals)}

## Serving
One row a request, asked by wrk on the same machine. "Empty answer" is uvicorn with an application that reads the
same request and says `{{}}`. Waypost writes its access log, counts for Prometheus and sends `Server-Timing` meanwhile.
Each column: requests a second, p50 and p99 in ms, for 1, 8 and 32 connections.

| server | 1: req/s | p50 | p99 | 8: req/s | p50 | p99 | 32: req/s | p50 | p99 |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

![requests a second](serving.svg)

## Scoring
1,000,000 rows made by resampling, whole processes; memory is the largest resident set.

| way | seconds | MiB |
|---|---|---|
{chr(10).join(batches)}

![seconds](scoring.svg)
"""


if __name__ == "__main__":
    main()
