"""`waypost score`: a whole table at once."""

from __future__ import annotations

import sys
from typing import Any

import click

from waypost.batch.fingerprint import Order, encoding_named, names_in, sign_named
from waypost.batch.job import Job
from waypost.batch.job import run as execute
from waypost.commands.options import as_json_option, model_argument, trust_option
from waypost.report import common
from waypost.report.console import Console
from waypost.report.deploy import ScoreBar, show_scored


@click.command()
@model_argument
@click.argument("source", metavar="INPUT")
@click.argument("output")
@click.option("--id", "ids", multiple=True, metavar="COLUMN", help="Column to carry over; may be repeated.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMNS|all",
    help="Columns to carry over beside the row's number or id: A,B, or all of the input.",
)
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
@click.option(
    "--separator", metavar="SIGN", help="Between the values of a CSV; tab for a tab. [default: guessed]"
)
@click.option("--decimal", metavar="SIGN", help="Before the decimals in a CSV. [default: guessed]")
@click.option("--encoding", metavar="NAME", help="Of a CSV, such as latin-1 or utf-16. [default: guessed]")
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
    keep: tuple[str, ...],
    probabilities: bool,
    form: str | None,
    on_error: str,
    separator: str | None,
    decimal: str | None,
    encoding: str | None,
    part_rows: int,
    threads: int | None,
    overwrite: bool,
    track: bool,
    trust: bool,
    as_json: bool,
) -> int:
    """Answer each row of INPUT with MODEL, and write the answers into the folder OUTPUT.

    MODEL is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN/model, or a folder with an MLflow
    model. INPUT is a file (.parquet, .csv, .tsv, .jsonl, .ndjson; texts also .gz, .bz2, .zst), a folder or a
    glob of them, here or behind any URL that fsspec opens; folders called NAME=VALUE are columns. How a CSV
    is written is guessed from its first rows and said, if it is not the usual way. OUTPUT gets part files,
    each whole or not there, and _manifest.json last.

    Memory stays the same however large INPUT is. Killed at any point, the same command goes on.

    \b
    Examples:
      waypost score models:/grades@champion loans.parquet scored --id loan_id
      waypost score models:/grades/3 "s3://bucket/2026-1[01]/*.csv.gz" s3://bucket/scored --on-error skip
      waypost score models:/grades@champion loans-by-month scored --id loan_id --keep branch,month
      waypost score runs:/0123456789abcdef/model kredite.csv scored.csv --separator ";" --decimal , --keep all
    """
    console = Console(stderr=True)
    order = Order(
        ids=ids,
        keep=names_in(keep),
        probabilities=probabilities,
        format=form or ("csv" if output.rstrip("/").lower().endswith(".csv") else "parquet"),  # type: ignore[arg-type]
        part_rows=part_rows,
        on_error=on_error,  # type: ignore[arg-type]
        separator=sign_named("--separator", separator),
        decimal=sign_named("--decimal", decimal),
        encoding=encoding_named("--encoding", encoding),
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
