"""`waypost sweep`: run a pipeline for all combinations of some values."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import (
    as_json_option,
    env_option,
    jobs_option,
    offline_option,
    params_option,
    parted,
    wandb_option,
    wanted_on_wandb,
)
from waypost.contracts.sweep import points, smaller_is_better, swept
from waypost.errors import UsageError
from waypost.pins.workspace import open_workspace
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.report.sweep import SweepReporter, show_sweep
from waypost.runs.preflight import Options
from waypost.runs.prepare import prepare
from waypost.runs.sweep import declared_side, metric_name
from waypost.runs.sweep import sweep as execute


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] KEY=VALUE,VALUE,……")
@click.option("--metric", metavar="STEP/NAME", help="Compare by it. [default: the first of the last step]")
@click.option(
    "--minimize/--maximize",
    default=None,
    help="Which value of the metric is the best. [default: what its contract declares, else the largest]",
)
@params_option
@jobs_option
@wandb_option
@env_option
@click.option("--dev", is_flag=True, help="Take local component folders as they are.")
@offline_option
@as_json_option
def sweep(
    arguments: tuple[str, ...],
    metric: str | None,
    minimize: bool | None,
    files: tuple[Path, ...],
    jobs: int | None,
    wandb: bool | None,
    env: str,
    dev: bool,
    offline: bool,
    as_json: bool,
) -> int:
    """Run the pipeline for each combination of values, and show which was the best.

    KEY=A,B,C and KEY=range(START,STOP,STEP) give several values, KEY=VALUE one for all. Steps that
    combinations have in common run once; what an earlier sweep or run finished is not run again, so
    the same command goes on after an interruption.

    \b
    Examples:
      waypost sweep pipeline model.max_depth=4,8,16
      waypost sweep pipeline "model.max_depth=range(4,20,4)" train.seed=1,2 --metric validation_roc_auc
      waypost sweep pipeline "train.seed=range(10)" model.n_estimators=50 --jobs 2 --json > sweep.json
    """
    folder, overrides = parted(arguments)
    if not swept(overrides):
        hint = "such as waypost sweep pipeline model.max_depth=4,8,16"
        raise UsageError("nothing to sweep: give a key several values", hint=hint)
    with SweepReporter(Console(stderr=as_json)) as reporter:
        workspace = open_workspace(folder, reporter.say, offline=offline, loud=reporter.warn)
        pipelines = [(point, prepare(workspace, files, point, dev=dev)) for point in points(overrides)]
        on_wandb = wanted_on_wandb(pipelines[0][1].pipeline, wandb)
        options = Options(env=env, offline=offline, jobs=jobs or 0, wandb=on_wandb)
        compared = metric_name(pipelines[0][1], metric)
        smallest = smaller_is_better(compared, declared_side(pipelines[0][1], compared), minimize)
        reporter.begin(len(pipelines), compared, swept(overrides), smallest=smallest)
        result = execute(
            pipelines, options, reporter, reporter.ended_point, metric=compared, minimize=smallest
        )
    if as_json:
        write_document(sys.stdout, result)
    else:
        show_sweep(Console(), result, swept(overrides))
    return 0 if all(point.result.status == "FINISHED" for point in result.points) else 1
