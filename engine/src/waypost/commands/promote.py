"""`waypost promote`: a model that passes the gate is registered, and an alias names it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from waypost.commands.options import as_json_option, trust_option
from waypost.contracts.gate import parse_threshold
from waypost.promotion.documents import PromotionDocument
from waypost.promotion.promote import PromotionRequest
from waypost.promotion.promote import promote as execute
from waypost.report.common import notifier, write_document
from waypost.report.console import Console
from waypost.report.deploy import show_promotion
from waypost.sources.files import read_text


@click.command()
@click.argument("target", metavar="RUN|RELEASE")
@click.option("--name", required=True, help="Name of the registered model.")
@click.option("--alias", default="champion", show_default=True, help="Alias for this version.")
@click.option(
    "--min",
    "minima",
    multiple=True,
    metavar="METRIC=V",
    help="Lowest value of a metric that passes; repeatable.",
)
@click.option(
    "--max",
    "maxima",
    multiple=True,
    metavar="METRIC=V",
    help="Highest value of a metric that passes; repeatable.",
)
@click.option(
    "--better-than", metavar="ALIAS", default="", help="Alias of the version that the model must beat."
)
@click.option(
    "--metric",
    default="",
    help="Metric that --better-than compares. [default: that of --min or --max, else the first "
    "quality metric that a component declares]",
)
@click.option("--lower", "better", flag_value="lower", help="Smaller values of the metric are better.")
@click.option("--higher", "better", flag_value="higher", help="Larger values of the metric are better.")
@click.option(
    "--any-data",
    is_flag=True,
    help="Compare metrics even if they were measured on different or unknown data.",
)
@click.option("--step", default="", help="Step that made the model, if several steps made one.")
@click.option(
    "--notes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Markdown for the model card: what the model is for, and what it is not for.",
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
    better: Literal["lower", "higher"] | None,
    any_data: bool,
    step: str,
    notes: Path | None,
    trust: bool,
    as_json: bool,
) -> int:
    """Register the model of a run or a release and give it an alias, if it passes the gate.

    RUN is the ID of a pipeline run, or of any run with a model. RELEASE is a version (1.4.13) or URL@VERSION;
    its newest finished run on this tracking server is taken. The version that had the alias gets the alias
    `previous`. The model card becomes the description of the version, and an artifact of its run.

    \b
    Examples:
      waypost promote 1.4.13 --name grades --min roc_auc=0.7
      waypost promote 0123456789abcdef0123456789abcdef --name grades --better-than champion
      waypost promote 1.5.0 --name prices --better-than champion --metric mape --lower
      waypost promote 1.5.0 --name grades --alias challenger --max log_loss=1.3
    """
    console = Console(stderr=as_json)
    thresholds = [parse_threshold(text, is_least=True) for text in minima]
    thresholds += [parse_threshold(text, is_least=False) for text in maxima]
    text = read_text(notes) if notes else ""
    request = PromotionRequest(
        target, name, alias, tuple(thresholds), better_than, metric, better or "", step, text, trust, any_data
    )
    found = execute(request, notifier(console))
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
