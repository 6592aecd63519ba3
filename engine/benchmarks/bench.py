"""`make bench`: Waypost beside its peers, on this machine, now. Writes RESULTS.md and results.svg.

All tools run in turn within each round, so that a slow minute of the machine hits them all; a figure
is the median of the rounds, and what counts are the ratios. The peers are installed into
throw-away environments with the same pandas and scikit-learn, byte-compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import projects
from benchmarks.chart import bars
from benchmarks.memory import peak_of
from benchmarks.page import replace
from benchmarks.projects import Project
from tests.repositories import git_daemon

from waypost.system.scratch import make_removable

HERE = Path(__file__).parent
ENGINE = HERE.parent
ROOT = ENGINE.parent
PYTHON = Path(sys.executable)
PEERS = {
    "dvc": ["dvc==3.67.1"],
    "snakemake": ["snakemake==9.27.1"],
    "kedro": ["kedro==1.7.0", "kedro-datasets[pandas]==9.6.0", "pyarrow", "scikit-learn"],
    "metaflow": ["metaflow==2.19.39", "pandas", "pyarrow", "scikit-learn"],
}
TAGS, WEIGHT = 60, 400_000
Seconds = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        say("installing the peers into throw-away environments")
        peers = install(place / "peers", PEERS)
        say(f"six steps, {rounds} rounds")
        steps = six_steps(place, peers, rounds)
        say("fetching a component repository")
        fetched = fetching(place, rounds)
        say("starting up")
        started = starting(rounds * 2)
        versions = {name: version(python, name) for name, python in peers.items()}
        make_removable(place)
    text = report(steps, fetched, started, versions, rounds)
    replace("runs", text)
    cold = {name: statistics.median(values) for name, values in steps["cold"].items()}
    cold.pop("one tracked step")
    title = "six steps, nothing cached; Waypost and MLflow Projects also track each step"
    bars(cold, HERE / "results.svg", title, "{:.1f} s", is_less_better=True)
    print(text)


def say(text: str) -> None:
    print(f"--- {text}", file=sys.stderr, flush=True)


def pinned_here() -> list[str]:
    """Returns the versions of what peers share with us, as they are locked for development."""
    dev = (ENGINE / "requirements" / "dev.txt").read_text()
    return re.findall(r"^((?:pandas|scikit-learn|pyarrow)==\S+)", dev, re.MULTILINE)


def install(place: Path, wanted: Mapping[str, list[str]]) -> dict[str, Path]:
    """Returns each peer's interpreter, with the pandas and scikit-learn that are here."""
    found = {}
    constraints = place / "constraints.txt"
    place.mkdir(exist_ok=True)
    constraints.write_text("\n".join(pinned_here()))
    uv = str(PYTHON.with_name("uv"))
    for name, packages in wanted.items():
        python = place / name / "bin" / "python"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(place / name)], check=True)
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
        subprocess.run([*command, "--constraint", str(constraints), *packages], check=True)
        found[name] = python
    return found


