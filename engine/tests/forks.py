"""`python -m waypost` for tests, as a fork of a process that has imported what it imports.

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
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_ENGINE = Path(__file__).parents[1]
_AT_IMPORT = ("PYTHON", "LD_", "LC_", "LANG", "MLFLOW_", "OPENBLAS_", "OMP_", "GLIBC_", "MALLOC_")
_ANY_TIME = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_ARTIFACT_URI"}
_NEVER = ("MLFLOW_", "PYTHONDONTWRITEBYTECODE")  # a workplace has none
_COSTLY = (
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


def _is_ours(command: Sequence[str]) -> bool:
    return command[0] in {"python", sys.executable} and list(command[1:3]) == ["-m", "waypost"]


class Forks:
    """Runs `python -m waypost …`. One for all tests of a process; closing it ends its own process."""

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

    def run(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Does what subprocess.run does: output is text, the exit code is free, nothing comes from stdin."""
        if _is_ours(command) and sys.platform == "linux" and self._serves(env):
            return self._forked(command, cwd, env)
        return subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _serves(self, env: Mapping[str, str]) -> bool:
        if _fixed(env) != self._env:
            return False
        if self._channel is None:
            self._start(env)
        return True

    def _start(self, env: Mapping[str, str]) -> None:
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.forks", str(other.fileno())],
                cwd=_ENGINE,
                env={**env, "OPENBLAS_NUM_THREADS": "1"},  # forks of a process of one thread are safe
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _forked(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        assert self._channel
        request = {"arguments": command[3:], "folder": str(cwd), "variables": dict(env)}
        readers, writers = zip(*(os.pipe() for _ in range(3)), strict=True)
        socket.send_fds(self._channel, [json.dumps(request).encode()], writers)
        for writer in writers:
            os.close(writer)
        told, out, err = (open(reader, encoding="utf-8") for reader in readers)  # noqa: PTH123, SIM115
        texts: list[str] = []
        with told, out, err:
            process = int(told.readline())
            reading = threading.Thread(target=lambda: texts.append(err.read()), daemon=True)
            reading.start()
            try:
                said = out.read()
                code = int(told.read())
            except BaseException:  # the test's time is over
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise
            reading.join()
        return subprocess.CompletedProcess(command, code, said, texts[0])


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
        if os.fork() == 0:
            channel.close()
            here.close()
            _keep(json.loads(data), news, *fds)
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
    """Becomes what `python -m waypost` is with these arguments, in this folder, with these variables."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        for fd in (null, out, err):
            os.close(fd)
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
        runpy.run_module("waypost", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def _tell_what_was_loaded(news: socket.socket) -> None:
    """Says what took long to import, for the forks that follow."""
    with contextlib.suppress(OSError):  # the tests are over
        news.send(json.dumps([name for name in _COSTLY if name in sys.modules]).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
