"""Options of `waypost serve`, in the order of its help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from waypost.commands.options import model_env_option, trust_option
from waypost.inference.limits import LARGEST_MIB

_OPTIONS = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port",
        default=5000,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="Port to listen on; 0 picks a free one.",
    ),
    click.option(
        "--workers",
        default=1,
        show_default=True,
        type=click.IntRange(min=1),
        help="Number of server processes; a compiled model needs at most one per core.",
    ),
    trust_option,
    model_env_option,
    click.option(
        "--reload-every",
        default=5.0,
        show_default=True,
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="Interval for looking up an alias again; 0 disables it.",
    ),
    click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with the bearer token that requests must carry, or with a line `NAME: TOKEN` for "
        "each caller; changes apply without a restart. A single token may also be in the "
        "variable WAYPOST_TOKEN.",
    ),
    click.option(
        "--tls-cert",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Certificate for HTTPS (PEM, with its intermediate certificates); a change takes effect "
        "without a restart.",
    ),
    click.option(
        "--tls-key",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Private key of the certificate (PEM, without a passphrase).",
    ),
    click.option(
        "--cors",
        "origins",
        multiple=True,
        metavar="ORIGIN",
        help="Origin whose web pages may send requests (https://app.example.org, or * for all); "
        "repeatable. [default: none]",
    ),
    click.option(
        "--max-mb",
        default=LARGEST_MIB,
        show_default=True,
        type=click.IntRange(min=1),
        help="Largest request body, in MiB.",
    ),
    click.option(
        "--max-unpacked-mb",
        type=click.IntRange(min=1),
        help="Largest table that a body may unpack to, in MiB. [default: 4 times --max-mb]",
    ),
    click.option(
        "--max-rows",
        default=100_000,
        show_default=True,
        type=click.IntRange(min=1),
        help="Largest number of rows in a request.",
    ),
    click.option(
        "--timeout",
        default=30.0,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Seconds to wait for a request body, and for an answer.",
    ),
    click.option(
        "--grace",
        default=30.0,
        show_default=True,
        type=click.FloatRange(min=1),
        metavar="SECONDS",
        help="Seconds to finish open requests after SIGTERM or SIGINT before the server ends.",
    ),
    click.option(
        "--access-log/--no-access-log", default=True, help="Write a line of JSON to stdout for each request."
    ),
    click.option(
        "--canary",
        metavar="MODEL=SHARE",
        help="Let another model answer a share of the requests, chosen by request ID, such as "
        "models:/grades@candidate=5%.",
    ),
    click.option(
        "--shadow",
        metavar="MODEL[=SHARE]",
        help="Send requests to another model, too, without waiting for it, and count how often its "
        "answers agree.",
    ),
    click.option(
        "--log-predictions",
        "--sample",
        "log",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder to log requests, answers and the labels of POST /feedback in, as Parquet, for "
        "`waypost monitor` and `waypost check-drift`.",
    ),
    click.option(
        "--log-share",
        "--sample-rate",
        default=1.0,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Share of the requests to log.",
    ),
    click.option(
        "--log-days",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help="Remove files of the log after so many days.  [default: never]",
    ),
    click.option(
        "--log-megabytes",
        type=click.IntRange(min=1),
        metavar="N",
        help="Remove the oldest files of the log when it exceeds this size, in MiB.  [default: never]",
    ),
)


def serve_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of `waypost serve`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