def six_steps(place: Path, peers: Mapping[str, Path], rounds: int) -> dict[str, Seconds]:
    """Returns seconds: `cold` with nothing cached, `again` with nothing to do, `changed` one step;
    and the MiB of `memory` with nothing cached.
    """
    table, store = place / "t0.parquet", place / "store.db"
    code = (
        f"import pandas as pd; pd.DataFrame({{'value': map(float, range(1000))}}).to_parquet({str(table)!r})"
    )
    subprocess.run([sys.executable, "-c", code, str(table)], check=True)
    code = f"import mlflow; mlflow.MlflowClient('sqlite:///{store}').search_experiments()"
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}
    subprocess.run([sys.executable, "-c", code], check=True, env=quiet, cwd=place)
    served = place / "served"
    projects.component_repository(served)
    with git_daemon(served) as url:
        components = f"{url}/components.git"
        work = place / "work"
        tools = [
            projects.floor(work / "floor", table, PYTHON),
            projects.kedro(work / "kedro", table, peers["kedro"]),
            projects.dvc(work / "dvc", table, peers["dvc"], PYTHON),
            projects.snakemake(work / "snakemake", table, peers["snakemake"], PYTHON),
            projects.metaflow(work / "metaflow", table, peers["metaflow"]),
            projects.stock(work / "stock", table, PYTHON, components, store),
            projects.waypost(work / "waypost", table, PYTHON, components, store),
            projects.tracked_step(work / "one", table, PYTHON, store),
        ]
        found: dict[str, Seconds] = {kind: {} for kind in ("cold", "again", "changed", "memory")}
        for each in tools:  # without a clock: byte code of the tool itself, files in memory
            each.fresh()
            found["memory"][each.name] = [peak_of(each.run)]
        for number in range(rounds):
            # Another order in each round: nobody always runs after the same one.
            for each in tools[number % len(tools) :] + tools[: number % len(tools)]:
                each.fresh()
                note(found["cold"], each, each.run)
                if each.name in ("DVC", "Snakemake", "Waypost"):
                    for _ in range(3):
                        note(found["again"], each, each.run)
                    each.change(10.0 + number)
                    note(found["changed"], each, each.run)
                    each.change(projects.LAST)
                say(f"round {number + 1}: {each.name} {found['cold'][each.name][-1]:.2f} s")
    return found


def note(seconds: Seconds, project: Project, action: Callable[[], None]) -> None:
    started = time.perf_counter()
    action()
    seconds.setdefault(project.name, []).append(time.perf_counter() - started)


