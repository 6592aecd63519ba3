"""`waypost worker`: give this machine to a Dask cluster."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from waypost.cluster import resources as machine
from waypost.cluster.security import Tls
from waypost.cluster.worker import arguments, check, shown
from waypost.commands.options import tls_options
from waypost.report import common
from waypost.report.console import Console
from waypost.system.process import become


@click.command()
@click.argument("address")
@click.argument("more", nargs=-1, metavar="[-- OPTIONS OF `dask worker`]")
@click.option(
    "--cpus", type=click.IntRange(min=1), help="Cores to offer. [default: all that this job may use]"
)
@click.option(
    "--memory-mb", type=click.IntRange(min=1), help="Memory to offer, in MiB. [default: the limit less 512]"
)
@click.option(
    "--gpus", type=click.IntRange(min=0), help="GPUs to offer. [default: those that CUDA or nvidia-smi sees]"
)
@click.option("--name", default="", help="Name of the worker in messages. [default: HOST-PID]")
@click.option(
    "--wait",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Seconds to wait for a scheduler that is not there yet.",
)
@tls_options
@click.option("--dry-run", is_flag=True, help="Print the `dask worker` command, and do not start it.")
def worker(
    address: str,
    more: tuple[str, ...],
    cpus: int | None,
    memory_mb: int | None,
    gpus: int | None,
    name: str,
    wait: float,
    tls_ca_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    dry_run: bool,
) -> int:
    """Start a worker for the Dask scheduler at ADDRESS (tls://HOST:8786), with this machine's resources.

    Cores, memory and GPUs are those that the job, container or service may use; `run`, `sweep` and `score
    --on` ask for them by the names CPU, MEMORY_MB and GPU. What the worker fetches and builds goes to its own
    WAYPOST_HOME, and it has its own MLFLOW_* variables. Certificates that no option names are those of Dask's
    configuration.

    \b
    Examples:
      waypost worker tls://scheduler:8786 --tls-ca-file ca.pem --tls-cert node.pem --tls-key node.key
      waypost worker tcp://127.0.0.1:8786 --cpus 2 --memory-mb 8000
      waypost worker tls://scheduler:8786 -- --lifetime 8h --local-directory /scratch
    """
    console = Console(stderr=True)
    tls = Tls(tls_ca_file, tls_cert, tls_key)
    given = {"cpus": cpus, "memory_mb": memory_mb, "gpus": gpus}
    offered = dataclasses.replace(
        machine.available(), **{key: value for key, value in given.items() if value is not None}
    )
    command = arguments(address, offered, tls, name, more)
    if dry_run:
        click.echo(shown(command))
        return 0
    check(address, tls, wait, common.notifier(console), lambda text: common.warn(console, text), name)
    return become([sys.executable, "-m", "distributed.cli.dask_worker", *command])
