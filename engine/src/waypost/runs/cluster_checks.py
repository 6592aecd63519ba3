"""What prevents a pipeline from running on a cluster: all of it, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from waypost.cluster.connection import CPU, GPU, MEMORY, Worker
from waypost.cluster.versions import listed
from waypost.contracts.pipeline import FILE, Pipeline
from waypost.contracts.plan import Plan
from waypost.errors import Finding, WaypostError, redacted
from waypost.runs.prepare import locations
from waypost.runs.spec import Document
from waypost.texts.sealed import Sealed

_STORE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class WorkerReport:
    """A worker's report on its machine (`probe.look_around`), or the `problem` if it gave none."""

    worker: str
    store: str = ""
    files: Sequence[str] = ()
    variables: Sequence[str] = ()
    problem: str = ""


def worker_report(worker: str, answer: Document | WaypostError) -> WorkerReport:
    """Returns a worker's report."""
    if isinstance(answer, WaypostError):
        return WorkerReport(worker, problem=f"{answer}; {answer.hint}" if answer.hint else str(answer))
    return WorkerReport(worker, answer["store"], tuple(answer["files"]), tuple(answer["variables"]))


def findings(
    resources: Mapping[str, Mapping[str, float]], workers: Sequence[Worker], reports: Sequence[WorkerReport]
) -> list[Finding]:
    """Returns all problems, each once with the workers that have it; `resources` are what steps need."""
    return [
        *_resources(resources, workers),
        *_silent(reports),
        *_stores(reports),
        *_files(reports),
        *_variables(reports),
    ]


def secrets_in(plan: Plan) -> Iterator[Finding]:
    """Yields the addresses that contain a secret: Dask shows a task's arguments in logs and on its
    dashboard.
    """
    for place, location in locations(plan):
        if not isinstance(location.text, Sealed) and redacted(location.text) != location.text:
            problem = (
                f"{redacted(location.text)}: a URL with a password or a token cannot be sent to a cluster"
            )
            hint = "name a variable in its place: `variables` in pipeline.yaml, ${oc.env:NAME}"
            yield Finding(place, problem, hint, "cluster-secrets")


def _resources(resources: Mapping[str, Mapping[str, float]], workers: Sequence[Worker]) -> Iterator[Finding]:
    for step, wanted in resources.items():
        if not any(worker.has(wanted) for worker in workers):
            most = {name: max((w.resources.get(name, 0) for w in workers), default=0) for name in wanted}
            hint = f"the most that any has: {amounts(most)}"
            problem = f"no worker has {amounts(wanted)}: it would wait forever"
            yield Finding(f"{FILE}: steps.{step}", problem, hint, "cluster-resources")


def _silent(reports: Sequence[WorkerReport]) -> Iterator[Finding]:
    for problem, names in _by(reports, lambda each: [each.problem] if each.problem else []).items():
        hint = "look at its log, or stop it"
        yield Finding(listed(names, len(reports)), problem, hint, "cluster-worker")


def _stores(reports: Sequence[WorkerReport]) -> Iterator[Finding]:
    for problem, names in _by(reports, lambda each: [each.store] if each.store else []).items():
        hint = "workers need a tracking server that they can reach, and their own credentials for it"
        yield Finding(_STORE, f"{listed(names, len(reports))}: {problem}", hint, "cluster-store")


def _files(reports: Sequence[WorkerReport]) -> Iterator[Finding]:
    for path, names in _by(reports, lambda each: each.files).items():
        hint = "--upload makes it available to them as an artifact of the run"
        problem = f"{path} is on this machine, but not on {listed(names, len(reports))}"
        yield Finding(FILE, problem, hint, "cluster-files")


def _variables(reports: Sequence[WorkerReport]) -> Iterator[Finding]:
    for name, names in _by(reports, lambda each: each.variables).items():
        hint = "its value is never sent: set it where the worker starts"
        problem = f"the variable {name} is not set on {listed(names, len(reports))}"
        yield Finding(f"{FILE}: variables", problem, hint, "cluster-variables")


def _by(
    reports: Iterable[WorkerReport], what: Callable[[WorkerReport], Sequence[str]]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in reports:
        for thing in what(each):
            found.setdefault(thing, []).append(each.worker)
    return found


def amounts(wanted: Mapping[str, float]) -> str:
    """Returns resources as text: `4 cores, 16000 MB, 1 GPU`."""
    nouns = {CPU: ("core", "cores"), MEMORY: ("MB", "MB"), GPU: ("GPU", "GPUs")}
    return ", ".join(
        f"{amount:g} {nouns.get(name, (name, name))[amount != 1]}" for name, amount in wanted.items()
    )


def resources_of(pipeline: Pipeline, step: str, workers: Iterable[Worker]) -> dict[str, float]:
    """Returns a step's requirements under the resource names of Dask workers. A step that declares none takes
    a core, if workers declare theirs.
    """
    asked = pipeline.steps[step].resources
    least = 1 if any(CPU in worker.resources for worker in workers) else 0
    wanted = {CPU: asked.cpus or least, MEMORY: asked.memory_mb or 0, GPU: asked.gpus or 0}
    return {name: float(amount) for name, amount in wanted.items() if amount}
