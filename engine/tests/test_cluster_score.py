"""`waypost score --on`: a cluster writes what one machine would have written, to the last byte."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from tests import models
from tests.clusters import Machines, fill, machines, small_disk, wait_for
from tests.conftest import Call
from waypost.cluster.connection import connected

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("cluster")]
SCORE = [sys.executable, "-m", "waypost", "score"]
ROWS = 60_000


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = models.frame()
    model = models.full_pipeline(forest=RandomForestClassifier(20, random_state=0))
    model.fit(table, models.labels(table))
    return models.save(model, table, tmp_path_factory.mktemp("model") / "grades")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = pd.concat([models.frame(10_000, seed) for seed in range(ROWS // 10_000)], ignore_index=True)
    rows.insert(0, "id", [f"id {i}" for i in range(len(rows))])
    place = tmp_path_factory.mktemp("table") / "big.parquet"
    rows.to_parquet(place, row_group_size=9000)
    return place


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of this machine, which a worker on it shares."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Iterator[Machines]:
    """A scheduler and two workers, with TLS and client certificates throughout."""
    with machines(tmp_path_factory.mktemp("cluster"), tls=True) as found:
        found.start_worker("one")  # its own store: it compiles the model, too
        found.start_worker("two", WAYPOST_HOME=str(store))
        with connected(found.address, found.tls) as client:
            wait_for(client, 2)
        yield found


def content(folder: Path) -> dict[str, str]:
    """Returns the digests of a result's files, by their names."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def on(cluster: Machines, store: Path, monkeypatch: pytest.MonkeyPatch, workplace: Path) -> list[str]:
    """The options for the cluster; certificates are those of Dask's variables."""
    tls = cluster.tls
    monkeypatch.setenv("WAYPOST_HOME", str(store))
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", str(tls.ca))
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT", str(tls.cert))
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY", str(tls.key))
    return ["--no-track", "--on", cluster.address]


