"""`waypost worker`: turns this process into a Dask worker with this machine's resources.

It runs `dask worker` with the arguments made here: a thread per core, since a step takes at least one, and a
nanny, which restarts the worker if it dies. The nanny sets OMP_NUM_THREADS and similar variables to 1 for the
worker; processes that the worker starts need their own values.
"""

from __future__ import annotations

import os
import shlex
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dask.utils import parse_timedelta

from waypost.cluster.connection import Cluster, connected
from waypost.cluster.resources import Resources
from waypost.cluster.security import Tls, parse_address
from waypost.errors import RemoteError

ADVISED_TTL = 60.0
_DEATH_SECONDS = 60
_LOOK_SECONDS = 1.0
_MIB = 1 << 20


def arguments(
    address: str, resources: Resources, tls: Tls, name: str = "", more: Sequence[str] = ()
) -> list[str]:
    """Returns the arguments of `dask worker`; `more` are the user's, which come last and win."""
    there = " ".join(f"{key}={amount}" for key, amount in resources.on_dask().items())
    files = {"--tls-ca-file": tls.ca, "--tls-cert": tls.cert, "--tls-key": tls.key}
    return [
        str(parse_address(address)),
        *("--name", name or own_name()),
        *("--nworkers", "1", "--nthreads", str(resources.cpus)),
        *("--memory-limit", str(resources.memory_mb * _MIB)),
        *("--resources", there),
        *("--nanny", "--no-dashboard", "--death-timeout", str(_DEATH_SECONDS)),
        *(text for option, file in files.items() if file for text in (option, str(Path(file).resolve()))),
        *more,
    ]


def own_name() -> str:
    """Returns the default name of a worker in this process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def check(
    address: str,
    tls: Tls,
    wait: float,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    name: str = "",
) -> None:
    """Connects to a scheduler, waiting at most `wait` seconds until it answers, and has no other worker of
    our `name`: it has one until it notices that an earlier process is gone.

    Raises UsageError, RemoteError if it cannot be reached, FindingsError if its versions do not match.
    """
    until = time.monotonic() + wait
    while True:
        try:
            with connected(address, tls, role="worker", warn=warn) as cluster:
                cluster.check_scheduler()
                _check_name(cluster, name or own_name())
                _advise(cluster, warn)
        except RemoteError as error:
            if time.monotonic() > until:
                raise
            say(f"{error}; waiting up to {wait:g} s")
        else:
            return
        say = warn = _silent
        time.sleep(_LOOK_SECONDS)


def _silent(_: str) -> None:
    """Drops a message that was already shown."""


def _check_name(cluster: Cluster, name: str) -> None:
    if any(worker.name == name for worker in cluster.workers()):
        said = f"{cluster.address}: there is a worker named {name} already"
        raise RemoteError(said, hint="give this one another name: --name")


def _advise(cluster: Cluster, warn: Callable[[str], None]) -> None:
    ttl = cluster.worker_ttl()
    seconds = parse_timedelta(ttl) if ttl else None
    if seconds is None or seconds > ADVISED_TTL:
        said = f"after {ttl}" if ttl else "never"
        warn(
            f"{cluster.address}: a dead machine is noticed {said}; start the scheduler with"
            f" DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL={ADVISED_TTL:g}s"
        )


def shown(command: Sequence[str]) -> str:
    """Returns a command as a person would type it."""
    return shlex.join(["dask", "worker", *command])