def fetching(place: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Returns bytes and seconds of six steps of a repository with many tags, by tool."""
    served = place / "tags"
    projects.component_repository(served, TAGS, WEIGHT)
    found: dict[str, dict[str, list[float]]] = {}
    with git_daemon(served) as url:
        for number in range(rounds):
            for tool in ("MLflow Projects", "Waypost"):
                folder = place / "fetch" / f"{tool[0]}{number}"
                folder.mkdir(parents=True)
                env = {**os.environ, "TMPDIR": str(folder), "WAYPOST_HOME": str(folder / "home")}
                command = [sys.executable, str(HERE / "fetch.py"), tool, f"{url}/components.git", "v1.0.30"]
                output = subprocess.run(
                    command, cwd=folder, env=env, capture_output=True, text=True, check=True
                )
                for key, value in json.loads(output.stdout.splitlines()[-1]).items():
                    found.setdefault(tool, {}).setdefault(key, []).append(value)
    return found


def starting(rounds: int) -> Seconds:
    """Returns the seconds of commands that do little."""
    waypost = str(PYTHON.with_name("waypost"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "waypost --help": [waypost, "--help"],
        "waypost lock --check": [waypost, "lock", "pipeline", "--check"],
        "mlflow --help": [str(PYTHON.with_name("mlflow")), "--help"],
    }
    found: Seconds = {}
    for _ in range(rounds):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            found.setdefault(name, []).append(time.perf_counter() - started)
    return found


def report(
    steps: Mapping[str, Seconds],
    fetched: Mapping[str, Mapping[str, list[float]]],
    started: Seconds,
    versions: Mapping[str, str],
    rounds: int,
) -> str:
    """Returns RESULTS.md."""
    cold, again, changed, memory = (
        {name: statistics.median(values) for name, values in steps[kind].items()}
        for kind in ("cold", "again", "changed", "memory")
    )
    start = {name: statistics.median(values) for name, values in started.items()}
    fetch = {
        tool: {key: statistics.median(values) for key, values in content.items()}
        for tool, content in fetched.items()
    }
    floor, mine = cold["plain python"], cold["Waypost"]
    one = cold.pop("one tracked step")
    ours = fetch["Waypost"]

    def verdict(*, met: bool) -> str:
        return "met" if met else "**missed**"

    targets = [
        ("six steps, tracked and isolated, nothing cached", f"{mine:.2f} s, {mine / floor:.2f} × floor",
         "≤ 0.60 × floor", verdict(met=mine <= 0.6 * floor)),
        ("the same against stock MLflow", f"{cold['MLflow Projects'] / mine:.1f} × faster", "≥ 6 ×",
         verdict(met=cold["MLflow Projects"] >= 6 * mine)),
        ("the same against Kedro", f"{mine / cold['Kedro']:.2f} × Kedro", "≤ 2.5 ×",
         verdict(met=mine <= 2.5 * cold["Kedro"])),
        ("nothing to do", f"{again['Waypost']:.3f} s, {again['Waypost'] / again['DVC']:.2f} × DVC",
         "≤ 0.5 × DVC", verdict(met=again["Waypost"] <= 0.5 * again["DVC"])),
        ("one step of six changed", f"{changed['Waypost']:.2f} s, the step alone {one:.2f} s",
         "the step + 0.5 s", verdict(met=changed["Waypost"] <= one + 0.5)),
        ("fetch, the first step", f"{ours['bytes'] / 1e6:.3f} MB, {ours['first']:.3f} s", "≤ 0.6 MB, ≤ 0.2 s",
         verdict(met=ours["bytes"] <= 600_000 and ours["first"] <= 0.2)),
        ("fetch, each later step", f"{ours['later'] * 1000:.1f} ms", "≤ 10 ms",
         verdict(met=ours["later"] <= 0.010)),
        ("`waypost --help`", f"{start['waypost --help']:.3f} s", "≤ 0.2 s",
         verdict(met=start["waypost --help"] <= 0.2)),
        ("`waypost lock --check`", f"{start['waypost lock --check']:.3f} s", "≤ 0.4 s",
         verdict(met=start["waypost lock --check"] <= 0.4)),
    ]  # fmt: skip
    named = {"kedro": "Kedro", "dvc": "DVC", "snakemake": "Snakemake", "metaflow": "Metaflow"}
    rows = [
        f"| {name} | {seconds:.2f} | {seconds / floor:.2f} | {_or_dash(again.get(name))} "
        f"| {_or_dash(changed.get(name))} | {memory[name]:.0f} |"
        for name, seconds in sorted(cold.items(), key=lambda item: item[1])
    ]
    return f"""# Measured: Waypost and its peers

Written by `make bench` on {datetime.now(UTC).date()}: {rounds} rounds, medians, all tools in turn in a round.
{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()};
{", ".join(f"{named[n]} {v}" for n, v in versions.items())}, MLflow {version(PYTHON, "mlflow")},
Waypost {version(PYTHON, "waypost")}. Whole processes, byte-compiled environments.

| measure | Waypost | target | |
|---|---|---|---|
{chr(10).join(f"| {' | '.join(row)} |" for row in targets)}

## Six steps
A chain; each step imports pandas and scikit-learn, reads a small table and writes one. The floor is six times
`python step.py`. Waypost and MLflow Projects run each step in a process of its own and log it to MLflow
(SQLite); DVC, Snakemake and Metaflow run processes without tracking, Kedro one process with neither. Waypost
begins with an empty cache: its time holds fetching the components from a git server and starting the worker.
One of these steps by itself, tracked, as `python run.py`: {one:.2f} s.

| tool | nothing cached (s) | × floor | nothing to do (s) | last step changed (s) | peak memory (MiB) |
|---|---|---|---|---|---|
{chr(10).join(rows)}

Peak memory is that of all processes of a run with nothing cached, shared pages counted once.

![six steps](results.svg)

## Fetching
A component repository with {TAGS} tags of {WEIGHT / 1e6} MB each, over git's protocol; six steps at one tag.

| tool | first step (s) | each later one (ms) | fetched in all (MB) |
|---|---|---|---|
{chr(10).join(_fetch_row(name, values) for name, values in fetch.items())}

## Starting
| command | seconds | × `python -c pass` |
|---|---|---|
{chr(10).join(f"| `{n}` | {s:.3f} | {s / start['python -c pass']:.1f} |" for n, s in start.items())}
"""


def _or_dash(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f}"


def _fetch_row(name: str, values: Mapping[str, float]) -> str:
    size = values["bytes"] / 1e6
    return f"| {name} | {values['first']:.3f} | {values['later'] * 1000:.1f} | {size:.2f} |"


def version(python: Path, package: str) -> str:
    """Returns a package's version in an environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
