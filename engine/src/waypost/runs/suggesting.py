"""A first set of rules for a table, made by the pinned component that checks tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waypost.errors import WaypostError
from waypost.pins.workspace import Workspace
from waypost.runs import runner
from waypost.runs.events import Reporter
from waypost.runs.preflight import Options
from waypost.runs.single import component_that_takes, one_step
from waypost.sources.files import read_text
from waypost.tracking.connection import client, tracking_errors
from waypost.tracking.local import tracking_uri
from waypost.tracking.runs import output_of

_TAKEN = {"data": "path", "suggest": "bool"}
SUGGESTED = "suggested.yaml"
"""The artifact logged by a component with a parameter `suggest`."""


@dataclass(frozen=True)
class Request:
    """The table to write rules for, and the component (empty: the one that takes `data` and `suggest`)."""

    table: Path
    env: str
    component: str = ""
    dev: bool = False


def suggested(request: Request, workspace: Workspace, temp: Path, reporter: Reporter) -> str:
    """Returns rules that a table satisfies, as YAML, made in a run of one step.

    Raises UsageError if the pipeline uses no such component, WaypostError if it failed.
    """
    uses, code = component_that_takes(_TAKEN, workspace, request.component, dev=request.dev)
    arguments = {"data": str(request.table.resolve()), "suggest": True}
    name = f"{workspace.pipeline.name}-checks"
    prepared = one_step(temp, name, "suggest", uses, code, arguments)
    result = runner.run(prepared, Options(env=request.env), reporter)
    step = result.steps[0]
    if result.status != "FINISHED":
        raise WaypostError(f"{uses} suggested no rules: run {result.run_id} is {result.status}")
    with tracking_errors():
        found = output_of(client(tracking_uri()), step.run_id, SUGGESTED)
    if found is None:
        raise WaypostError(f"{uses}: run {step.run_id} has no artifact {SUGGESTED}")
    return read_text(found)