def test_a_worker_is_killed_and_another_one_stops(
    saved: Path, table: Path, cluster: Machines, store: Path, on: list[str], workplace: Path, call: Call
) -> None:
    """kill -9 of a worker with its nanny in the middle, another one stopped (SIGSTOP): the work of both is
    done elsewhere, and every file is byte by byte that of one machine; nothing else is left. A second time
    there is nothing to do.
    """
    options = ["--id", "id", "--part-rows", "2000"]
    whole = call(*SCORE, saved, table, "whole", *options, "--no-track")
    assert whole.returncode == 0, whole.stderr
    command = [str(word) for word in (*SCORE, saved, table, "out", *options, *on)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list((workplace / "out").glob("part-*")) and time.monotonic() < until:
        time.sleep(0.02)
    cluster.kill("two")
    cluster.start_worker("three", WAYPOST_HOME=str(store))
    cluster.kill("one", signal.SIGSTOP)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert not list((workplace / "out").glob("_work*"))
    assert content(workplace / "out") == content(workplace / "whole")
    assert "worker two is gone; its unfinished parts are scored again" in errors
    assert "worker one is slow with parts" in errors
    cluster.kill("one", signal.SIGCONT)
    time.sleep(1)  # what it had in hand comes too late, and shows nothing
    assert content(workplace / "out") == content(workplace / "whole")
    again = call(*SCORE, saved, table, "out", *options, *on)
    assert again.returncode == 0, again.stderr
    assert "current" in again.stderr


def test_texts_are_read_here_and_answered_there(
    saved: Path, cluster: Machines, on: list[str], workplace: Path, call: Call
) -> None:
    """A CSV has rows that cannot be answered and a line that is no row: the same errors, by the same names.
    What was begun on one machine is gone on with on a cluster. A row that fails is named as here.
    """
    rows = models.frame(6000, 5).replace({"city": {"": None}})  # type: ignore[arg-type]
    rows.loc[[700, 3333], "amount"] = 1e300
    text = rows.to_csv(index=False).splitlines()
    text.insert(1500, "1,2")
    (workplace / "t.csv").write_text("\n".join(text) + "\n")
    options = ["--part-rows", "500", "--on-error", "skip"]
    whole = call(*SCORE, saved, "t.csv", "whole", *options, "--no-track")
    assert whole.returncode == 0, whole.stderr
    result = call(*SCORE, saved, "t.csv", "out", *options, *on)
    assert result.returncode == 0, result.stderr
    assert content(workplace / "out") == content(workplace / "whole")
    assert json.loads((workplace / "out" / "_manifest.json").read_text())["skipped"] == 3
    failed = call(*SCORE, saved, "t.csv", "failed", *on)
    assert failed.returncode == 1
    assert "t.csv: " in failed.stderr
    assert not (workplace / "failed").exists() or not list((workplace / "failed").iterdir())


@pytest.mark.long
def test_workers_read_their_ranges_of_a_csv(
    saved: Path, cluster: Machines, on: list[str], workplace: Path, call: Call
) -> None:
    """A CSV with line breaks in quotes, a byte order mark, CRLF and no line break at its end is cut: the
    result is that of one machine. A value that is wrong is named as here; what cannot be cut is read here.
    """
    rows = models.frame(12_000, 5)
    rows.insert(0, "id", [f'say "{i}"\nagain' for i in range(len(rows))])
    text = rows.to_csv(index=False, lineterminator="\r\n").rstrip()
    (workplace / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (workplace / "odd.csv").write_text(text.replace('"say ""7""\nagain"', 'say "7"', 1), newline="")
    wrong = text.splitlines(keepends=True)
    place = next(i for i, line in enumerate(wrong) if line.startswith("again") and i > 9000)
    wrong[place] = wrong[place].replace(",", ",x", 1)
    (workplace / "wrong.csv").write_text("".join(wrong), newline="")
    options = ["--part-rows", "500", "--id", "id"]
    for name in ("t.csv", "odd.csv"):
        whole = call(*SCORE, saved, name, f"whole-{name}", *options, "--no-track")
        assert whole.returncode == 0, whole.stderr
        result = call(*SCORE, saved, name, f"out-{name}", *options, *on)
        assert result.returncode == 0, result.stderr
        assert content(workplace / f"out-{name}") == content(workplace / f"whole-{name}")
    here = call(*SCORE, saved, "wrong.csv", "wrong", *options, "--no-track")
    there = call(*SCORE, saved, "wrong.csv", "wrong-there", *options, *on)
    assert (here.returncode, there.returncode) == (1, 1)
    assert "row " in here.stderr
    assert there.stderr.splitlines()[-1] == here.stderr.splitlines()[-1]


def test_what_workers_cannot_read_is_told_first(
    saved: Path, table: Path, cluster: Machines, on: list[str], workplace: Path, call: Call
) -> None:
    """An input, an output or a model that workers do not see, or another file by that name, is one finding
    for all of them; nothing is scored. `/proc/self/cwd` is another folder for each process.
    """
    (workplace / "t.parquet").write_bytes(table.read_bytes())
    shutil.copytree(saved, workplace / "model")
    hidden = "/proc/self/cwd"
    for model, source, output, problem in (
        (saved, f"{hidden}/t.parquet", "out", f"{hidden}/t.parquet: cannot be read"),
        (saved, table, f"{hidden}/out", "not the client's output folder"),
        (f"{hidden}/model", table, "out", "no MLflow model here"),
    ):
        result = call(*SCORE, model, source, output, *on)
        assert result.returncode == 1, result.stderr
        assert re.search(r"✗ all \d workers", result.stderr)
        assert "1 problem found, nothing was scored" in result.stderr
        assert problem in result.stderr
        assert not list((workplace / "out").glob("*part*"))
    (cluster.folder / "t.parquet").write_bytes(table.read_bytes()[:-1] + b"x")
    result = call(*SCORE, saved, f"{hidden}/t.parquet", "out", *on)
    assert "t.parquet: differs from the client's file" in result.stderr


@pytest.mark.long
def test_a_worker_with_a_full_disk(
    saved: Path,
    table: Path,
    cluster: Machines,
    on: list[str],
    workplace: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is scored, it is named, with the system's words and a hint. On this machine, a full
    disk gets the same words. Without that worker, the same command scores the table.
    """
    with small_disk(workplace / "disk") as disk, connected(cluster.address, cluster.tls) as there:
        before = len(there.workers())
        cluster.start_worker("small", WAYPOST_HOME=str(disk), TMPDIR=str(disk))
        wait_for(there, before + 1)
        fill(disk)
        result = call(*SCORE, saved, table, "out", *on)
        assert result.returncode == 1
        assert "✗ worker small" in result.stderr
        assert "[Errno 28] No space left on device" in result.stderr
        assert "→ make room, or name another folder: WAYPOST_HOME" in result.stderr
        assert "1 problem found, nothing was scored" in result.stderr
        with monkeypatch.context() as patch:
            patch.setenv("WAYPOST_HOME", str(disk))
            here = call(*SCORE, saved, table, "here", "--no-track")
        assert here.returncode == 1
        assert "No space left on device" in here.stderr
        assert "Traceback" not in result.stderr + here.stderr
        cluster.kill("small")
        wait_for(there, before)
    again = call(*SCORE, saved, table, "out", *on)
    assert again.returncode == 0, again.stderr


def test_what_does_not_go_to_a_cluster(
    saved: Path, table: Path, cluster: Machines, on: list[str], workplace: Path, call: Call
) -> None:
    """--threads is the workers' business; a URL with a secret would be seen by whoever has the workers."""
    refused = call(*SCORE, saved, table, "out", "--threads", "2", *on)
    assert refused.returncode == 2
    assert "--threads: with --on" in refused.stderr
    secret = call(*SCORE, saved, "https://me:secret@example.org/t.parquet", "out", *on)
    assert secret.returncode == 2
    assert "cannot be sent to a cluster" in secret.stderr
    assert "me:secret" not in secret.stderr
