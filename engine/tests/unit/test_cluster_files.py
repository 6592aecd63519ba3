"""The files of docs/cluster: each command in them is one that there is, each object one that is taken."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from distributed.cli.dask_scheduler import main as dask_scheduler
from distributed.cli.dask_worker import main as dask_worker

from tests import kubernetes
from tests.conftest import ROOT
from waypost.cli import cli

FILES = ROOT / "docs" / "cluster"
VARIABLES = {
    f"DASK_DISTRIBUTED__COMM__TLS__{name}"
    for name in (
        "CA_FILE",
        *(f"{role}__{kind}" for role in ("SCHEDULER", "WORKER") for kind in ("CERT", "KEY")),
    )
} | {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "WAYPOST_HOME"}


def check_worker(command: list[str]) -> None:
    """Asserts that a command starts a worker: ours takes it, and Dask's takes what becomes of it."""
    assert command[:2] == ["waypost", "worker"]
    result = CliRunner().invoke(cli, [command[1], "--dry-run", *command[2:]], standalone_mode=False)
    assert result.exception is None, result.output
    dask_worker.make_context("worker", shlex.split(result.output)[2:])


def test_kubernetes_takes_the_manifest() -> None:
    """Each object is what Kubernetes' API takes, references find what they name, and commands are real."""
    objects = list(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text()))
    for found in objects:
        assert kubernetes.problems(found) == []
    service, scheduler, worker = objects
    pods = {d["metadata"]["name"]: d["spec"]["template"] for d in (scheduler, worker)}
    for deployment in (scheduler, worker):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == pods["waypost-scheduler"]["metadata"]["labels"]
    [first], [second] = (pod["spec"]["containers"] for pod in pods.values())
    assert service["spec"]["ports"][0]["targetPort"] in [port["name"] for port in first["ports"]]
    for container in (first, second):
        assert {variable["name"] for variable in container["env"]} <= VARIABLES
        assert container["resources"]["limits"]["memory"]
    assert first["command"][:2] == ["dask", "scheduler"]
    dask_scheduler.make_context("scheduler", list(first["command"][2:]))
    check_worker(second["command"])
    assert service["metadata"]["name"] in second["command"][2]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """systemd finds nothing wrong with the unit, and its command is a worker's."""
    text = (FILES / "waypost-worker.service").read_text()
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    command = shlex.split(unit["Service"]["ExecStart"])
    check_worker(["waypost", *command[1:]])
    named = {line.split("=")[1] for line in text.splitlines() if line.startswith("Environment=")}
    assert named <= VARIABLES
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: the unit's keys are not checked")
    here = text.replace("/opt/waypost/bin/waypost", sys.executable).replace("User=waypost", "User=root")
    (tmp_path / "waypost-worker.service").write_text(here)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "waypost-worker.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    about_it = [line for line in verified.stderr.splitlines() if "waypost-worker" in line]
    assert about_it == []


def test_slurm_runs_the_script(tmp_path: Path) -> None:
    """The script runs with a stand-in for Slurm's `srun`: a worker with its certificates and its own store,
    which hears the SIGTERM that Slurm sends before a job's time is over.
    """
    script = FILES / "workers.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, script], check=True)
    directives = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH ")]
    assert directives
    assert all(line.startswith("#SBATCH --") and "=" in line for line in directives)
    for name, lines in {
        "srun": 'test "$1" = --kill-on-bad-exit=0 && shift && exec "$@"',
        "waypost": 'printf "%s\\n" waypost "$@" >words; env >variables; trap "echo left >end; exit 0" TERM\n'
        "while :; do sleep 0.05; done",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": "/home/me",
        "USER": "me",
        "TMPDIR": str(tmp_path),
    }
    process = subprocess.Popen(["bash", script, "tls://node:8786"], cwd=tmp_path, env=env)
    until = time.monotonic() + 20
    while not (tmp_path / "variables").exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert (tmp_path / "end").read_text() == "left\n"
    words = (tmp_path / "words").read_text().splitlines()
    check_worker(words)
    assert words[2] == "tls://node:8786"
    variables = dict(
        line.split("=", 1) for line in (tmp_path / "variables").read_text().splitlines() if "=" in line
    )
    assert variables["WAYPOST_HOME"] == f"{tmp_path}/waypost-me"
    assert variables["DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY"] == "/home/me/.dask/node.key"


def test_slurm_script_wants_an_address(tmp_path: Path) -> None:
    """Without an address the script says what it wants."""
    done = subprocess.run(
        ["bash", FILES / "workers.sbatch"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode != 0
    assert "the address of the scheduler" in done.stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_certificates_of_the_docs(tmp_path: Path) -> None:
    """The commands of docs/workers.md make certificates that client and cluster take from each other, also
    where certificates are looked at strictly, as by Python 3.13.
    """
    page = (ROOT / "docs" / "workers.md").read_text()
    [block] = [code for code in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "openssl" in code]
    made = subprocess.run(
        ["bash", "-e"], input=block, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if made.returncode and "unrecognized option" in made.stderr.lower():
        pytest.skip("this openssl is older than 3")
    assert made.returncode == 0, made.stderr
    sides = []
    for name, purpose in (("me", ssl.Purpose.SERVER_AUTH), ("node", ssl.Purpose.CLIENT_AUTH)):
        context = ssl.create_default_context(purpose, cafile=str(tmp_path / "ca.pem"))
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        sides.append(context)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = sides[0].wrap_bio(back, there)
    server = sides[1].wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.getpeercert()["subject"] == ((("commonName", "node"),),)  # type: ignore[index]
    assert server.getpeercert()["subject"] == ((("commonName", "me"),),)  # type: ignore[index]
