"""`waypost check --run`: the tests of components in their own environments, and their examples under stock
MLflow. All of it happens in a copy of the library, with a tracking store of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost import compat
from waypost.contracts.argument_values import argument_text
from waypost.contracts.component import FILE, EntryPoint
from waypost.contracts.examples import example_problems, in_order, is_file, output_reference
from waypost.contracts.python_env import PythonEnv
from waypost.errors import Finding, WaypostError
from waypost.release.bumpversion import SETTINGS, read_section
from waypost.release.component_folders import ComponentFolders, read_folders
from waypost.runs import environments
from waypost.runs.environments import Environment
from waypost.runs.logs import exit_cause
from waypost.runs.outputs import model_problem
from waypost.sources.files import read_python_env
from waypost.sources.waiting import Notify
from waypost.system.places import home
from waypost.system.process import ProcessError, bytes_of
from waypost.system.scratch import scratch
from waypost.tracking import trial

_SCRIPTS = {".sh": "sh", ".bash": "bash", ".R": "Rscript", ".r": "Rscript", ".jl": "julia"}
_MOST_WORDS = 300
# Copied, never imported: its audit hook would cut this process off from the network, and stay.
_GUARD = Path(compat.__file__).with_name("offline_tests.py")


Ran = dict[str, set[str]]
"""What was executed of components, by their names: `run-tests`, `run-example`."""


def try_components(library: Path, say: Notify, ran: Ran | None = None) -> list[Finding]:
    """Executes tests and examples of a library's components; returns the failures. Raises WaypostError.

    Args: `ran` collects what was executed.
    """
    folders = read_folders(library)
    with scratch() as temp:
        trial_ = _Trial(folders, temp, say, {} if ran is None else ran)
        return [finding for name in in_order(folders.contracts) for finding in trial_.of(name)]


@dataclass
class _Trial:
    """A copy of a library in which components are executed one by one; `ran` is what was executed, `made` are
    the outputs of successful examples.
    """

    folders: ComponentFolders
    temp: Path
    say: Notify
    ran: Ran
    made: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.library = self.temp / "library"
        root = self.folders.root
        packages = read_section(root / SETTINGS, "waypost:tests").get("packages", "")
        self.tools = ("pytest", *re.findall(r"[\w.-]+", packages))
        files = [path for path in root.iterdir() if path.is_file()]
        for file in (*files, *(file for group in self.folders.content.values() for file in group)):
            target = self.library / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target, follow_symlinks=False)
            if not file.is_symlink():
                target.chmod(file.stat().st_mode | 0o600)
        guard = self.temp / "plugins" / "waypost_offline.py"
        guard.parent.mkdir()
        shutil.copyfile(_GUARD, guard)

    def of(self, name: str) -> Iterator[Finding]:
        """Executes tests and example of one component."""
        component, folder = self.folders.contracts[name], self.library / name
        try:
            python_env = read_python_env(folder, component)
            own = self._environment(folder, python_env)
            yield from self._tests(name, folder, python_env, own)
            if main := component.entry_points.get("main"):
                yield from self._example(name, main, own)
        except WaypostError as error:
            yield Finding(f"{name}/{FILE}", str(error), error.hint, "run-example")

    def _environment(self, folder: Path, python_env: PythonEnv) -> Environment:
        wanted = environments.to_build(python_env)
        if wanted is None:
            return environments.local()
        return environments.ensure(folder, wanted, home(), self.say)

    def _tests(self, name: str, folder: Path, wanted: PythonEnv, own: Environment) -> Iterator[Finding]:
        files = [path for path in sorted(folder.rglob("*")) if path.stem.startswith(("test_", "test-"))]
        if any(path.suffix == ".py" for path in files):
            lacks = [package for package in self.tools if not _has(own, package)]
            if lacks:
                more = PythonEnv(python=wanted.python, dependencies=(*wanted.dependencies, *lacks))
                own = environments.ensure(folder, more, home(), self.say)
            self.say(f"{name}: tests")
            options = ["-q", "--no-header", "-p", "waypost_offline", "-p", "no:cacheprovider"]
            yield from self._executed(
                name, [str(own.python), "-m", "pytest", *options, name], own, self.library
            )
        for file in files:
            if file.suffix in _SCRIPTS:
                self.say(f"{name}: {file.name}")
                yield from self._executed(name, [_SCRIPTS[file.suffix], str(file)], own, folder)

    def _executed(self, name: str, command: list[str], own: Environment, cwd: Path) -> Iterator[Finding]:
        self.ran.setdefault(name, set()).add("run-tests")
        try:
            bytes_of(command, cwd=cwd, env=self._variables(own), supervised=True)
        except (ProcessError, OSError) as error:
            said = error.stdout or error.stderr if isinstance(error, ProcessError) else str(error)
            yield Finding(
                name, f"its tests fail: {_failure(said)}", _shown(command, self.library), "run-tests"
            )

    def _example(self, name: str, main: EntryPoint, own: Environment) -> Iterator[Finding]:
        files = {path.relative_to(self.folders.root / name).as_posix() for path in self.folders.content[name]}
        if list(example_problems(main, files, self.folders.contracts)):
            return  # the rule `example` tells
        place = f"{name}/{FILE}: entry_points.main.example"
        reference = {key: output_reference(value) for key, value in main.example.items()}
        waits = [each.component for each in reference.values() if each and each.component not in self.made]
        if waits:
            yield Finding(place, f"it waits for {waits[0]}, which gave nothing", "", "run-example")
            return
        self.say(f"{name}: its example, by stock MLflow")
        self.ran.setdefault(name, set()).add("run-example")
        values = {key: self._value(name, main, key) for key in main.example}
        yield from self._run(name, main, values, own, place)

    def _value(self, name: str, main: EntryPoint, key: str) -> str:
        value = main.example[key]
        if reference := output_reference(value):
            return self.made[reference.component][reference.output]
        text = argument_text(main.parameters[key], value)
        return str(self.library / name / text) if is_file(main, key, text) else text

    def _run(
        self, name: str, main: EntryPoint, values: Mapping[str, str], own: Environment, place: str
    ) -> Iterator[Finding]:
        """Executes the example of a component; yields problems of the run and its outputs."""
        result = self.temp / f"{name}.json"
        asked = {
            "folder": str(self.library / name),
            "parameters": values,
            "outputs": str(self.temp / "outputs" / name),
            "paths": [output.path for output in main.outputs.values()],
            "models": [output.path for output in main.outputs.values() if output.type == "mlflow-model"],
        }
        python = str(own.python) if _has(own, "mlflow") else sys.executable
        command = [python, "-I", trial.__file__, str(result)]
        try:
            bytes_of(
                command,
                cwd=self.temp,
                env=self._variables(own),
                stdin=json.dumps(asked).encode(),
                supervised=True,
            )
        except ProcessError as error:
            log = self.temp / f"{name}.log"
            log.write_text(error.stderr, encoding="utf-8")
            hint = f"mlflow run {name}{_parameters(main)}"
            yield Finding(place, f"it fails: {exit_cause(1, log)[:_MOST_WORDS]}", hint, "run-example")
            return
        yield from self._judged(name, main, json.loads(result.read_text(encoding="utf-8")), place)

    def _judged(
        self, name: str, main: EntryPoint, came: Mapping[str, Mapping[str, str]], place: str
    ) -> Iterator[Finding]:
        problems = []
        for key, output in main.outputs.items():
            path = came["outputs"][output.path]
            if not path:
                problems.append(f"it ends well, and logs no {output.path}, the output {key!r}")
            elif output.type == "mlflow-model":
                if problem := model_problem(Path(path), output.metadata):
                    problems.append(f"its output {key!r} ({output.path}) {problem}")
                elif why := came["models"].get(output.path):
                    problems.append(f"its model {key!r} does not answer its own example: {why[:_MOST_WORDS]}")
        if not problems:
            self.made[name] = {key: came["outputs"][o.path] for key, o in main.outputs.items()}
        for problem in problems:
            yield Finding(place, problem, "", "run-example")

    def _variables(self, own: Environment) -> dict[str, str]:
        here = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_RUN")}
        plugins = os.pathsep.join(filter(None, [str(self.temp / "plugins"), here.get("PYTHONPATH", "")]))
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{self.temp / 'mlflow.db'}", "MLFLOW_REGISTRY_URI": ""}
        return {**here, **own.variables(), **store, "PYTHONPATH": plugins}


def _has(own: Environment, module: str) -> bool:
    """Tells whether an environment has a package."""
    if own.folder == Path(sys.prefix):
        return importlib.util.find_spec(module) is not None
    return any(own.folder.glob(f"lib/python*/site-packages/{module}"))


def _failure(said: str) -> str:
    """Returns the message of pytest, or a script, about a failure, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("FAILED ", "ERROR "))] or lines[-1:] or ["no word"]
    more = f" and {len(told) - 1} more" if len(told) > 1 else ""
    return f"{told[0][:_MOST_WORDS]}{more}"


def _shown(command: list[str], library: Path) -> str:
    return " ".join(Path(word).name if word.startswith(str(library)) else word for word in command[1:3])


def _parameters(main: EntryPoint) -> str:
    """Returns the example as options of `mlflow run`."""
    return "".join(f" -P {key}={value}" for key, value in main.example.items() if not output_reference(value))
