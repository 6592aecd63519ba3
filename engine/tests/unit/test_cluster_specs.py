"""What workers of a cluster are sent, what keeps a pipeline from running there, what is said of deaths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from waypost.contracts.component import EntryPoint
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.plan import Location, Plan, PlannedStep
from waypost.errors import WaypostError
from waypost.runs.deaths import (
    Memory,
    died_here,
    is_gone,
    left_out,
    no_room,
    nobody_has_room,
    runs_again,
    too_many,
)
from waypost.runs.logs import Follower
from waypost.runs.spec import Code, Spec, decoded, encoded, spec_in
from waypost.runs.uploads import is_public
from waypost.texts.masks import Masks
from waypost.texts.sealed import Variable, opened, sealed
from waypost.tracking.leases import Heartbeat

SECRET = sealed(["https://", Variable("TOKEN"), "@host"])


def test_a_spec_survives_json() -> None:
    """What a worker reads is what the engine wrote."""
    code = Code("parts/a", "a", {"a": "0" * 40}, run_id="1", artifact="code/x.tar")
    spec = Spec(
        "train", "main", code, {"x": {"text": encoded("7")}}, "e", False, "http://s", "1", "p", "r", "k", 2
    )
    assert spec_in(json.loads(json.dumps(spec.document()))) == spec


@pytest.mark.parametrize(
    "value",
    [
        *("", "a", 1, 1.5, True, None, [1, ["a"]], {"a": {1: "b"}}),
        {"parts": ["x"], "is": "y", "items": []},
    ],
)
def test_values_arrive_as_they_were(value: object) -> None:
    """Whatever a parameter holds comes back, keys that are no texts and our own words included."""
    assert decoded(json.loads(json.dumps(encoded(value)))) == value


def test_secrets_stay_closed() -> None:
    """A variable's value is in no document; whoever has the variable opens what comes back."""
    document = json.dumps(encoded({"list": [SECRET], "plain": "x"}))
    assert "TOKEN" in document
    again = decoded(json.loads(document))
    assert opened(again, {"TOKEN": "hidden"}) == {"list": ["https://hidden@host"], "plain": "x"}
    assert "hidden" not in document


@pytest.mark.parametrize(
    ("git", "is_it"),
    [
        ("https://github.com/org/parts.git", True),
        ("git@host:org/parts.git", True),
        ("ssh://git@host/org/parts.git", True),
        ("github:org/parts", True),
        ("http://127.0.0.1:8000/parts.git", False),
        ("file:///srv/parts.git", False),
        ("../components.git", False),
        ("/srv/parts.git", False),
    ],
)
def test_addresses_that_workers_reach(git: str, is_it: bool) -> None:
    """Code is fetched from its remote where other machines reach that, and handed over where they do not."""
    assert is_public(git) == is_it


def test_deaths_in_words() -> None:
    """Which worker is gone, and where the step runs now; after four, what the usual cause is."""
    assert runs_again("train", is_gone("node7"), "node3") == (
        "train: its worker node7 is gone; it runs again on node3"
    )
    assert too_many("train", ["a", "b", "a", "c"], Memory(3900, 4000)) == (
        "four workers died while train ran (a, b, c);"
        " the usual cause is memory: limit 4000 MB, last seen 3900 MB"
    )
    assert died_here("node7").startswith("waypost: worker node7 is gone; these are the lines that it sent")
    assert too_many("train", ["", ""], Memory()) == (
        "two workers died while train ran; the usual cause is memory: no limit is set"
    )


def test_full_disks_in_words() -> None:
    """Which worker gets no more steps and why, where the step runs now, what helps if no worker is left."""
    problem = "[Errno 28] No space left on device"
    assert runs_again("train", no_room("node7", problem), "node3") == (
        "train: worker node7 has no disk space left: [Errno 28] No space left on device;"
        " it runs again on node3"
    )
    assert left_out("node7", problem).endswith("on device; it gets no more steps of this run")
    assert nobody_has_room(["a", "b"], problem) == (
        "no worker with disk space is left (a, b): [Errno 28] No space left on device;"
        " free disk space there (WAYPOST_HOME, TMPDIR)"
    )


