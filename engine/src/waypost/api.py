"""Waypost from Python: what notebooks and scripts call. The command line says the same in other words."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import waypost
from waypost import extras
from waypost.commands.request import RunRequest
from waypost.commands.running import open_request, run_opened
from waypost.contracts.lock import Lock
from waypost.contracts.plan import Plan
from waypost.contracts.target import parse_target
from waypost.errors import Finding, UsageError, WaypostError, did_you_mean
from waypost.pages.run_page import run_page
from waypost.pins import locking
from waypost.pins.verdict import UNREACHABLE
from waypost.pins.verify import verify as look
from waypost.pins.workspace import open_workspace
from waypost.report import runs as report
from waypost.report.console import python_console
from waypost.runs.events import Reporter, RunResult
from waypost.system.scratch import scratch
from waypost.tracking.connection import client, tracking_errors
from waypost.tracking.local import tracking_uri
from waypost.tracking.report_facts import report_of
from waypost.tracking.runs import output_of


class RunFailedError(WaypostError):
    """A step failed. `result` tells the whole run."""

    exit_code = 1

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Step:
    """A step of a run: `state` is done, reused, failed, killed or skipped, `because` says why it ran or did
    not; `run_id` is the MLflow run that has its result, empty where there is none; `warnings` are what its
    component tells of it.
    """

    name: str
    state: str
    run_id: str
    seconds: float
    because: str
    metrics: Mapping[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A pipeline run that ended: its MLflow run, and whether it ran just now or `was_there` already.

    `metrics` are those that contracts declare, as STEP/NAME.
    """

    run_id: str
    status: str
    was_there: bool
    steps: Mapping[str, Step]
    metrics: Mapping[str, float]
    warnings: tuple[str, ...]
    _artifacts: Mapping[str, tuple[str, str]] = field(repr=False)
    _models: tuple[str, ...] = field(repr=False)
    _tracking_uri: str = field(repr=False)  # it may hold a password

    @property
    def outputs(self) -> dict[str, str]:
        """Where the declared outputs are for MLflow, as runs:/ID/PATH, by STEP.OUTPUT."""
        return {name: f"runs:/{run_id}/{path}" for name, (run_id, path) in self._artifacts.items()}

    @property
    def report(self) -> str:
        """The page of the run, as one HTML text that needs nothing but itself."""
        with tracking_errors():
            return run_page(report_of(self.run_id, uri=self._tracking_uri))

    @property
    def model(self) -> Any:
        """The model that the run made, as `waypost.load_model` returns it.

        Raises UsageError where it made none or several, MissingExtraError.
        """
        if len(self._models) != 1:
            found = ", ".join(self._models) or "none"
            raise UsageError(f"{len(self._models)} models: {found}", hint="name one: waypost.load_model(…)")
        return waypost.load_model(self._models[0])

    def frame(self, output: str) -> Any:
        """Returns an output that is a table as a pandas DataFrame; its name alone is enough where no other
        step has one of that name. Raises UsageError, WaypostError.
        """
        extras.require("serve", "result.frame")
        import pandas as pd

        named = [name for name in self._artifacts if name.partition(".")[2] == output]
        path = self.path(named[0] if len(named) == 1 else output)
        readers: dict[str, Callable[[Path], Any]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
        if path.suffix not in readers:
            raise UsageError(f"{output}: {path.name} is no table in Parquet or CSV", hint="result.path(…)")
        return readers[path.suffix](path)

    def _repr_html_(self) -> str:
        """The report within the notebook: in a frame of its own, which may ask nobody."""
        try:
            page = self.report
        except WaypostError as error:
            return f"<pre>{html.escape(str(error))}</pre>"
        return (
            f'<iframe title="Report of run {self.run_id}" sandbox="allow-scripts" width="100%" height="640"'
            f' srcdoc="{html.escape(page)}"></iframe>'
        )

    def path(self, output: str) -> Path:
        """Returns a file or folder with an output, STEP.OUTPUT, on this machine; fetched where it is not.

        Raises UsageError for an output that the run does not have, WaypostError where it is gone.
        """
        if output not in self._artifacts:
            raise UsageError(f"no output {output!r}", hint=did_you_mean(output, self._artifacts))
        with tracking_errors():
            found = output_of(client(self._tracking_uri), *self._artifacts[output])
        if found is None:
            raise WaypostError(f"{self.outputs[output]} is gone", hint="run the pipeline again")
        return found


def run(
    pipeline: str | Path = ".",
    parameters: Mapping[str, Any] | None = None,
    *,
    params: Iterable[str | Path] = (),
    steps: Iterable[str] = (),
    force: Iterable[str] = (),
    cache: bool = True,
    env: str = "uv",
    jobs: int | None = None,
    dev: bool = False,
    offline: bool = False,
    quiet: bool = False,
) -> Result:
    """Runs a pipeline and returns its result; what is current already is not executed again.

    Args: `pipeline` is a folder, a bundle, or a release as URL[#FOLDER]@VERSION; `parameters` override those
    of params.yaml, by their dotted names; `params` are files with more of them. The others are the options
    of `waypost run`. Progress goes to stdout, unless `quiet`.

    Raises RunFailedError where a step fails, FindingsError with all that is wrong before step 1, and
    WaypostError.
    """
    folder = Path(pipeline)
    request = RunRequest(
        folder,
        None if folder.exists() else parse_target(str(pipeline), str(Path.cwd())),
        files=tuple(map(Path, params)),
        changes=tuple(f"{name}={_text(value)}" for name, value in (parameters or {}).items()),
        env=env,
        jobs=jobs,
        steps=",".join(steps),
        force=",".join(force),
        no_cache=not cache,
        dev=dev,
        offline=offline,
    )
    reporter = Reporter() if quiet else report.reporter_for(python_console())
    with scratch() as temp:
        opened = open_request(request, reporter, temp)
        result = _result(run_opened(opened, reporter), opened.prepared.plan)
    if result.status != "FINISHED":
        failed = [step.name for step in result.steps.values() if step.state == "failed"]
        raise RunFailedError(f"run {result.run_id} is {result.status}: {', '.join(failed)}", result)
    return result


def lock(pipeline: str | Path = ".") -> Lock:
    """Resolves what pipeline.yaml asks for into components.lock.json, as `waypost lock` does; returns it.

    Raises FindingsError with everything that keeps it from being made, RemoteError.
    """
    return locking.relock(open_workspace(Path(pipeline), Reporter().say))[0]


def verify(pipeline: str | Path = ".", *, offline: bool = False) -> list[Finding]:
    """Returns all that is not what the lock says, as `waypost verify` lists it, and what could not be looked
    at, with the category "unreachable"; empty where everything was looked at and is as locked.
    """
    verdict = look(open_workspace(Path(pipeline), Reporter().say, offline=offline))
    unseen = "it was not looked at, since the cache does not have it"
    return [*verdict.findings, *(Finding(uses, unseen, "", UNREACHABLE) for uses in verdict.unchecked)]


def _text(value: Any) -> str:
    """Returns a value as an override has it: NumPy's numbers and arrays as such, paths as texts."""

    def plain(other: Any) -> Any:
        if isinstance(other, Path):
            return str(other)
        if hasattr(other, "tolist"):
            return other.tolist()
        raise UsageError(f"a parameter cannot be {other!r}: give a number, a text, a list or a mapping")

    return json.dumps(value, ensure_ascii=False, default=plain)


def _result(ended: RunResult, plan: Plan) -> Result:
    """Returns the public result of a run."""
    steps = {
        step.name: Step(
            step.name,
            step.state,
            step.run_id,
            step.seconds,
            step.because,
            dict(step.metrics),
            tuple(step.warnings),
        )
        for step in ended.steps
    }
    artifacts = {
        f"{step.name}.{name}": (steps[step.name].run_id, output.path)
        for step in plan.steps
        if step.name in steps and steps[step.name].state in ("done", "reused")
        for name, output in step.entry_point.outputs.items()
    }
    metrics = {
        f"{step.name}/{name}": value for step in steps.values() for name, value in step.metrics.items()
    }
    models = tuple(f"runs:/{step.run_id}/{path}" for step in ended.steps for path in step.models)
    return Result(
        ended.run_id,
        ended.status,
        ended.current,
        steps,
        metrics,
        ended.warnings,
        artifacts,
        models,
        tracking_uri(),
    )
