"""Fetches one component for six steps, in one process: TOOL URL TAG. Prints bytes and seconds as JSON."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

STEPS = 6


def by_mlflow(url: str, tag: str) -> Callable[[], None]:
    from mlflow.projects.utils import fetch_and_validate_project

    given = {"data": "x", "step": "1"}
    return lambda: fetch_and_validate_project(f"{url}#work", tag, "main", given)  # type: ignore[no-untyped-call]


def by_waypost(url: str, tag: str) -> Callable[[], None]:
    from waypost.pins.checkout import checkouts
    from waypost.pins.workspace import open_workspace

    folder = Path("pipeline")
    folder.mkdir()
    text = f"name: one\ncomponents: {{core: {{git: '{url}', version: =={tag.removeprefix('v')}}}}}\n"
    given = "with: {data: pipeline.yaml, step: 1}"
    (folder / "pipeline.yaml").write_text(f"{text}steps: {{one: {{uses: core/work, {given}}}}}\n")
    # Locked beforehand, with another cache, as by a colleague.
    elsewhere = {**os.environ, "WAYPOST_HOME": str(Path("elsewhere").resolve())}
    waypost = str(Path(sys.executable).with_name("waypost"))
    subprocess.run([waypost, "lock", "pipeline"], env=elsewhere, check=True, stdout=subprocess.DEVNULL)

    def fetch() -> None:
        checkouts(open_workspace(folder, lambda _: None))

    return fetch


def size_of(folder: Path) -> int:
    """Returns the bytes of git's objects below a folder: what came over the wire, and no more."""
    return sum(path.stat().st_size for path in folder.rglob("objects/**/*") if path.is_file())


if __name__ == "__main__":
    tool, url, tag = sys.argv[1:]
    action = (by_waypost if tool == "Waypost" else by_mlflow)(url, tag)
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    place = Path(os.environ["WAYPOST_HOME"]) if tool == "Waypost" else Path(tempfile.gettempdir())
    print(json.dumps({"first": seconds[0], "later": statistics.median(seconds[1:]), "bytes": size_of(place)}))
