"""`waypost score`: a whole table at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from waypost.batch.fingerprint import ScoringOptions, encoding_named, names_in, sign_named
from waypost.batch.job import ScoringRequest
from waypost.batch.job import run as execute
from waypost.commands.options import (
    as_json_option,
    model_argument,
    model_env_option,
    on_option,
    tls_options,
    trust_option,
    wait_option,
)
from waypost.report import common
from waypost.report.console import Console
from waypost.report.deploy import ScoreBar, show_scored


@click.command()
@model_argument
@click.argument("source", metavar="INPUT")
@click.argument("output")
@click.option(
    "--id", "ids", multiple=True, metavar="COLUMN", help="Column to carry over as the row's ID; repeatable."
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMNS|all",
    help="Columns to carry over besides the row's number or ID: A,B or all.",
)
@click.option("--probabilities", is_flag=True, help="Write the probability of each class, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv"]),
    help="Format of the part files. [default: by the name of OUTPUT, else parquet]",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="skip: leave out rows that cannot be scored, and list them in OUTPUT/_errors.",
)
@click.option(
    "--separator", metavar="SIGN", help="Field separator of a CSV; `tab` for a tab. [default: detected]"
)
@click.option("--decimal", metavar="SIGN", help="Decimal mark of a CSV. [default: detected]")
@click.option(
    "--encoding", metavar="NAME", help="Encoding of a CSV, such as latin-1 or utf-16. [default: detected]"
)
@click.option("--part-rows", default=16_384, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", type=click.IntRange(min=1), help="[default: one per core]")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier `waypost score` wrote to OUTPUT.")
@click.option(
    "--track/--no-track", default=True, help="Log an MLflow run with the digests of input and output."
)
@on_option
@wait_option
@tls_options
@trust_option
@model_env_option
@as_json_option
def score(model: str, source: str, output: str, as_json: bool, **options: Any) -> int:
    """Score each row of INPUT with MODEL, and write the answers into the folder OUTPUT.

    MODEL is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN/model, or a folder with an MLflow model.
    INPUT is a file (.parquet, .csv, .tsv, .jsonl, .ndjson; text files also as .gz, .bz2, .zst), a folder or a
    glob, local or at any URL that fsspec opens; folders named NAME=VALUE become columns. The dialect of a CSV
    is detected from its first rows, and reported if it is unusual. OUTPUT gets part files, each complete or
    absent, and _manifest.json last.

    Memory use does not grow with INPUT. The same command continues after an interruption at any point. With
    --on, the workers of a Dask cluster score; they see INPUT and OUTPUT by the same paths or URLs, and the
    result is the same to the last byte.

    \b
    Examples:
      waypost score models:/grades@champion loans.parquet scored --id loan_id
      waypost score models:/grades/3 "s3://bucket/2026-1[01]/*.csv.gz" s3://bucket/scored --on-error skip
      waypost score models:/grades@champion loans-by-month scored --id loan_id --keep branch,month
      waypost score runs:/0123456789abcdef/model kredite.csv scored.csv --separator ";" --decimal , --keep all
      waypost score models:/grades@champion /data/loans.parquet /data/scored --on tls://scheduler:8786
    """
    console = Console(stderr=True)
    request = _request(model, source, output, **options)
    with ScoreBar(console) as bar:
        done = execute(request, bar, common.notifier(console), lambda text: common.warn(console, text))
    if as_json:
        content: dict[str, Any] = {
            **done.scored.manifest, "run_id": done.run_id, "seconds": done.seconds,
        }  # fmt: skip
        common.write_document(sys.stdout, content)
    show_scored(console, done, output)
    return 0


def _request(
    model: str,
    source: str,
    output: str,
    *,
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
    on: str | None,
    wait: float,
    tls_ca_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    trust: bool,
    env: str,
) -> ScoringRequest:
    """Returns the request that the options describe. Raises UsageError."""
    options = ScoringOptions(
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
    certificates = (tls_ca_file, tls_cert, tls_key)
    return ScoringRequest(
        model,
        source,
        output,
        options,
        threads,
        overwrite,
        track,
        trust,
        env == "model",
        on or "",
        certificates,
        wait,
    )
