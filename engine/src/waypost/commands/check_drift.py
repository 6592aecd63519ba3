"""`waypost check-drift`: is what a server is asked still like what its model learned from?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option, env_option
from waypost.pins.workspace import open_workspace
from waypost.promotion.drift import Question
from waypost.promotion.drift import check_drift as execute
from waypost.report import runs
from waypost.report.common import sayer, write_document
from waypost.report.console import Console
from waypost.system.scratch import scratch


@click.command("check-drift")
@click.argument("model")
@click.argument("samples", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-p",
    "--pipeline",
    "folder",
    default=".",
    metavar="PIPELINE",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a pipeline that checks its data; its version of the component for that runs.",
)
@click.option(
    "--component",
    metavar="SOURCE/COMPONENT",
    default="",
    help="That compares the tables. [default: the one that takes data, reference and checks]",
)
@click.option(
    "--alpha",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Chance of a false alarm, over all columns together.",
)
@env_option
@as_json_option
def check_drift(
    model: str, samples: Path, folder: Path, component: str, alpha: float, env: str, as_json: bool
) -> int:
    """Compare what a server was asked with what its model learned from.

    SAMPLES is the folder of `waypost serve --log-predictions`. The pipeline's component for checks (of the
    reference library: check_data) compares each column with the training table (Kolmogorov-Smirnov,
    chi-square, corrected by Holm), as a step that MLflow tracks. Exit code 1 where a column has drifted.

    \b
    Example:
      waypost check-drift models:/grades@champion predictions -p pipeline
    """
    console = Console(stderr=as_json)
    workspace = open_workspace(folder, sayer(console))
    with scratch() as temp:
        question = Question(model, samples, alpha, env, component)
        result = execute(question, workspace, temp, runs.reporter_for(console), sayer(console))
    if as_json:
        write_document(sys.stdout, result)
    return result.exit_code
