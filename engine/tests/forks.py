"""`python -m waypost` and `mlflow` for tests, as forks of a process that has imported what they import.

Importing MLflow and its store takes four seconds of a core, and most of what a test starts does little else.
A fork is a process as any other: it has its own variables, folder, streams, module `__main__` and exit code.
What the forks import is imported once for those that follow. A test of imports, or of what is read while
modules are imported, sets a variable that begins as one of _AT_IMPORT: it gets a new interpreter. So does a
test of what goes on beside a run, which in a fork is over too soon, and of bytes that are the same in any
process: with ALONE.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

_ENGINE = Path(__file__).parents[1]
_AT_IMPORT = ("PYTHON", "LD_", "LC_", "LANG", "MLFLOW_", "OPENBLAS_", "OMP_", "GLIBC_", "MALLOC_")
_ANY_TIME = {
    *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_REGISTRY_URI"),
    *("MLFLOW_EXPERIMENT_NAME", "MLFLOW_ARTIFACT_URI", "MLFLOW_S3_ENDPOINT_URL"),
    *("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"),
    *("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_FLASK_SERVER_SECRET_KEY"),
}
_NEVER = ("MLFLOW_", "PYTHONDONTWRITEBYTECODE")  # a workplace has none
_COSTLY = (
    "mlflow.cli",
    "mlflow.store.tracking.rest_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.projects",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "pyarrow.parquet",
    "sklearn.ensemble",
    "skops.io",
)
_LARGEST = 1 << 17  # a message of this kind of socket

ALONE = {"PYTHONHASHSEED": "random"}
"""Variables that ask for a new interpreter, and change nothing in it."""


def _fixed(env: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that modules may read while they are imported."""
    return {name: text for name, text in env.items() if name.startswith(_AT_IMPORT) and name not in _ANY_TIME}


def _module(command: Sequence[str]) -> tuple[str, list[str]] | None:
    """Returns the module that a command executes, and its arguments; None where that is none of ours."""
    if command[0] == "mlflow":
        return "mlflow", list(command[1:])
    is_python = command[0] in {"python", sys.executable} and command[1:2] == ["-m"]
    return (command[2], list(command[3:])) if is_python and command[2] in {"waypost", "mlflow"} else None


class Fork:
    """A fork that runs; of what subprocess.Popen has, the part that tests use."""

    def __init__(self, command: list[str], told: int, out: IO[str] | None, err: IO[str] | None) -> None:
        self.args, self.stdout, self.stderr = command, out, err
        self.returncode: int | None = None
        self._told = os.fdopen(told, encoding="ascii")
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._told.read())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        until = None if timeout is None else time.monotonic() + timeout
        texts = {"out": "", "err": ""}
        threads = []
        for name, stream in (("out", self.stdout), ("err", self.stderr)):
            if stream:
                threads.append(threading.Thread(target=_read, args=(stream, texts, name), daemon=True))
                threads[-1].start()
        for thread in threads:
            thread.join(until and max(until - time.monotonic(), 0))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(until and max(until - time.monotonic(), 0))
        return texts["out"], texts["err"]


def _read(stream: IO[str], texts: dict[str, str], name: str) -> None:
    with stream:
        texts[name] = stream.read()


Process = Fork | subprocess.Popen[str]


