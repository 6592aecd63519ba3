"""`make bench-cluster`: a table scored by two workers against one, and what a death and a straggler change.

Two Dask clusters on this machine, of one worker and of two, each worker with a thread and a store of its own.
They score the same table in turn, so that a slow minute meets both. Then a worker of the second one is killed
with -9 in the middle, another joins, and the one that is left is stopped. Each result is compared with that of
`waypost score` without a cluster, byte by byte: it fails (exit code 1) where one differs. It takes some seven
minutes with ten million rows; `--rows` says otherwise. `--form csv` scores a CSV, of which texts are quoted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier
from tests import models
from tests.clusters import Machines, machines, options, wait_for

from waypost.cluster.connection import connected

TREES, LEAST = 40, 1.7
_DIFFERENT, _GROUP = 100_000, 250_000
_SCORE = [sys.executable, "-m", "waypost", "score"]
_SECONDS = 600.0


def make(place: Path, rows: int, form: str) -> Path:
    """Writes PLACE/model and a table of so many rows, of which each stands there several times; returns it."""
    learned = models.frame(4_000)
    forest = RandomForestClassifier(TREES, random_state=0, n_jobs=1)
    model = models.full_pipeline(forest=forest).fit(learned, models.labels(learned))
    models.save(model, learned, place / "model")
    table = pa.Table.from_pandas(models.frame(min(rows, _DIFFERENT), 1), preserve_index=False)
    file = place / f"table.{form}"
    with (
        pa.csv.CSVWriter(file, table.schema) if form == "csv" else pq.ParquetWriter(file, table.schema) as out
    ):
        for start in range(0, rows, _GROUP):
            wanted = min(_GROUP, rows - start)
            tables = [table.slice(0, min(len(table), wanted - at)) for at in range(0, wanted, len(table))]
            out.write_table(pa.concat_tables(tables), _GROUP)
    return file


def start_workers(found: Machines, count: int) -> None:
    """Starts so many workers of a thread each, and waits until they are there."""
    for number in range(count):
        found.start_worker(f"node{number + 1}")
    with connected(found.address, found.tls) as there:
        wait_for(there, count)


def content(folder: Path) -> dict[str, str]:
    """Returns the digests of a result's files, by their names."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def start(table: Path, cluster: Machines | None = None) -> subprocess.Popen[bytes]:
    """Starts `waypost score` of a table to a folder `out` beside it, here or on a cluster."""
    place = table.parent
    on = ["--on", cluster.address, *options(cluster.tls)] if cluster else []
    shutil.rmtree(place / "out", ignore_errors=True)
    with (place / "score.log").open("ab") as log:
        command = [*_SCORE, str(place / "model"), str(table), str(place / "out")]
        return subprocess.Popen([*command, "--no-track", *on], stdout=log, stderr=log, env=dict(os.environ))


def ended(place: Path, process: subprocess.Popen[bytes]) -> None:
    """Waits until it has ended; exits with what it said where that is an error."""
    if process.wait(_SECONDS):
        sys.exit((place / "score.log").read_text()[-3000:])


def timed(table: Path, cluster: Machines | None = None) -> float:
    """Returns the seconds of a whole command."""
    began = time.monotonic()
    ended(table.parent, start(table, cluster))
    return time.monotonic() - began


def disturbed(table: Path, cluster: Machines, parts: int) -> float:
    """Returns the seconds where one worker dies after a quarter, another comes, and a third one stops."""
    place = table.parent

    def wait(count: int) -> None:
        while len(list((place / "out").glob("part-*"))) < count and process.poll() is None:
            time.sleep(0.05)

    began = time.monotonic()
    process = start(table, cluster)
    wait(parts // 4)
    cluster.kill("node1")
    cluster.start_worker("node3")
    wait(parts // 2)
    cluster.kill("node2", signal.SIGSTOP)
    ended(place, process)
    return time.monotonic() - began


def measure(table: Path, rows: int, rounds: int, one: Machines, two: Machines) -> bool:
    """Prints what is found; tells whether all results are equal."""
    place = table.parent
    for cluster in (one, two):
        timed(table, cluster)  # each worker has the model then
    here = timed(table)
    expected = content(place / "out")
    found: dict[str, list[float]] = {"one": [], "two": []}
    are_equal = True
    for number in range(rounds):
        for name, cluster in (("one", one), ("two", two)):
            found[name].append(timed(table, cluster))
            are_equal &= content(place / "out") == expected
        last = {name: seconds[-1] for name, seconds in found.items()}
        print(f"round {number + 1}: {last['one']:.1f} s, {last['two']:.1f} s", flush=True)
    parts = sum(name.startswith("part-") for name in expected)
    worst = disturbed(table, two, parts)
    are_equal &= content(place / "out") == expected
    middle = {name: statistics.median(seconds) for name, seconds in found.items()}
    ratio = middle["one"] / middle["two"]
    print(f"""
{rows:,} rows of {table.suffix[1:]}, {TREES} trees, {parts} parts; {os.cpu_count()} cores; medians of {rounds} rounds

| | seconds | rows a second |
|---|---:|---:|
| one worker | {middle["one"]:.1f} | {rows / middle["one"]:,.0f} |
| two workers | {middle["two"]:.1f} | {rows / middle["two"]:,.0f} |
| two, of which one dies and one stops | {worst:.1f} | {rows / worst:,.0f} |
| no cluster | {here:.1f} | {rows / here:,.0f} |

two workers are {ratio:.2f} × as quick as one (≥ {LEAST:g}: {"met" if ratio >= LEAST else "missed"});
all results are {"equal, byte by byte" if are_equal else "NOT equal"}""")
    return are_equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--form", choices=["parquet", "csv"], default="parquet")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        os.environ["WAYPOST_HOME"] = str(place / "store")
        table = make(place, given.rows, given.form)
        one, two = (stack.enter_context(machines(place / name, tls=True)) for name in ("one", "two"))
        start_workers(one, 1)
        start_workers(two, 2)
        return 0 if measure(table, given.rows, given.rounds, one, two) else 1


if __name__ == "__main__":
    sys.exit(main())
