"""`waypost monitor`: how does the model do that is served?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option
from waypost.report.common import line, write_document
from waypost.report.console import Console, escape
from waypost.report.live import live_page, show_live
from waypost.serving.monitoring import live_report
from waypost.sources.files import write_text


@click.command()
@click.argument("folder", metavar="LOG", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--reference",
    metavar="TABLE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table to compare the columns with (Parquet or CSV), such as the training table. "
    "[default: the older half of the rows, compared with the newer half]",
)
@click.option(
    "--rows",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of rows to read, the newest first.",
)
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as an HTML page, too.",
)
@as_json_option
def monitor(folder: Path, reference: Path | None, rows: int, page: Path | None, as_json: bool) -> int:
    """Report how the models in service do: latency, predictions, quality by labels, drift of columns.

    LOG is the folder of `waypost serve --log-predictions`. Labels arrive by POST /feedback with the
    x-request-id of a reply; classes give an accuracy, numbers give errors. Drift is the population stability
    index (PSI) of each column: above 0.1 moderate, above 0.25 large. `waypost check-drift` tests for drift
    with the pipeline's own checks.

    \b
    Examples:
      waypost monitor predictions
      waypost monitor predictions --reference train.parquet --html report.html
    """
    console = Console(stderr=as_json)
    report = live_report(folder, reference, rows)
    if page:
        write_text(page, live_page(report))
        line(console, f"report: {escape(str(page))}")
    if as_json:
        write_document(sys.stdout, report)
    else:
        show_live(console, report)
    return 0
