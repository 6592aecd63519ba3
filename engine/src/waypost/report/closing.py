"""The last lines of a run: what came out, and where to look. Imported by a run with nothing to do."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import click

from waypost.compat.mlflow_pages import run_address
from waypost.errors import redacted
from waypost.pins.last_look import Look
from waypost.report.figures import figure
from waypost.runs.events import RunResult
from waypost.texts.escaping import terminal_text
from waypost.texts.json_text import writable
from waypost.texts.limits import shortened

_MOST_LISTED = 10
LONGEST_DIFFERENCE = 160  # characters of a parameter's two values
_LONGEST = 400  # characters of a warning
_UI = "http://127.0.0.1:5000"  # where `mlflow ui` answers


def show_current(result: RunResult, stream: IO[str], look: Look | None = None) -> None:
    """Prints that there was nothing to do, the run that has everything, and what the remotes last said."""
    count = len(result.steps)
    steps = "1 step" if count == 1 else f"{count} steps"
    word = click.style("is current", fg="green", bold=True)
    name = terminal_text(result.name)
    click.echo(f"{name} {word}: {steps}, nothing to do, run {result.run_id}", file=stream)
    for text in closing_lines(result):
        click.echo(terminal_text(text), file=stream)
    for text in look.lines(time.time()) if look else ():
        click.echo(terminal_text(f"  {text}"), file=stream)


def write_result(result: RunResult) -> None:
    """Writes how a run ended as JSON to stdout."""
    json.dump(writable(asdict(result)), sys.stdout, indent=2, allow_nan=False)
    print()


def closing_lines(result: RunResult) -> list[str]:
    """Returns the metrics of the last step, and the commands to look at a run and to serve its model."""
    lines = []
    last = next((step for step in reversed(result.steps) if step.metrics), None)
    if result.status == "FINISHED" and last:
        shown = "  ".join(f"{k} {figure(v)}" for k, v in list(last.metrics.items())[:4])
        lines.append(f"  {last.name}: {shown}")
    lines += _warning_lines(result)
    if _is_temporary(result.tracking_uri):
        return lines  # there is nothing to look at afterwards
    lines += _origin_lines(result)
    if activate := _activation():
        lines.append(f"  for the commands below: {activate}")
    if result.report:
        lines.append(f"  report: {_near(result.report)}")
    lines.append(f"  look at it: {_place(result)}")
    models = [(step.run_id, path) for step in result.steps for path in step.models if step.run_id]
    if result.status == "FINISHED" and models:
        model = "runs:/{}/{}".format(*models[-1])
        stock = f"mlflow models serve --env-manager local -m {model}"
        lines.append(f"  serve it: waypost serve {model}    (stock: {stock})")
        lines.append(f"  promote it: waypost promote {result.run_id} --name {result.name}")
    return lines


def _is_temporary(uri: str) -> bool:
    """Tells whether a tracking store lies in a temporary folder, which goes with the command."""
    if "/waypost-" not in uri:
        return False
    from waypost.system.scratch import is_in_scratch  # most runs need it not

    return is_in_scratch(uri)


def _warning_lines(result: RunResult) -> list[str]:
    """Returns what the components tell of their results, step by step."""
    lines = [
        f"  warning: {step.name}: {shortened(text, _LONGEST)}"
        for step in result.steps
        for text in step.warnings
    ]
    more = len(lines) - _MOST_LISTED
    return [
        *lines[:_MOST_LISTED],
        *([f"  … and {more} more warnings, in the runs of the steps"] if more > 0 else []),
    ]


def _origin_lines(result: RunResult) -> list[str]:
    """Returns what was not as the pipeline's repository has it, and the command that makes it again."""
    told = (shortened(text, LONGEST_DIFFERENCE) for text in result.differing[:_MOST_LISTED])
    lines = [f"  differs from params.yaml: {text}" for text in told]
    if len(result.differing) > _MOST_LISTED:
        lines.append(f"  … and {len(result.differing) - _MOST_LISTED} more")
    if result.dirty:
        more = f" and {len(result.dirty) - _MOST_LISTED} more" if len(result.dirty) > _MOST_LISTED else ""
        files = ", ".join(result.dirty[:_MOST_LISTED])
        lines.append(f"  not committed, kept with the run: {files}{more}")
    if lines and result.status == "FINISHED":
        lines.append(f"  reproduce it: waypost reproduce runs:/{result.run_id}")
    return lines


def _activation() -> str:
    """Returns the command that puts the engine's environment on the PATH, empty where it is there."""
    here = Path(sys.prefix, "bin")
    found = shutil.which("mlflow")
    on_path = found is not None and Path(found).parent.resolve() == here.resolve()
    return "" if on_path else f"source {os.path.relpath(here / 'activate')}"


def _near(place: str) -> str:
    """Returns a path as seen from here, where it is below; an address as it is."""
    return place.removeprefix(f"{Path.cwd()}/")


def _place(result: RunResult) -> str:
    """Returns the page of a run where a server shows it, else the command that does."""
    uri, page = redacted(result.tracking_uri), run_address(result.experiment_id, result.run_id)
    if uri.startswith(("http://", "https://")):
        return f"{uri.rstrip('/')}/{page}" if page else uri.rstrip("/")
    path = uri.removeprefix("sqlite:///")
    shown = f"sqlite:///{path.removeprefix(f'{Path.cwd()}/')}" if path != uri else uri
    whole = "" if find_spec("flask") else "    (its pages need the whole of MLflow: pip install mlflow)"
    where = f"    (then {_UI}/{page})" if page and not whole else ""
    return f"mlflow ui --backend-store-uri {shown}{whole}{where}"
