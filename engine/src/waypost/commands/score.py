"""`waypost score`: a whole table at once."""

from __future__ import annotations

import sys
from typing import Any

import click

from waypost.commands.options import as_json_option, model_argument, trust_option
from waypost.deploy.score_job import Job
from waypost.deploy.score_job import run as execute
from waypost.deploy.scoring import Order
from waypost.report import common
from waypost.report.console import Console
from waypost.report.deploy import ScoreBar, show_scored


@click.command()
@model_argument
@click.argument("source", metavar="INPUT")
@click.argument("output")
@click.option("--id", "ids", multiple=True, metavar="COLUMN", help="Column to carry over; may be repeated.")
@click.option("--probabilities", is_flag=True, help="Write each class's probability, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv"]),
    help="Of the parts. [default: by the name of OUTPUT, else parquet]",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="skip: leave rows out that cannot be answered, and tell of them in OUTPUT/_errors.",
)
@click.option("--part-rows", default=16_384, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", type=click.IntRange(min=1), help="[default: one per core]")
@click.option("--overwrite", is_flag=True, help="Remove what an earlier `waypost score` wrote to OUTPUT.")
@click.option("--track/--no-track", default=True, help="Log an MLflow run with the digests of both sides.")
@trust_option
@as_json_option
def score(
    model: str,
    source: str,
    output: str,
    ids: tuple[str, ...],
    probabilities: bool,
    form: str | None,
    on_error: str,
    part_rows: int,
    threads: int | None,
    overwrite: bool,
    track: bool,
    trust: bool,
    as_json: bool,
) -> int:
    """Answer each row of INPUT with MODEL, and write the answers into the folder OUTPUT.

    MODEL is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN/model, or a folder with an MLflow
    model. INPUT is a parquet, csv or csv.gz file, a folder or a glob of them, here or behind any URL that
    fsspec opens. OUTPUT gets part files, each whole or not there, and _manifest.json last.

    Memory stays the same however large INPUT is. Killed at any point, the same command goes on.

    \b
    Examples:
      waypost score models:/grades@champion loans.parquet scored --id loan_id
      waypost score models:/grades/3 "s3://bucket/2026-11/*.csv.gz" s3://bucket/scored --on-error skip
      waypost score runs:/0123456789abcdef/model loans.csv scored.csv --probabilities
    """
    console = Console(stderr=True)
    order = Order(
        ids=ids,
        probabilities=probabilities,
        format=form or ("csv" if output.rstrip("/").endswith(".csv") else "parquet"),  # type: ignore[arg-type]
        part_rows=part_rows,
        on_error=on_error,  # type: ignore[arg-type]
    )
    job = Job(model, source, output, order, threads, overwrite, track, trust)
    with ScoreBar(console) as bar:
        done = execute(job, bar, common.sayer(console), lambda text: common.warn(console, text))
    if as_json:
        content: dict[str, Any] = {
            **done.scored.manifest, "run_id": done.run_id, "seconds": done.seconds,
        }  # fmt: skip
        common.write_document(sys.stdout, content)
    show_scored(console, done, output)
    return 0
