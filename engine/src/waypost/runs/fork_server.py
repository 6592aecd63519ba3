"""A process that imports what steps need, and forks once for each step.

Executed by the Python of a component's environment, from 3.8 on, where Waypost is not installed: it uses only
the standard library and imports nothing of Waypost. It talks to the engine over a socket, one JSON document
per line.

    from the engine   {"import": [module, …]}, {"store": tracking URI} once its tables are there
                      {"step": ID, "import": […], "file": F or "module": M, "arguments": […],
                       "folder": …, "variables": {…}, "log": …, "report": …, "memory": bytes or 0}
                      {"cancel": ID}: do not begin this step, if it has not begun
    to the engine     {"step": ID, "process": N}, then {"step": ID, "code": N, "memory": bytes,
                       "cpu": seconds}
                      or {"step": ID, "unsafe": why it cannot be forked}

A step sees what a new process would see: its own variables, folder, arguments, import path, random state and
signal handlers, no open file except the log; it leads its own process group. Modules that it loads are
imported here afterwards, for the steps that follow.

Processes that a step starts carry its mark, a unique number in a resource limit that is otherwise unused here
(the time of a real-time process that never sleeps). The kernel passes it on to every child and program, in
any session and with any variables or parent, and reports it for any process: when a step has ended, its
remaining processes are found and ended, and no others.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import resource
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

_PR_SET_NAME, _PR_SET_PDEATHSIG = 15, 1
_MAIN = "__main__"
_MARK = getattr(resource, "RLIMIT_RTTIME", -1)  # Linux only
_LEAST_MARK = 1 << 40  # microseconds, twelve days: no process ever reaches it
_LAST_SECONDS = 5.0
_PAUSE_SECONDS = 0.005
_SAFE_THREADS = {"jemalloc_bg_thd"}  # it handles forks itself


class _Worker:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._received = b""
        self._requests: list[dict[str, Any]] = []
        self._cancelled: set[str] = set()
        self._modules: list[str] = []
        self._tried: set[str] = set()
        self._steps: dict[int, tuple[dict[str, Any], int]] = {}
        self._store = ""
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
        # Steps must not see the folder of this file or the current PYTHONPATH.
        given = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        self._path = [entry for entry in sys.path[1:] if os.path.abspath(entry) not in given]
        sys.path[:] = self._path
        self._wake, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serves requests until the engine hangs up."""
        gc.disable()  # imports leave little to collect, and are a tenth faster without
        while True:
            idle = None if not self._modules else 0
            channel = self._channel.fileno()
            readable, _, _ = select.select([channel, self._wake], [], [], idle)
            if self._wake in readable:
                os.read(self._wake, 4096)
                self._reap()
            if channel in readable and not self._listen():
                return
            while self._requests:
                self._obey(self._requests.pop(0))
            if self._modules:
                self._import([self._modules.pop(0)])

    def _listen(self) -> bool:
        """Reads requests, and notes them; returns whether the engine is still connected."""
        data = self._channel.recv(1 << 16)
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "cancel" in request:
                self._cancelled.add(request["cancel"])
            else:
                self._requests.append(request)
        return bool(data)

    def _obey(self, request: dict[str, Any]) -> None:
        if "step" in request:
            self._start(request)
        elif "store" in request:
            self._store = request["store"]
            self._warm_up()
        else:
            self._modules += request["import"]

    def _say(self, **content: object) -> None:
        self._channel.sendall(json.dumps(content).encode() + b"\n")

    def _import(self, modules: list[str]) -> None:
        for module in modules:
            if module in self._tried:
                continue
            self._tried.add(module)
            if module not in sys.modules:
                # An import error belongs to the step: it fails again there.
                with contextlib.suppress(BaseException):
                    importlib.import_module(module)
                if module == "mlflow":
                    self._warm_up()

    def _warm_up(self) -> None:
        """Lets MLflow check its database once instead of in each step; no connection stays open."""
        if self._store.startswith("sqlite:") and "mlflow" in sys.modules:
            with contextlib.suppress(Exception):
                _look_at(self._store)

    def _start(self, request: dict[str, Any]) -> None:
        self._import(request["import"])
        while select.select([self._channel], [], [], 0)[0] and self._listen():
            pass  # it may have been cancelled during the imports
        if request["step"] in self._cancelled:
            self._cancelled.discard(request["step"])
            self._say(step=request["step"], code=-signal.SIGTERM, memory=0, cpu=0)
            return
        count = _unprepared_threads()
        problem = f"{count} threads run after importing its modules" if count else _hidden(_own_path(request))
        if problem:
            self._say(step=request["step"], unsafe=problem)
            return
        gc.freeze()
        worker, mark = os.getpid(), _new_mark()
        process = os.fork()
        if process == 0:
            _wear(mark)
            _become_step(request, self._path, self._prctl, worker)
        self._steps[process] = request, mark
        self._say(step=request["step"], process=process)

    def _reap(self) -> None:
        for process in list(self._steps):
            # Its children first: until it is reaped, no other process can get its group's id.
            if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process, signal.SIGKILL)
            _, status, usage = os.wait4(process, 0)
            request, mark = self._steps.pop(process)
            _end_marked(mark)
            code = os.waitstatus_to_exitcode(status)
            spent = usage.ru_utime + usage.ru_stime
            self._say(step=request["step"], code=code, memory=usage.ru_maxrss * 1024, cpu=spent)
            with contextlib.suppress(OSError, ValueError), open(request["report"], encoding="utf-8") as file:
                self._modules += json.load(file)
                os.unlink(request["report"])


