"""What a worker keeps between the tasks of a scoring, and between scorings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from waypost.batch import on_worker
from waypost.batch.cluster_job import ScoringJob, Task, WantedModel, job_file, types_text
from waypost.batch.fingerprint import ScoringOptions
from waypost.batch.on_worker import Scorer
from waypost.batch.sink import Sink
from waypost.errors import WaypostError

MODEL = WantedModel(uri="m", label="m", digest="d", is_trusted=False, environment="", is_compiled=True)
JOB = ScoringJob(
    model=MODEL,
    options=ScoringOptions(),
    versions={},
    source="x.csv",
    files=[],
    carried=[],
    kept=types_text({}),
)


def task(output: Path) -> Task:
    """Returns the task of a client that scores the same table into an output."""
    sink = Sink(str(output))
    place = sink.new_work()
    sink.put(job_file(place), JOB.content())
    digest = hashlib.sha256(JOB.content()).hexdigest()
    return Task(output=sink.address, place=place, job_digest=digest)


def test_one_table_for_several_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is loaded once; each scoring writes to its own output, and to no earlier one, also where two
    of them take turns. An output that this worker does not see is told.
    """
    made: list[Any] = []

    def make(asked: Task) -> Scorer:
        made.append(asked)
        return Scorer(JOB, Sink(asked.output), None)  # type: ignore[arg-type]

    monkeypatch.setattr(on_worker, "_made", make)
    monkeypatch.setattr(on_worker, "_KEPT", type(on_worker._KEPT)())
    first, second = task(tmp_path / "first"), task(tmp_path / "second")
    for asked in (first, second, second, first):
        assert on_worker._scorer(asked).sink.address == asked.output
    assert len(made) == 1
    with pytest.raises(WaypostError, match="not the client's output folder"):
        on_worker._scorer(first.model_copy(update={"output": str(tmp_path / "elsewhere")}))
    assert on_worker._scorer(second).sink.address == second.output


def test_two_clients_that_score_the_same_table(tmp_path: Path) -> None:
    """Tasks of the same parts have keys of their own: Dask would take them for one, and answer one client. Of
    one client each attempt has its own, and no key names a folder of the machine.
    """
    outputs = (tmp_path / "first", tmp_path / "second", tmp_path / "second")
    parts = [task(output).model_copy(update={"parts": [0, 1]}) for output in outputs]
    again = parts[0].model_copy(update={"attempt": 2})
    names = [each.name for each in (*parts, again)]
    assert len({*names}) == 4
    assert all("/" not in name for name in names)
