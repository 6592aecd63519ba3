"""The packages of an image, with hashes: the engine's own lock, and the model's additional packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from waypost import extras
from waypost.contracts.requirements import lines_of, requirements_in, unmet
from waypost.errors import WaypostError
from waypost.sources.files import read_text
from waypost.system import resolving
from waypost.system.process import ProcessError

_LOCK = Path(__file__).with_name("requirements.txt")
_INSTALLER = "uv"
_ENGINE = "waypost"
_SERVE = "serve"
_TARGET = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}  # of an image
_MOST_SAID = 400


@dataclass(frozen=True)
class ModelPackages:
    """The packages that a model adds to those of the engine; `left_out` ones are not installed."""

    requirements: tuple[Requirement, ...]
    left_out: tuple[str, ...] = ()


def engine_lock() -> str:
    """Returns the lock of the packages that `serve` needs, as released with the engine."""
    return read_text(_LOCK)


def core_lock() -> str:
    """Returns the lock of the packages that run pipelines, in the versions of the engine's own lock.

    Raises WaypostError if there is none.
    """
    return _resolved(_engine_requirements(extras.CORE), engine_lock(), is_trusted=False)


def model_packages(text: str, lock: str, proved: Mapping[str, str], *, is_trusted: bool) -> ModelPackages:
    """Returns the packages of a model. Raises WaypostError for a requirement without a hash.

    Args: `text` is the model's requirements.txt; `proved` are the versions of the compiled form's proof, with
    which the form answers, and so does its original, the other side of the proof. An untrusted model may only
    choose versions of packages in the lock: installing any other package can run arbitrary code.
    """
    known = set(pins_of(lock))
    taken = [Requirement(f"{name}=={version}") for name, version in sorted(proved.items())]
    left = []
    for requirement in requirements_in(text):
        name = canonicalize_name(requirement.name)
        if name in proved or name == _ENGINE:
            continue
        if not is_trusted and name not in known:
            left.append(name)
        elif requirement.url:
            hint = "log the model with a version instead: pip_requirements=[…]"
            raise WaypostError(f"the model needs {name} from a URL, which has no hash", hint=hint)
        else:
            taken.append(requirement)
    return ModelPackages(tuple(taken), tuple(sorted(set(left))))


def pins_of(lock: str) -> dict[str, str]:
    """Returns the version of each package in a lock that an image on Linux installs."""
    found: dict[str, str] = {}
    for requirement in requirements_in(lock):
        if requirement.marker is None or requirement.marker.evaluate(dict(_TARGET)):
            found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def locked(wanted: ModelPackages, lock: str, *, is_trusted: bool) -> str:
    """Returns the lock of an image: the engine's if it has everything, else one that uv resolves, with the
    engine's versions where possible. Raises WaypostError if there is none.
    """
    pins = pins_of(lock)
    text = "\n".join(str(each) for each in wanted.requirements)
    if not unmet(text, lambda name: pins.get(canonicalize_name(name))):
        return lock
    return _resolved(
        [*_engine_requirements(_SERVE), *map(str, wanted.requirements)], lock, is_trusted=is_trusted
    )


def installer_lock(lock: str) -> str:
    """Returns the lines of a lock for uv, which installs the rest."""
    lines = [line for line in lines_of(lock) if line.startswith(f"{_INSTALLER}==")]
    return "".join(line.replace(" --hash", " \\\n    --hash") + "\n" for line in map(_spaced, lines))


def _spaced(line: str) -> str:
    return " ".join(line.split())


def _engine_requirements(extra: str) -> Iterable[str]:
    """Yields the engine's requirements with an extra."""
    return (
        f"{requirement.name}{requirement.specifier}"
        for requirement in extras.requirements()
        if requirement.marker is None or requirement.marker.evaluate({**_TARGET, "extra": extra})
    )


def _resolved(requirements: Iterable[str], lock: str, *, is_trusted: bool) -> str:
    wanted = "".join(f"{line}\n" for line in requirements)
    try:
        return resolving.locked(wanted, kept=lock, may_build=is_trusted)
    except ProcessError as error:
        words = " ".join(error.stderr.split())[:_MOST_SAID]
        hint = "log the model with versions that are compatible with the engine's: pip_requirements=[…]"
        raise WaypostError(f"cannot resolve the packages of the image: {words}", hint=hint) from error
