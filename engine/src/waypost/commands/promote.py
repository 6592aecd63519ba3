"""`waypost promote`, `rollback`, `info`, `check-drift`: which model answers, and is it still right?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option, env_option, trust_option


@click.command()
@click.argument("target", metavar="RUN|RELEASE")
@click.option("--name", required=True, help="Of the registered model.")
@click.option("--alias", default="champion", show_default=True, help="That names it from now on.")
@click.option("--min", "minima", multiple=True, metavar="METRIC=V", help="Refuse less; may be repeated.")
@click.option("--max", "maxima", multiple=True, metavar="METRIC=V", help="Refuse more; may be repeated.")
@click.option("--better-than", metavar="ALIAS", default="", help="Refuse what is not better than that one.")
@click.option(
    "--metric", default="", help="That --better-than compares. [default: that of --min, or roc_auc]"
)
@click.option("--any-data", is_flag=True, help="Compare figures that were measured on different data.")
@click.option("--step", default="", help="That made the model, where the run has several.")
@click.option(
    "--notes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Markdown for the card's limits: what the model is for, and what it is not for.",
)
@trust_option
@as_json_option
def promote(
    target: str,
    name: str,
    alias: str,
    minima: tuple[str, ...],
    maxima: tuple[str, ...],
    better_than: str,
    metric: str,
    any_data: bool,
    step: str,
    notes: Path | None,
    trust: bool,
    as_json: bool,
) -> int:
    """Register the model of a run or a release, and let an alias name it, once it passes the gate.

    RUN is the id of a pipeline run (or of any run with a model); RELEASE is a version (1.4.13) or
    URL@VERSION, whose newest finished run on this tracking server counts. The version that had the
    alias keeps another: previous. The model card becomes its description, and an artifact of its run.

    \b
    Examples:
      waypost promote 1.4.13 --name grades --min roc_auc=0.7
      waypost promote 0123456789abcdef0123456789abcdef --name grades --better-than champion
      waypost promote 1.5.0 --name grades --alias challenger --max log_loss=1.3
    """
    from waypost.contracts.gate import parse_threshold
    from waypost.deploy.documents import PromotionDocument
    from waypost.deploy.promoting import Wish
    from waypost.deploy.promoting import promote as execute
    from waypost.report.common import sayer, write_document
    from waypost.report.console import Console
    from waypost.report.deploy import show_promotion
    from waypost.sources.files import read_text

    console = Console(stderr=as_json)
    thresholds = [parse_threshold(text, is_least=True) for text in minima]
    thresholds += [parse_threshold(text, is_least=False) for text in maxima]
    text = read_text(notes) if notes else ""
    wish = Wish(
        target, name, alias, tuple(thresholds), better_than, metric, step, text, trust, any_data
    )  # fmt: skip
    found = execute(wish, sayer(console))
    if as_json:
        content = PromotionDocument(
            name=found.version.name,
            version=found.version.version,
            alias=found.alias,
            previous=found.before.version if found.before else None,
            proof=found.proved.proof,
            tags=found.version.tags,
        )
        write_document(sys.stdout, content)
    else:
        show_promotion(console, found)
    return 0


@click.command()
@click.argument("name")
@click.option("--alias", default="champion", show_default=True)
@as_json_option
def rollback(name: str, alias: str, as_json: bool) -> int:
    """Give an alias back to the version that had it before the last promotion.

    Servers that follow the alias load it by themselves. Once more, and it is undone.

    \b
    Example:
      waypost rollback grades
    """
    from waypost.deploy.promoting import previous_of
    from waypost.deploy.promoting import rollback as execute
    from waypost.report.common import line, write_document
    from waypost.report.console import Console, escape

    now, before = execute(name, alias)
    if as_json:
        write_document(sys.stdout, {"name": name, alias: now.version, previous_of(alias): before.version})
    else:
        line(
            Console(),
            f"[green]✓[/] {escape(name)}@{escape(alias)} is version [bold]{now.version}[/] again,"
            f" version {before.version} is {escape(previous_of(alias))}",
        )
    return 0


@click.command()
@click.argument("model")
@as_json_option
def info(model: str, as_json: bool) -> int:
    """Say where a registered model comes from: run, release, component trees, data, signature.

    \b
    Examples:
      waypost info models:/grades@champion
      waypost info models:/grades/3 --json
    """
    from waypost.deploy.documents import ModelDocument
    from waypost.deploy.promoting import info as find
    from waypost.report.common import write_document
    from waypost.report.console import Console
    from waypost.report.deploy import show_info
    from waypost.sources.files import read_mlmodel

    version, folder = find(model)
    said = read_mlmodel(folder)
    if as_json:
        content = ModelDocument(
            name=version.name,
            version=version.version,
            aliases=version.aliases,
            run_id=version.run_id,
            folder=str(folder),
            tags=version.tags,
            inputs=tuple(said.inputs),
            outputs=tuple(said.outputs),
        )
        write_document(sys.stdout, content)
    else:
        show_info(Console(), version, said)
    return 0


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
    help="Folder of a pipeline that uses check_data; its version of that component runs.",
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
def check_drift(model: str, samples: Path, folder: Path, alpha: float, env: str, as_json: bool) -> int:
    """Compare what a server was asked with what its model learned from.

    SAMPLES is the folder of `waypost serve --sample`. The pipeline's component check_data compares each
    column with the training table (Kolmogorov-Smirnov, chi-square, corrected by Holm), as a step that
    MLflow tracks. Exit code 1 where a column has drifted.

    \b
    Example:
      waypost check-drift models:/grades@champion samples -p pipeline
    """
    from waypost.deploy.drift import Question
    from waypost.deploy.drift import check_drift as execute
    from waypost.pins.workspace import open_workspace
    from waypost.report import runs
    from waypost.report.common import sayer, write_document
    from waypost.report.console import Console
    from waypost.sources.scratch import scratch

    console = Console(stderr=as_json)
    workspace = open_workspace(folder, sayer(console))
    with scratch() as temp:
        question = Question(model, samples, alpha, env)
        result = execute(question, workspace, temp, runs.reporter_for(console), sayer(console))
    if as_json:
        write_document(sys.stdout, result)
    return result.exit_code