def test_findings_of_a_cluster() -> None:
    """All that does not fit is told at once, each thing with the workers that it is about."""
    pytest.importorskip("distributed")
    from waypost.cluster.connection import Worker
    from waypost.runs.cluster_checks import WorkerReport, findings, resources_of, worker_report

    workers = [Worker(f"tcp://{n}", n, "h", 4, 0, {"CPU": 4, "MEMORY_MB": 1000}) for n in ("a", "b")]
    reports = [
        WorkerReport("a", "it asks for credentials", files=["/data/x.csv"], variables=["TOKEN"]),
        WorkerReport("b", files=["/data/x.csv"]),
        worker_report("c", WaypostError("no answer within 60 s")),
    ]
    found = findings({"train": {"GPU": 1.0, "CPU": 8.0}}, workers, reports)
    assert [str(each) for each in found] == [
        "pipeline.yaml: steps.train: no worker has 1 GPU, 8 cores: it would wait forever;"
        " the most that any has: 0 GPUs, 4 cores",
        "worker c: no answer within 60 s; look at its log, or stop it",
        "MLFLOW_TRACKING_URI: worker a: it asks for credentials;"
        " workers need a tracking server that they can reach, and their own credentials for it",
        "pipeline.yaml: /data/x.csv is on this machine, but not on workers a, b;"
        " --upload makes it available to them as an artifact of the run",
        "pipeline.yaml: variables: the variable TOKEN is not set on worker a;"
        " its value is never sent: set it where the worker starts",
    ]
    steps = "{a: {uses: c/a}, b: {uses: c/b, resources: {cpus: 2, gpus: 1}}}"
    pipeline = parse_pipeline(f"name: p\ncomponents: {{c: {{path: x}}}}\nsteps: {steps}")
    assert resources_of(pipeline, "a", workers) == {"CPU": 1.0}
    assert resources_of(pipeline, "b", workers) == {"CPU": 2.0, "GPU": 1.0}
    assert resources_of(pipeline, "a", [Worker("tcp://c", "c", "h", 1, 0)]) == {}


def test_secrets_in_addresses() -> None:
    """An address with a password or a token is refused before it stands in a task, without its secret; one
    with a variable in that place is not.
    """
    pytest.importorskip("distributed")
    from waypost.runs.cluster_checks import secrets_in

    given: dict[str, Any] = {
        "a": Location("https://me:hush@host/a.csv"),
        "b": Location("https://host/b.csv?token=hush"),
        "c": Location("https://host/c.csv?version=2"),
        "d": Location(SECRET),
    }
    step = PlannedStep("load", "c/load", EntryPoint(command=""), given, ())
    found = list(secrets_in(Plan("p", (step,))))
    assert [(each.place, each.problem.partition(": ")[0]) for each in found] == [
        ("pipeline.yaml: steps.load.with.a", "https://host/a.csv"),
        ("pipeline.yaml: steps.load.with.b", "https://host/b.csv?token=***"),
    ]
    assert "hush" not in str(found)
    assert "${oc.env:NAME}" in found[0].hint


@pytest.mark.parametrize(
    ("tags", "earlier"),
    [
        ({}, {}),
        ({"waypost.worker": "node1 a"}, {}),
        ({"waypost.worker": "node 7 b"}, {"lost": "node 7"}),
        (
            {"waypost.worker": "node7 b", "waypost.complete": "true", "waypost.output.out": "0f"},
            {"complete": {"out": "0f"}},
        ),
        (
            {"waypost.worker": "node1 a", "waypost.complete": "true", "waypost.output.out": "0f"},
            {"complete": {"out": "0f"}},
        ),
    ],
)
def test_a_run_is_executed_once(tags: dict[str, str], earlier: dict[str, object]) -> None:
    """Only who began a run executes it; where one did before, its result counts, or its worker is told."""
    pytest.importorskip("distributed")
    from waypost.runs.on_worker import earlier_in

    assert earlier_in(tags, "node1 a") == earlier


def test_signs_of_life() -> None:
    """A heartbeat that changes in time is fresh; an old one, or none at all, only for a limited time."""
    heartbeat = Heartbeat(100.0)
    assert heartbeat.is_fresh({}, 0.0)
    assert heartbeat.is_fresh({}, 99.0)
    assert not heartbeat.is_fresh({}, 101.0)
    assert heartbeat.is_fresh({"waypost.seen": "1"}, 102.0)
    assert not heartbeat.is_fresh({"waypost.seen": "1"}, 203.0)


def test_lines_of_a_log_are_bounded(tmp_path: Path) -> None:
    """Of a log, whole lines are told: the last twenty of many, each cut, secrets by their names."""
    log = tmp_path / "x.log"
    follower = Follower(log, Masks({"TOKEN": "hidden"}))
    assert follower.news() == []
    log.write_text("one hidden\ntw")
    assert follower.news() == ["one ${oc.env:TOKEN}"]
    log.write_text("one hidden\ntwo\n" + "".join(f"{n}\n" for n in range(100)) + "x" * 1000 + "\n")
    news = follower.news()
    assert news[:2] == ["81", "82"]
    assert news[-1] == "x" * 500
    assert follower.news() == []
