"""A model's own environment: Python and requirements, built once per content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from waypost.contracts.environment import File, buildable, read_environment
from waypost.contracts.mlmodel import MLmodel
from waypost.contracts.python_env import PythonEnv
from waypost.errors import FindingsError, WaypostError
from waypost.runs.environments import Environment, MissingPythonError, ensure
from waypost.sources.files import read_text
from waypost.system.places import home
from waypost.texts.escaping import one_line

_INSTEAD = "without --env model it runs with the installed versions"


def environment_of(folder: Path, mlmodel: MLmodel) -> PythonEnv:
    """Returns a model's environment. Raises WaypostError if the model declares none, FindingsError if uv
    cannot build it.
    """
    plain, conda = mlmodel.pyfunc.environment_files

    def text_of(name: str) -> str | None:
        return read_text(folder / name) if (folder / name).is_file() else None

    files = (File(plain, is_conda=False), File(conda, is_conda=True))
    found = read_environment(files, text_of, str(folder))
    if found is None:
        raise WaypostError(f"{folder}: no {plain} and no {conda} say what the model needs", hint=_INSTEAD)
    return buildable(found)


def built(folder: Path, mlmodel: MLmodel, say: Callable[[str], None]) -> Environment:
    """Returns the environment of a model, building it first if needed. Raises WaypostError."""
    try:
        wanted = environment_of(folder, mlmodel)
        return ensure(folder, wanted, home(), say)
    except FindingsError as error:
        words = "; ".join(f"{finding.place}: {finding.problem}" for finding in error.findings)
        raise WaypostError(words, hint=_INSTEAD) from error
    except WaypostError as error:
        hint = f"{error.hint}; {_INSTEAD}" if isinstance(error, MissingPythonError) else _INSTEAD
        raise WaypostError(one_line(str(error)), hint=hint) from error
