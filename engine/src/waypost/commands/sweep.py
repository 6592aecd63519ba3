"""`waypost sweep`: run a pipeline for all combinations of some values."""

from __future__ import annotations

import sys
from typing import Any

import click

from waypost.commands.options import (
    as_json_option,
    env_option,
    jobs_option,
    offline_option,
    on_option,
    params_option,
    tls_options,
    upload_option,
    wait_option,
    wandb_option,
)
from waypost.commands.request import RunRequest, pointed
from waypost.commands.running import open_points, site_of
from waypost.contracts.sweep import points, smaller_is_better, swept
from waypost.errors import UsageError
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.report.sweep import SweepReporter, show_sweep
from waypost.runs.sweep import declared_side, metric_name
from waypost.runs.sweep import sweep as execute
from waypost.system.scratch import scratch


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] KEY=A,B,…")
@click.option(
    "--metric", metavar="STEP/NAME", help="Metric to rank by. [default: the first metric of the last step]"
)
@click.option(
    "--minimize/--maximize",
    default=None,
    help="Whether the smallest or the largest value is best. [default: as the component declares "
    "it, else the largest]",
)
@params_option
@jobs_option
@wandb_option
@env_option
@on_option
@wait_option
@upload_option
@tls_options
@click.option("--dev", is_flag=True, help="Use local component folders as they are now.")
@offline_option
@as_json_option
def sweep(
    arguments: tuple[str, ...],
    metric: str | None,
    minimize: bool | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Run a pipeline for each combination of parameter values, and rank the results.

    PIPELINE is what `waypost run` takes: a folder, URL[#FOLDER]@VERSION, or a bundle.

    KEY=A,B,C and KEY=range(START,STOP,STEP) give several values; KEY=VALUE sets one for all. Steps shared by
    several combinations run once. Finished steps are reused, so the same command continues an interrupted
    sweep.

    \b
    Examples:
      waypost sweep pipeline model.max_depth=4,8,16
      waypost sweep https://github.com/org/grades@1.4.13 train.seed=1,2,3
      waypost sweep pipeline "model.max_depth=range(4,20,4)" train.seed=1,2 --metric validation_roc_auc
      waypost sweep pipeline "train.seed=range(10)" model.n_estimators=50 --jobs 2 --json > sweep.json
      waypost sweep pipeline "train.seed=range(20)" --on tls://scheduler:8786
    """
    target, folder, changes = pointed(arguments)
    if not swept(changes):
        hint = "such as waypost sweep pipeline model.max_depth=4,8,16"
        raise UsageError("nothing to sweep: give a key several values", hint=hint)
    request = RunRequest(folder, target, as_json=as_json, **options)
    with scratch() as temp, SweepReporter(Console(stderr=as_json)) as reporter:
        values = points(changes)
        opened = open_points(request, values, reporter, temp)
        first = opened[0].prepared
        compared = metric_name(first, metric)
        smallest = smaller_is_better(compared, declared_side(first, compared), minimize)
        reporter.begin(len(opened), compared, swept(changes), smallest=smallest)
        pipelines = [(point, each.prepared) for point, each in zip(values, opened, strict=True)]
        result = execute(
            pipelines,
            opened[0].options,
            reporter,
            reporter.ended_point,
            metric=compared,
            minimize=smallest,
            site=site_of(request),
        )
    if as_json:
        write_document(sys.stdout, result)
    else:
        show_sweep(Console(), result, swept(changes))
    return 0 if all(point.result.status == "FINISHED" for point in result.points) else 1
