"""`mlflow run … --backend waypost`: any MLflow project gets the store, the environments and the workers.

MLflow loads this module by the entry point group `mlflow.project_backend`.
"""

from __future__ import annotations

import atexit
import codecs
import contextlib
import functools
import logging
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from mlflow import MlflowClient
from mlflow.entities import RunStatus
from mlflow.exceptions import ExecutionException
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun

from waypost.compat.mlflow_projects import (
    PROJECT_ENV_MANAGER,
    get_or_create_run,
    get_run_env_vars,
    load_project,
)
from waypost.contracts.command import PythonCommand, command_problems, filled, python_command
from waypost.contracts.component import FILE, Project, parse_project
from waypost.contracts.trees import path_problem, shown
from waypost.errors import Finding, FindingsError, Interrupted, UsageError, WaypostError, redacted
from waypost.pins.commit_contents import Commit
from waypost.release.fetched import unpacked
from waypost.runs import environments
from waypost.runs.environments import Environment
from waypost.runs.forks import OF_EVERY_STEP, ForkServerLostError, Process, Task
from waypost.runs.imports import reached
from waypost.runs.processes import Processes, can_fork
from waypost.sources import git, remotes
from waypost.sources.files import read_project, read_python_env
from waypost.sources.mirror import Mirror
from waypost.sources.mirror_objects import HEAD
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.system.scratch import scratch, writable_copy
from waypost.system.signals import check, heeded, held
from waypost.texts.escaping import terminal_text
from waypost.tracking.connection import client, last_words, tracking_errors
from waypost.tracking.databases import LISTENER, Turn

_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.05


