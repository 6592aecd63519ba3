"""`waypost serve`: answer requests, one at a time."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.commands.options import model_argument, model_env_option, trust_option
from waypost.errors import Interrupted, UsageError
from waypost.inference.limits import BECOMES, LARGEST_MIB, MIB
from waypost.report import common
from waypost.report.console import Console
from waypost.report.deploy import show_service
from waypost.serving.roles import parse_other
from waypost.serving.tokens import doubts, tokens_of
from waypost.serving.workers import Service
from waypost.serving.workers import serve as execute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waypost.inference.fetching import FetchedModel


@click.command()
@model_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of server processes; a compiled model needs at most one per core.",
)
@trust_option
@model_env_option
@click.option(
    "--reload-every",
    default=5.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Interval for looking up an alias again; 0 disables it.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the bearer token that requests must carry, or with a line `NAME: TOKEN` for "
    "each caller; changes apply without a restart. A single token may also be in the "
    "variable WAYPOST_TOKEN.",
)
@click.option(
    "--tls-cert",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate for HTTPS (PEM, with its intermediate certificates); a change takes effect without a "
    "restart.",
)
@click.option(
    "--tls-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key of the certificate (PEM, without a passphrase).",
)
@click.option(
    "--cors",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Origin whose web pages may send requests (https://app.example.org, or * for all); "
    "repeatable. [default: none]",
)
@click.option(
    "--max-mb",
    default=LARGEST_MIB,
    show_default=True,
    type=click.IntRange(min=1),
    help="Largest request body, in MiB.",
)
@click.option(
    "--max-unpacked-mb",
    type=click.IntRange(min=1),
    help="Largest table that a body may unpack to, in MiB. [default: 4 times --max-mb]",
)
@click.option(
    "--max-rows",
    default=100_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Largest number of rows in a request.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Seconds to wait for a request body, and for an answer.",
)
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Seconds to finish open requests after SIGTERM or SIGINT before the server ends.",
)
@click.option(
    "--access-log/--no-access-log", default=True, help="Write a line of JSON to stdout for each request."
)
@click.option(
    "--canary",
    metavar="MODEL=SHARE",
    help="Let another model answer a share of the requests, chosen by request ID, such as "
    "models:/grades@candidate=5%.",
)
@click.option(
    "--shadow",
    metavar="MODEL[=SHARE]",
    help="Send requests to another model, too, without waiting for it, and count how often its "
    "answers agree.",
)
@click.option(
    "--log-predictions",
    "--sample",
    "log",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to log requests, answers and the labels of POST /feedback in, as Parquet, for "
    "`waypost monitor` and `waypost check-drift`.",
)
@click.option(
    "--log-share",
    "--sample-rate",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the requests to log.",
)
@click.option(
    "--log-days",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Remove files of the log after so many days.  [default: never]",
)
@click.option(
    "--log-megabytes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Remove the oldest files of the log when it exceeds this size, in MiB.  [default: never]",
)
def serve(
    model: str,
    host: str,
    port: int,
    workers: int,
    trust: bool,
    env: str,
    reload_every: float,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    origins: tuple[str, ...],
    max_mb: int,
    max_unpacked_mb: int | None,
    max_rows: int,
    timeout: float,
    grace: float,
    access_log: bool,
    canary: str | None,
    shadow: str | None,
    log: Path | None,
    log_share: float,
    log_days: float | None,
    log_megabytes: int | None,
) -> int:
    """Serve MODEL over MLflow's scoring protocol, compiled where that is proved equal.

    MODEL is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN/model, or a folder with an MLflow model. When
    an alias moves, the new model is loaded and takes over; no request fails.

    POST /invocations takes JSON (dataframe_split, dataframe_records, instances, inputs), CSV, Parquet and
    Arrow streams, gzipped or not. Other endpoints: /docs, /openapi.json, /version, /model, /metrics; /ping,
    /health and /livez for liveness, /readyz for readiness.

    \b
    Examples:
      waypost serve models:/grades@champion
      waypost serve runs:/0123456789abcdef/model --port 8000 --workers 2
      WAYPOST_TOKEN=… waypost serve models:/grades@champion --host 0.0.0.0
      waypost serve models:/grades@champion --canary models:/grades@candidate=5%
      waypost serve models:/grades@champion --log-predictions predictions --log-share 0.1
      waypost serve models:/grades@champion --token-file tokens --tls-cert cert.pem --tls-key key.pem
    """
    console = Console(stderr=True)

    def started(address: str, models: Mapping[str, FetchedModel]) -> None:
        show_service(console, models, address)

    if log is None and (log_days or log_megabytes):
        raise UsageError("--log-days and --log-megabytes need a log", hint="--log-predictions DIR")
    tokens = tokens_of(token_file, os.environ)
    for doubt in doubts(tokens, token_file):
        common.warn(console, doubt)
    if access_log and sys.stdout.isatty():
        console.print("one line of JSON for each request follows; --no-access-log silences it", style="dim")
    service = Service(
        uri=model,
        host=host,
        port=port,
        workers=workers,
        is_trusted=trust,
        every=reload_every,
        is_guarded=bool(tokens),
        token_file=token_file.absolute() if token_file else None,
        certificate=tls_cert,
        key=tls_key,
        origins=origins,
        most_bytes=max_mb * MIB,
        most_unpacked=(max_unpacked_mb or BECOMES * max_mb) * MIB,
        most_rows=max_rows,
        seconds=timeout,
        grace=grace,
        logs_access=access_log,
        canary=parse_other(canary, "--canary", None) if canary else None,
        shadow=parse_other(shadow, "--shadow", 1.0) if shadow else None,
        log=log.resolve() if log else None,
        log_share=log_share,
        log_days=log_days,
        log_bytes=log_megabytes * MIB if log_megabytes else None,
        in_own=env == "model",
    )
    with contextlib.suppress(Interrupted):  # the usual end: what was begun is finished
        execute(service, started, lambda text: common.warn(console, text))
    return 0
