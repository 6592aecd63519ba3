"""The promotion of the reference pipelines' models, by phases, next to a scoring of the same table by MLflow.

    python -m benchmarks.promotion [--rounds 3]

Runs both pipelines (loans: forest, boosting), then promotes their models: `waypost promote` as a whole, first
with a model that was never compiled, then once more. A further process compiles and proves by phases. Medians
of the rounds; writes its part of RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import PYTHON, say
from benchmarks.page import replace

ROOT = Path(__file__).parents[2]
_PIPELINES = {"forest": ["pipeline"], "boosting": ["pipeline/boosting", "--dev"]}
_ROWS = 5000
_TOLD = """The models of the reference pipelines (loans) are promoted: `python -m benchmarks.promotion`. The target
of loading, compiling and proving is 5 s beyond reading the table; a model is compiled once."""

Seconds = tuple[float, float]
"""Of processor time, of the clock."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    lines = ["| model | what | processor time | on the clock |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        for kind, pipeline in _PIPELINES.items():
            say(f"running the pipeline with the {kind}")
            given = promotable(place / kind, pipeline)
            found: dict[str, list[Seconds]] = {}
            for number in range(rounds):
                say(f"{kind}: round {number + 1}")
                for what, one in measured(place / kind, given, number):
                    found.setdefault(what, []).append(one)
            for what, several in found.items():
                spent, passed = (statistics.median(values) for values in zip(*several, strict=True))
                lines.append(f"| {kind} | {what} | {spent:.2f} s | {passed:.2f} s |")
    text = "\n".join(("## Promotion", "", _TOLD, "", *lines))
    replace("promotion", text)
    print(text)


def promotable(place: Path, pipeline: list[str]) -> dict[str, str]:
    """Returns the run of a pipeline, its model's folder and the table that the model was evaluated on."""
    place.mkdir()
    ran = ours(place, ["run", str(ROOT / pipeline[0]), *pipeline[1:], "--json"])
    run = str(json.loads(ran.stdout)["run_id"])
    model = next(place.glob("mlruns/*/models/*/artifacts/MLmodel")).parent
    table = next(place.glob("mlruns/*/*/artifacts/test.parquet"))
    return {"run": run, "model": str(model), "table": str(table)}


def measured(place: Path, given: dict[str, str], number: int) -> Iterator[tuple[str, Seconds]]:
    """Yields what was measured in a round, with its seconds."""
    home = f"home-{number}"
    for what, name in (("waypost promote", "first"), ("waypost promote, compiled before", "second")):
        command = ["promote", given["run"], "--name", f"{name}-{number}"]
        yield what, spent_by(lambda: ours(place, command, home))  # noqa: B023 (called at once)
    phases = [str(PYTHON), "-m", "benchmarks.promotion_phases", given["model"], given["table"], str(_ROWS)]
    told = subprocess.run(phases, check=True, cwd=ROOT / "engine", capture_output=True, text=True)
    yield from ((what, (spent, passed)) for what, spent, passed in json.loads(told.stdout))


def ours(place: Path, arguments: list[str], home: str = "home") -> Any:
    variables = {**os.environ, "WAYPOST_HOME": str(place / home)}
    command = [str(PYTHON), "-m", "waypost", *arguments]
    return subprocess.run(command, check=True, cwd=place, env=variables, capture_output=True, text=True)


def spent_by(call: Callable[[], object]) -> Seconds:
    """Returns the seconds of a call, those of the processes that it starts included."""
    began, clock = sum(os.times()[:4]), time.perf_counter()
    call()
    return sum(os.times()[:4]) - began, time.perf_counter() - clock


if __name__ == "__main__":
    main()