class WaypostBackend(AbstractBackend):
    """Runs a project's entry point as a fork of a worker that lives as long as this process."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: dict[str, Any] | None,
        version: str | None,
        backend_config: dict[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> SubmittedRun:
        """Starts a project and returns at once; from the command line, when it has ended.

        Raises ExecutionException that says what is wrong.
        """
        LISTENER.set(_log.warning)
        is_command = click.get_current_context(silent=True) is not None
        try:
            with heeded() if is_command else contextlib.nullcontext():
                project, source = _fetched(project_uri, version)
                job = _Prepared(project, entry_point, params or {}, backend_config)
                shown, values = redacted(project_uri), params or {}
                # Without the version: MLflow would look for a repository around the folder.
                wish = (None, shown, experiment_id, str(project), None, entry_point, values)
                with held(), tracking_errors():
                    tracked = client(tracking_uri)
                    run = Turn(tracking_uri)(lambda: get_or_create_run(*wish))  # type: ignore[no-untyped-call]
                    submitted = _Submitted(job, tracked, run.info.run_id, experiment_id)
                    with submitted.closed_after_errors():
                        submitted.begin(source)
                        is_good = not is_command or submitted.wait()
        except WaypostError as error:
            raise ExecutionException(_text(error)) from error
        except Interrupted as error:
            if not is_command:
                raise
            _log.error("=== %s ===", error)
            raise SystemExit(error.exit_code) from error
        if not is_good:
            raise ExecutionException(f"Run (ID '{submitted.run_id}') failed")
        return submitted


def backend() -> WaypostBackend:
    """What MLflow calls."""
    return WaypostBackend()


class _Submitted(SubmittedRun):
    """A project on its way; `wait` shows what it writes."""

    def __init__(self, job: _Prepared, client: MlflowClient, run_id: str, experiment_id: str) -> None:
        super().__init__()
        self._client = client
        self._run_id = run_id
        self._log = _folder() / f"{run_id}.log"
        self._shown = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._code: int | None = None
        joins = get_run_env_vars(run_id, experiment_id)  # type: ignore[no-untyped-call]
        variables = {**os.environ, **job.environment.variables(), **OF_EVERY_STEP, **joins}
        self._environment = job.environment
        self._running: Process | None = None
        self._task = Task(job.name, job.shell, job.python, job.folder, variables, self._log, job.modules)
        self._executor = _executor(_inherited())

    def begin(self, tags: Mapping[str, str]) -> None:
        """Says where the project came from, and starts it."""
        for key, value in tags.items():
            self._client.set_tag(self._run_id, key, value)
        self._executor.announce(self._task.variables["MLFLOW_TRACKING_URI"])
        check()
        self._running = self._start()

    @contextlib.contextmanager
    def closed_after_errors(self) -> Iterator[None]:
        """Yields the run its terminal status where something goes wrong on our side."""
        try:
            yield
        except BaseException as error:
            with last_words():
                self._end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise

    @property
    def run_id(self) -> str:
        return self._run_id

    def wait(self) -> bool:
        """Waits for the end; tells whether it was a good one."""
        while self._poll() is None:
            check()
            self._show()
            self._executor.wait(_TICK_SECONDS)
        self._show()
        return self._code == 0

    def get_status(self) -> str:
        code = self._poll()
        state = RunStatus.RUNNING if code is None else RunStatus.FAILED if code else RunStatus.FINISHED
        return str(RunStatus.to_string(state))

    def cancel(self) -> None:
        """Ends the project and its children."""
        if self._poll() is None:
            self._end("KILLED")

    def _end(self, status: str) -> None:
        if self._running:
            self._running.end()
        if self._code is None:
            self._close(1, status)

    def _start(self, *, plain: bool = False) -> Process:
        return self._executor.start(self._environment, self._task, plain=plain)

    def _poll(self) -> int | None:
        if self._code is None and self._running:
            self._executor.wait(0)
            try:
                code = self._running.poll()
            except ForkServerLostError as error:
                _log.warning("%s; it runs as a plain process", error)
                self._running = self._start(plain=True)
                return None
            if code is not None:
                self._close(code, "FAILED" if code else "FINISHED")
        return self._code

    def _close(self, code: int, status: str) -> None:
        self._code = code
        try:
            if self._log.exists():
                self._client.log_artifact(self._run_id, str(self._log), "logs")
        finally:
            self._client.set_terminated(self._run_id, status=status)

    def _show(self) -> None:
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as log:
            log.seek(self._shown)
            text = log.read()
            self._shown += len(text)
            shown = self._decoder.decode(text)
            if sys.stdout.isatty():  # a bar that is drawn again and again is a line each time
                shown = terminal_text(re.sub(r"\r+\n?", "\n", shown))
            sys.stdout.write(shown)
            sys.stdout.flush()


class _Prepared:
    """An entry point with its values, its environment, and the modules that its code imports."""

    def __init__(self, folder: Path, name: str, values: dict[str, Any], config: dict[str, Any]) -> None:
        contract = read_project(folder)  # before MLflow reads it, which knows no limits
        project = load_project(str(folder))  # type: ignore[no-untyped-call]
        self.name = str(project.name or folder.name)
        self.folder = folder
        entry_point = project.get_entry_point(name)
        quoted, more = entry_point.compute_parameters(values, tempfile.mkdtemp(dir=_folder()))
        extra = [f"--{key} {value}" for key, value in more.items()]
        if problems := command_problems(entry_point.command, quoted):
            place = f"{FILE}: entry_points.{name}.command"
            raise FindingsError(Finding(place, *problem) for problem in problems)
        self.shell = " ".join([filled(entry_point.command, quoted), *extra])
        raw = {key: "".join(shlex.split(value)) for key, value in quoted.items()}
        self.environment = _environment(folder, contract, config.get(PROJECT_ENV_MANAGER))
        self.python: PythonCommand | None = None
        self.modules: tuple[str, ...] = ()
        if python := python_command(entry_point.command, raw):
            found = reached(folder, python)
            if not found.configures:
                more_words = shlex.split(" ".join(extra))
                self.python = replace(python, arguments=(*python.arguments, *more_words))
                self.modules = found.modules


def _environment(folder: Path, project: Project, manager: str | None) -> Environment:
    wanted = None if manager == "local" else environments.to_build(read_python_env(folder, project))
    return environments.ensure(folder, wanted, home(), _say) if wanted else environments.local()


def _fetched(uri: str, version: str | None) -> tuple[Path, dict[str, str]]:
    """Returns a project's folder and the tags that say where it came from.

    A local folder is taken as it is; with a version it is a repository like any other: its work tree
    and its HEAD are never touched. Raises WaypostError.
    """
    url, _, inside = uri.strip("'\"").partition("#")
    if inside and (problem := path_problem(inside.strip("/"))):
        raise UsageError(f"{redacted(url)}: the folder {shown(inside)} {problem}")
    if url.endswith(".zip"):
        raise UsageError(f"{redacted(url)}: an archive is not for Waypost; leave --backend waypost out")
    local = Path(url.removeprefix("file://"))
    if local.is_dir() and version is None and not _is_bare(local):
        return local.resolve() / inside, {}
    store = Store(home(), _say)
    mirror = store.mirror(str(local.resolve()) if local.is_dir() else url)
    commit = _commit(mirror, version)
    at = Commit(mirror, commit)
    text = mirror.text(f"{inside}/{FILE}" if inside else FILE, commit)
    contract = parse_project(text, FILE) if text else None
    tags = {"mlflow.source.git.commit": commit, "waypost.component.version": version or ""}
    if inside and "/" not in inside and contract and contract.shared:
        # It says what it needs besides itself: nothing else is fetched.
        parts = {name: tree for name in (inside, *contract.shared) if (tree := at.tree(name))}
        place = writable_copy(store.obtain(parts, mirror), parts, _folder())
        return place / inside, {**tags, **{f"waypost.tree.{name}": tree for name, tree in parts.items()}}
    whole = unpacked(store, mirror, commit)
    if not (whole / inside).is_dir():
        raise UsageError(f"{redacted(url)}: no folder {inside!r} at {version or 'its default branch'}")
    # A project may write where it lies, and read what lies around it.
    return writable_copy(whole.parent, [whole.name], _folder()) / whole.name / inside, tags


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _commit(mirror: Mirror, version: str | None) -> str:
    """Returns the commit behind a version, fetched: a tag before a branch of the same name, else an id."""
    if version is None:
        mirror.fetch_head()
        commit = git.object_at(mirror.folder, HEAD)
        if commit is None:
            raise UsageError(f"{redacted(mirror.url)}: the repository has no default branch")
        mirror.ensure(commit)
        return commit
    tag = version.removeprefix("refs/tags/")
    commit = mirror.tags().get(tag) or remotes.branches_of(mirror.url).get(version)
    commit = commit or remotes.commit_of(mirror.url, version)
    if commit is None:
        raise UsageError(f"{redacted(mirror.url)}: no tag, branch or commit {version!r}")
    mirror.ensure(commit, tag=tag)
    return commit


@functools.cache
def _folder() -> Path:
    """Returns a folder for logs and downloads that goes with this process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(scratch())


def _inherited() -> frozenset[tuple[str, str]]:
    """Returns the variables that a worker reads when it imports; MLflow's own change from run to run."""
    return frozenset(item for item in os.environ.items() if not item[0].startswith("MLFLOW_"))


@functools.cache
def _executor(_: frozenset[tuple[str, str]]) -> Processes:
    """Returns the workers of this process, others where it has changed its variables: a parent project that
    runs many others imports once.
    """
    executor = Processes(Path(tempfile.mkdtemp(dir=_folder())), fork=can_fork())
    atexit.register(executor.close)
    return executor


def _text(error: WaypostError) -> str:
    if isinstance(error, FindingsError):
        return terminal_text("; ".join(f"{f.place}: {f.problem}" for f in error.findings))
    return terminal_text(f"{error}. {error.hint}" if error.hint else str(error))


def _say(text: str) -> None:
    _log.info("%s", terminal_text(text))
