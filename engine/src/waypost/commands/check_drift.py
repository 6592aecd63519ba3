"""`waypost check-drift`: is what a server is asked still like what its model learned from?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option, checked_pipeline_option, env_option
from waypost.pins.workspace import open_workspace
from waypost.promotion.drift import DriftRequest
from waypost.promotion.drift import check_drift as execute
from waypost.report import runs
from waypost.report.common import notifier, write_document
from waypost.report.console import Console
from waypost.system.scratch import scratch


@click.command("check-drift")
@click.argument("model")
@click.argument("samples", type=click.Path(exists=True, file_okay=False, path_type=Path))
@checked_pipeline_option
@click.option(
    "--component",
    metavar="SOURCE/COMPONENT",
    default="",
    help="Component that compares the tables. [default: the one that takes data, reference and checks]",
)
@click.option(
    "--alpha",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Significance level over all columns together.",
)
@env_option
@as_json_option
def check_drift(
    model: str, samples: Path, folder: Path, component: str, alpha: float, env: str, as_json: bool
) -> int:
    """Compare the inputs that a server received with the training table of its model.

    SAMPLES is the folder of `waypost serve --log-predictions`. The pipeline's component for checks
    (check_data in the reference library) compares each column with the training table (Kolmogorov-Smirnov and
    chi-square tests, Holm-corrected), as a step tracked by MLflow. Exit code 1 if a column has drifted.

    \b
    Example:
      waypost check-drift models:/grades@champion predictions -p pipeline
    """
    console = Console(stderr=as_json)
    workspace = open_workspace(folder, notifier(console))
    with scratch() as temp:
        request = DriftRequest(model, samples, alpha, env, component)
        result = execute(request, workspace, temp, runs.reporter_for(console), notifier(console))
    if as_json:
        write_document(sys.stdout, result)
    return result.exit_code