def _look_at(store: str) -> None:
    """Lets MLflow open a database, and closes the connections: a fork must not share one."""
    import mlflow
    from sqlalchemy import event
    from sqlalchemy.engine import Connection, Engine

    opened: set[Engine] = set()

    def note(connection: Connection) -> None:
        opened.add(connection.engine)

    event.listen(Engine, "engine_connect", note)
    mlflow.MlflowClient(store)
    event.remove(Engine, "engine_connect", note)
    for engine in opened:
        engine.dispose()


def _own_path(request: dict[str, Any]) -> list[str]:
    """Returns where Python looks first: the step's folder, then the entries of PYTHONPATH."""
    folder = request["folder"]
    given = request["variables"].get("PYTHONPATH", "").split(os.pathsep)
    extra = [os.path.normpath(os.path.join(folder, entry)) for entry in given if entry]
    if "file" in request:
        folder = os.path.dirname(os.path.realpath(os.path.join(folder, request["file"])))
    return [folder, *extra]


def _hidden(path: list[str]) -> str:
    """Returns the problem if a module of the step has the name of a loaded one: a new process would import
    the step's.
    """
    for folder in path:
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder):
                name, kind = os.path.splitext(entry)
                file = getattr(sys.modules.get(name), "__file__", None)
                package = os.path.join(folder, entry, "__init__.py")
                is_module = kind == ".py" or (not kind and os.path.isfile(package))
                if file and is_module and not file.startswith(os.path.join(folder, "")):
                    return f"its module {name} has the same name as a loaded one"
    return ""


def _unprepared_threads() -> int:
    """Returns the number of threads that cannot cope with a fork, which could catch them holding a lock."""
    if _threads() > 0:
        # OpenBLAS and others end their threads when a process forks; those that stay are counted.
        process = os.fork()
        if process == 0:
            os._exit(0)
        os.waitpid(process, 0)
    return _threads()


def _threads() -> int:
    with contextlib.suppress(OSError):
        found = 0
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/comm", encoding="utf-8") as file:
                found += int(thread) != os.getpid() and file.read().strip() not in _SAFE_THREADS
        return found
    return threading.active_count() - 1


def _new_mark() -> int:
    """Returns a mark that no other step on this machine has; 0 if marks are not supported."""
    if _MARK < 0:
        return 0
    most = resource.getrlimit(_MARK)[1]
    most = 1 << 62 if most == resource.RLIM_INFINITY else most
    return random.SystemRandom().randint(_LEAST_MARK, most) if most > _LEAST_MARK else 0


def _wear(mark: int) -> None:
    if mark:
        resource.setrlimit(_MARK, (mark, resource.getrlimit(_MARK)[1]))


def _end_marked(mark: int) -> None:
    """Ends all processes with a mark, and waits until they are gone."""
    until = time.monotonic() + _LAST_SECONDS
    while mark and (left := _marked(mark)) and time.monotonic() < until:
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def _marked(mark: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):  # no /proc is mounted here
        for process in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if resource.prlimit(process, _MARK)[0] == mark:
                    found.append(process)
    return found


def _become_step(
    request: dict[str, Any], path: list[str], prctl: Callable[..., int] | None, worker: int
) -> None:
    """Makes a fork of the worker look like a new process, runs the step, and exits."""
    code = 1
    try:
        os.setsid()
        if prctl:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            prctl(_PR_SET_NAME, request["step"].encode()[:15])
            if os.getppid() != worker:  # the worker died before prctl took effect
                return
        _clean_process(request)
        known = set(sys.modules)
        code = _run(request, path)
        _end()
        with open(request["report"], "w", encoding="utf-8") as file:
            json.dump(_loaded(known, request["folder"]), file)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _clean_process(request: dict[str, Any]) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python does when it starts
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request["variables"], PWD=request["folder"])  # as a shell does
    time.tzset()
    tempfile.tempdir = None
    os.chdir(request["folder"])
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if request["memory"]:
        resource.setrlimit(resource.RLIMIT_DATA, (request["memory"], request["memory"]))
    gc.enable()


def _run(request: dict[str, Any], path: list[str]) -> int:
    """Runs a file or module as `python FILE` or `python -m MODULE` would; returns the exit code."""
    name = request.get("file") or request["module"]
    script = os.path.join(request["folder"], name)
    sys.argv = [name, *request["arguments"]]
    sys.path[:] = [*_own_path(request), *path]
    try:
        if "file" in request:
            main = types.ModuleType(_MAIN)
            main.__dict__.update(__file__=script, __builtins__=__builtins__)
            sys.modules[_MAIN] = main
            with open(script, "rb") as file:
                code = compile(file.read(), script, "exec")
            exec(code, main.__dict__)
        else:
            runpy.run_module(name, run_name=_MAIN, alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        # Without the frames of this file: the log looks like that of a plain process.
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end() -> None:
    """Does what an interpreter does at exit."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _loaded(known: set[str], folder: str) -> list[str]:
    """Returns the modules that the step loaded, except those of its own code."""
    root = os.path.join(os.path.dirname(folder), "")
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name not in known and module and not file.startswith(root):
            spec = getattr(module, "__spec__", None)
            if spec is not None and spec.name == name:
                found.append(name)
    return found


if __name__ == "__main__":
    _Worker(socket.socket(fileno=int(sys.argv[1]))).serve()
