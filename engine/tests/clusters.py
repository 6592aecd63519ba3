"""A Dask cluster of real processes on this machine: a scheduler without Waypost, workers with their own
stores.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.certificates import Authority
from waypost.cluster.connection import Cluster
from waypost.cluster.security import Tls

# Whatever imports Waypost there fails, as on a machine that has Dask alone.
_SCHEDULER = (
    "import sys; sys.modules['waypost'] = None; from distributed.cli.dask_scheduler import main; main()"
)
_SECONDS = 60.0


def options(tls: Tls) -> list[str]:
    """Returns the options that name certificates, for Dask's commands and ours."""
    files = {"--tls-ca-file": tls.ca, "--tls-cert": tls.cert, "--tls-key": tls.key}
    return [text for name, file in files.items() if file for text in (name, str(file))]


@dataclass
class Machines:
    """A scheduler and workers, in a folder; `tls` are the certificates of all of them, if any."""

    folder: Path
    tls: Tls = field(default_factory=Tls)
    address: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: Sequence[str], **variables: str) -> subprocess.Popen[bytes]:
        """Starts a process in a session of its own, and keeps what it says."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_scheduler(self, ttl: str = "60s") -> str:
        """Starts the scheduler; returns its address."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        where = [
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--no-show",
            "--scheduler-file",
            str(file),
        ]
        if self.tls.ca:
            where += ["--protocol", "tls"]
        self.start(
            "scheduler",
            [sys.executable, "-c", _SCHEDULER, *where, *options(self.tls)],
            DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=ttl,
        )
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError):
                self.address = str(json.loads(file.read_text())["address"])
                return self.address
            time.sleep(0.05)
        raise TimeoutError((self.folder / "scheduler.log").read_text())

    def start_worker(
        self, name: str, *more: str, before: Sequence[str] = (), **variables: str
    ) -> subprocess.Popen[bytes]:
        """Starts a worker with a store of its own; what stands `before` its command starts it."""
        own = {"WAYPOST_HOME": str(self.folder / f"store-{name}"), **variables}
        command = [
            *before,
            sys.executable,
            "-m",
            "waypost",
            "worker",
            self.address,
            "--name",
            name,
            *options(self.tls),
        ]
        return self.start(name, [*command, "--cpus", "1", "--memory-mb", "4000", "--gpus", "0", *more], **own)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to a process and all that it started, nanny and worker alike."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, number)

    def said(self, name: str) -> str:
        """Returns what a process wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        """Ends all of them at once."""
        for name, process in self.processes.items():
            self.kill(name, signal.SIGCONT)
            self.kill(name)
            process.wait()


@contextlib.contextmanager
def machines(folder: Path, *, tls: bool = False) -> Iterator[Machines]:
    """Gives a cluster that has a scheduler; workers are started by the test."""
    folder.mkdir(exist_ok=True)
    files = Tls()
    if tls:
        authority = Authority(folder)
        files = Tls(authority.file, *authority.issue("node"))
    found = Machines(folder, files)
    try:
        found.start_scheduler()
        yield found
    finally:
        found.close()


def wait_for(cluster: Cluster, count: int) -> None:
    """Waits until so many workers are there."""
    until = time.monotonic() + _SECONDS
    while len(cluster.workers()) != count:
        if time.monotonic() > until:
            raise TimeoutError(f"{len(cluster.workers())} workers")
        time.sleep(0.05)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Yields a folder, made on a disk of its own with four MiB; skips the test where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leaves no room on the disk of a folder."""
    with contextlib.suppress(OSError), (folder / "much").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
