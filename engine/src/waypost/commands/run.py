"""`waypost run`: execute a pipeline."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from waypost.commands.completion import parameters
from waypost.commands.options import (
    env_option,
    jobs_option,
    on_option,
    params_option,
    tls_options,
    upload_option,
    wait_option,
    wandb_option,
)
from waypost.commands.request import RunRequest, pointed
from waypost.errors import UsageError
from waypost.pins.last_look import Look, ask_beside, has_lock, last_look
from waypost.report.closing import show_current, write_result
from waypost.runs.no_op import find_current


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] [KEY=VALUE]…", shell_complete=parameters)
@click.option(
    "--like",
    default="",
    metavar="runs:/ID",
    help="Repeat a run with its versions, files and parameters; KEY=VALUE overrides some of them.",
)
@params_option
@click.option(
    "--steps",
    default="",
    metavar="A,B",
    help="Execute only these steps; reuse the rest from earlier runs.",
)
@click.option("--from", "start", metavar="STEP", help="Execute this step and everything that depends on it.")
@click.option(
    "--resume", is_flag=True, help="Continue the last failed or interrupted run: reuse its finished steps."
)
@click.option("--no-cache", is_flag=True, help="Reuse nothing: execute every step.")
@click.option(
    "--force", default="", metavar="A,B", help="Execute these steps even if their results could be reused."
)
@click.option("--explain", is_flag=True, help="Explain for each step why it runs or is reused.")
@jobs_option
@click.option(
    "--worker",
    type=click.Choice(["fork", "process"]),
    help="fork: start steps within milliseconds from a preloaded process; process: start each in "
    "a new interpreter. [default: fork on Linux, else process]",
)
@click.option(
    "--dev",
    is_flag=True,
    help="Use local component folders and branches as they are now; the run is tagged as a development run.",
)
@click.option("--offline", is_flag=True, help="Contact no remote: use the cache and local folders.")
@click.option("--frozen", is_flag=True, help="For CI: run locked content only; refuses --dev.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the plan, run nothing.")
@click.option(
    "--verify", is_flag=True, help="Check the remotes for moved tags before the run, and not beside it."
)
@wandb_option
@env_option
@on_option
@wait_option
@upload_option
@tls_options
@click.option(
    "--overrides",
    default="",
    hidden=True,
    help="All KEY=VALUE in one argument, as stock MLflow passes them.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write the result as JSON to stdout, progress to stderr.",
)
@click.option("--debug", is_flag=True, help="Show the stack trace of a component's error.")
def run(arguments: tuple[str, ...], overrides: str, **options: Any) -> int:
    """Run a pipeline: that of a folder (default: the current one), of a release, or of a bundle.

    PIPELINE is a folder, a release as URL[#FOLDER]@VERSION (a version, a specifier such as ~=1.4, `latest`,
    or a commit), or a file made by `waypost bundle`.

    KEY=VALUE overrides a parameter of params.yaml; +KEY=VALUE adds one. Everything is checked before the
    first step starts. A step is reused, not executed, if its code, parameters, inputs and environment are
    unchanged.

    \b
    Examples:
      waypost run pipeline
      waypost run pipeline model.max_depth=8 split.seed=7
      waypost run pipeline --params pipeline/examples/wine.yaml
      waypost run pipeline --from train model.n_estimators=50
      waypost run pipeline --explain --dry-run      what would run, and why
      waypost run pipeline --force train            that step again, and whatever its result changes
      waypost run https://github.com/org/grades@1.4.13
      waypost run pipeline --dev                    local component folders as they are now
      waypost run pipeline --wandb                  log it to Weights & Biases, too
      waypost run pipeline --on tls://scheduler:8786 --upload      steps on the workers of a Dask cluster
      waypost run --like runs:/0123456789abcdef0123456789abcdef model.max_depth=9
    """
    target, folder, changes = pointed(arguments)
    if options["like"]:
        if target or folder != Path():
            raise UsageError("--like names the run to start from: give no PIPELINE beside it")
        if click.get_current_context().get_parameter_source("env") is ParameterSource.DEFAULT:
            options["env"] = ""  # what that run had
    request = RunRequest(folder, target, changes=(*changes, *shlex.split(overrides)), **options)
    if request.quick and (current := find_current(request.quick)):
        look = look_at(request.folder)
        show_current(current, sys.stderr if request.as_json else sys.stdout, look)
        if request.as_json:
            write_result(replace(current, warnings=look.warnings) if look else current)
        return 0
    # Not at the top: a run with nothing to do answers in less time than these imports take.
    from waypost.commands.running import execute

    return execute(request)


def look_at(folder: Path) -> Look | None:
    """Returns what the last look at a pipeline's remotes found; they are asked beside where it is old."""
    look = last_look(folder)
    if has_lock(folder) and (look is None or look.is_old(time.time())):
        ask_beside(folder)
    return look
