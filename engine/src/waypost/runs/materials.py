"""Fetches what a spec names by content to this machine: code, environment, files. Each once, and verified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from waypost.contracts.argument_values import argument_text
from waypost.contracts.command import PythonCommand
from waypost.contracts.component import Component, EntryPoint
from waypost.contracts.python_env import PythonEnv
from waypost.errors import Finding, IntegrityError, UsageError, WaypostError
from waypost.runs import environments
from waypost.runs.code import fork_command
from waypost.runs.environments import Environment
from waypost.runs.prepare import is_wandb
from waypost.runs.spec import Code, Document, Spec, decoded
from waypost.sources.archives import receive
from waypost.sources.files import read_component, read_python_env
from waypost.sources.memo import Memo
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.system.scratch import check_room, remove
from waypost.texts.canonical_yaml import canonical_yaml
from waypost.texts.sealed import opened
from waypost.tracking.runs import Runs

Notify = Callable[[str], None]


class Materials:
    """The materials of one attempt; errors name the `worker`, since they concern its machine."""

    def __init__(self, spec: Spec, runs: Runs, worker: str, say: Notify) -> None:
        self._spec = spec
        self._runs = runs
        self._worker = worker
        self._say = say
        self._memo = Memo(home())
        self._values = {name: os.environ[name] for name in spec.sealed if name in os.environ}

    @property
    def secrets(self) -> Mapping[str, str]:
        """The values of the sealed variables."""
        return self._values

    def digest(self, path: Path) -> str:
        return self._memo.digest(path)

    def code(self) -> tuple[Path, Component]:
        """Returns the component's folder in the store, and its contract."""
        code = self._spec.code
        store = Store(home(), self._say)
        place = store.find(code.trees) or self._fetched(store, code)
        return place / code.folder, read_component(place, code.folder, code.uses)

    def _fetched(self, store: Store, code: Code) -> Path:
        if code.artifact:
            return receive(store, self._artifact(code.run_id, code.artifact), code.trees)
        mirror = store.mirror(code.git)
        mirror.ensure(code.commit, tag=code.tag)
        return store.obtain(code.trees, mirror)

    def fork_command(
        self, entry_point: EntryPoint, values: Mapping[str, str]
    ) -> tuple[PythonCommand | None, Sequence[str]]:
        """Returns `code.fork_command` of the component in the store."""
        folder = self.code()[0]
        return fork_command(entry_point, values, folder, self._spec.code.trees, self._memo)

    def environment(self, folder: Path, component: Component) -> Environment:
        """Returns the environment of a component: built once on this machine, and the one in the key of the
        step.
        """
        asked = environments.to_build(None if self._spec.own else read_python_env(folder, component))
        if (here := environments.digest_of(folder, asked)) != self._spec.environment:
            raise WaypostError(
                f"worker {self._worker}: {_other_environment(asked)}", hint=f"{here[:12]} there"
            )
        return environments.ensure(folder, asked, home(), self._say) if asked else environments.local()

    def check_variables(self) -> None:
        """Raises UsageError if a variable differs from the step's key."""
        for name, digest in self._spec.variables.items():
            value = os.environ.get(name)
            here = "" if value is None else hashlib.sha256(value.encode()).hexdigest()
            if here != digest:
                problem = f"{name} decides the result of the step, and its value differs from the client's"
                raise UsageError(f"worker {self._worker}: {problem}")
        if lacking := [name for name in self._spec.sealed if name not in self._values]:
            names = ", ".join(lacking)
            hint = "set it where the worker starts: values are never sent"
            raise UsageError(f"worker {self._worker}: the pipeline's variable {names} is not set", hint=hint)

    def values(self, entry_point: EntryPoint, temp: Path) -> dict[str, str]:
        """Returns the arguments as texts for the command line; generated files go to `temp`."""
        return {
            name: self._value(entry_point, name, argument, temp)
            for name, argument in self._spec.arguments.items()
        }

    def _value(self, entry_point: EntryPoint, name: str, argument: Document, temp: Path) -> str:
        if "artifact" in argument:
            return str(self._input(name, argument))
        if "path" in argument:
            return self._shared(name, argument)
        if "inline" in argument or "open" in argument:
            text = argument.get("inline")
            if text is None:
                text = canonical_yaml(opened(decoded(argument["open"]), self._values))
            file = temp / f"{name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return str(file)
        if "address" in argument:
            address = str(opened(decoded(argument["address"]), self._values))
            if is_wandb(address):
                from waypost.tracking.wandb_inputs import fetched

                return str(fetched(address, argument["content"]))
            return address
        value = decoded(argument["text"])
        is_open = type(value) is str
        return value if is_open else argument_text(entry_point.parameters[name], opened(value, self._values))

    def _shared(self, name: str, argument: Document) -> str:
        """Returns a path that the client named, if this machine has the same content there."""
        path = Path(argument["path"])
        if not path.exists() or self._memo.digest(path) != argument["digest"]:
            problem = f"worker {self._worker} does not have the client's content at {path}"
            raise IntegrityError([Finding(name, problem, "upload it: --upload")])
        return str(path)

    def _input(self, name: str, argument: Document) -> Path:
        """Returns the local path of an artifact, verified against the digest that its run recorded."""
        run_id, artifact, digest = argument["run_id"], argument["artifact"], argument["digest"]
        for _ in range(2):
            path = self._artifact(run_id, artifact)
            if self._memo.digest(path) == digest:
                return path
            if not path.is_relative_to(home()):
                break
            remove(path) if path.is_dir() else path.unlink()  # our copy is damaged
        problem = f"{artifact} of run {run_id} is not what that run wrote"
        raise IntegrityError([Finding(name, problem, "compute it again: --force STEP")])

    def _artifact(self, run_id: str, artifact: str) -> Path:
        path = self._runs.output(run_id, artifact)
        if path is None:
            check_room(home())  # else it is not gone
            raise WaypostError(
                f"worker {self._worker}: {artifact} of run {run_id} is gone, or cannot be read"
            )
        return path


def _other_environment(asked: PythonEnv | None) -> str:
    what = "the component's requirements" if asked else "Waypost's own Python"
    return f"{what} gives a different environment than on the client (different Python, platform or package)"