class Forks:
    """Runs `python -m waypost …` and `mlflow …`. One for all tests of a process; closing it ends its own."""

    def __init__(self) -> None:
        given = {name: text for name, text in _fixed(os.environ).items() if not name.startswith(_NEVER)}
        self._env = {**given, "MLFLOW_DISABLE_TELEMETRY": "true"}  # as in a workplace
        self._channel: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> int:
        """The number of the process that is forked, 0 before the first one."""
        return self._server.pid if self._server else 0

    def close(self) -> None:
        if self._channel and self._server:
            self._channel.close()
            self._server.wait()

    def load(self, *modules: str) -> None:
        """Imports what most forks need, before the first one imports it for itself."""
        if sys.platform == "linux":
            self._connected().send(json.dumps({"import": modules}).encode())

    def run(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Does what subprocess.run does: output is text, the exit code is free, nothing comes from stdin."""
        process = self.start(command, cwd, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate()
        except BaseException:  # the test's time is over
            process.kill()
            raise
        return subprocess.CompletedProcess(command, process.wait(), out, err)

    def start(
        self,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        *,
        stdout: int | IO[str] = subprocess.DEVNULL,
        stderr: int | IO[str] = subprocess.DEVNULL,
        start_new_session: bool = False,
    ) -> Process:
        """Does what subprocess.Popen does, with text, and with nothing on stdin."""
        found = _module(command)
        if found is None or sys.platform != "linux" or _fixed(env) != self._env:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                text=True,
                start_new_session=start_new_session,
            )
        ours, theirs = _streams(stdout, stderr)
        told, tell = os.pipe()
        request = {"module": found[0], "arguments": found[1], "folder": str(cwd), "variables": dict(env)}
        message = json.dumps({**request, "session": start_new_session}).encode()
        socket.send_fds(self._connected(), [message], [tell, *theirs])
        for writer in (tell, *theirs):
            os.close(writer)
        return Fork(list(command), told, *ours)

    def _connected(self) -> socket.socket:
        """Returns the socket that leads to the process that forks; starts it at the first time."""
        if self._channel is None:
            self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            given = {name: text for name, text in os.environ.items() if not name.startswith(_NEVER)}
            with other:
                self._server = subprocess.Popen(
                    [sys.executable, "-m", "tests.forks", str(other.fileno())],
                    cwd=_ENGINE,
                    # Forks of a process of one thread are safe.
                    env={**given, **self._env, "OPENBLAS_NUM_THREADS": "1"},
                    pass_fds=[other.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
        return self._channel


def _streams(*sinks: int | IO[str]) -> tuple[list[IO[str] | None], list[int]]:
    """Returns what we read of each output, if it is a pipe, and what the fork writes on.

    An output is what subprocess.Popen takes for one. Who sends the descriptors closes them.
    """
    ours: list[IO[str] | None] = []
    theirs: list[int] = []
    for sink in sinks:
        ours.append(None)
        if sink == subprocess.PIPE:
            reader, writer = os.pipe()
            ours[-1] = os.fdopen(reader, encoding="utf-8")
            theirs.append(writer)
        elif sink == subprocess.STDOUT:
            theirs.append(os.dup(theirs[0]))
        elif sink == subprocess.DEVNULL:
            theirs.append(os.open(os.devnull, os.O_WRONLY))
        else:
            theirs.append(os.dup(sink if isinstance(sink, int) else sink.fileno()))
    return ours, theirs


def serve(channel: socket.socket) -> None:
    """Forks for each request until the other side hangs up."""
    here, news = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    importlib.import_module("waypost.cli")
    while True:
        data, fds, _, _ = socket.recv_fds(channel, _LARGEST, 3)
        if not data:
            return
        with contextlib.suppress(BlockingIOError):
            while True:
                for name in json.loads(here.recv(_LARGEST)):
                    importlib.import_module(name)
        request = json.loads(data)
        for name in request.get("import", ()):
            importlib.import_module(name)
        if "module" in request and os.fork() == 0:
            channel.close()
            here.close()
            _keep(request, news, *fds)
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(request: dict[str, object], news: socket.socket, told: int, out: int, err: int) -> NoReturn:
    """Waits for the process that a test asked for, as its parent, and tells its number and its exit code."""
    process = os.fork()
    if process == 0:
        os.close(told)
        _become(request, news, out, err)
    os.close(out)
    os.close(err)
    os.write(told, f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(request: dict[str, object], news: socket.socket, out: int, err: int) -> NoReturn:
    """Becomes what `python -m MODULE` is with these arguments, in this folder, with these variables."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        for fd in (null, out, err):
            os.close(fd)
        if request["session"]:
            os.setsid()
        folder, variables = str(request["folder"]), request["variables"]
        assert isinstance(variables, dict)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        time.tzset()
        tempfile.tempdir = None
        random.seed()
        atexit.register(_tell_what_was_loaded, news)
        sys.path[0] = folder
        arguments = request["arguments"]
        assert isinstance(arguments, list)
        sys.argv[1:] = arguments
        code = _executed(str(request["module"]))
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def _executed(module: str) -> int:
    """Executes a module as `python -m` does; returns the exit code."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _tell_what_was_loaded(news: socket.socket) -> None:
    """Says what took long to import, for the forks that follow."""
    with contextlib.suppress(OSError):  # the tests are over
        news.send(json.dumps([name for name in _COSTLY if name in sys.modules]).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
