"""`waypost serve`: answer requests, one at a time."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from waypost.commands.options import model_argument
from waypost.commands.serve_options import serve_options
from waypost.commands.serve_request import ServeRequest
from waypost.errors import Interrupted
from waypost.report import common
from waypost.report.console import Console
from waypost.report.deploy import show_service
from waypost.serving.tokens import doubts, tokens_of
from waypost.serving.workers import serve as execute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waypost.inference.fetching import FetchedModel


@click.command()
@model_argument
@serve_options
def serve(model: str, **options: Any) -> int:
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
    request = ServeRequest(model, **options)
    console = Console(stderr=True)

    def started(address: str, models: Mapping[str, FetchedModel]) -> None:
        show_service(console, models, address)

    tokens = tokens_of(request.token_file, os.environ)
    for doubt in doubts(tokens, request.token_file):
        common.warn(console, doubt)
    if request.access_log and sys.stdout.isatty():
        console.print("one line of JSON for each request follows; --no-access-log silences it", style="dim")
    service = request.service(is_guarded=bool(tokens))
    with contextlib.suppress(Interrupted):  # the usual end: open requests were finished
        execute(service, started, lambda text: common.warn(console, text))
    return 0
