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
class Wanted:
    """The packages of an image besides those of the engine; what is `left_out` is not installed."""

    requirements: tuple[Requirement, ...]
    left_out: tuple[str, ...] = ()


def engine_lock() -> str:
    """Returns the lock of what `serve` needs, as it was released with the engine."""
    return read_text(_LOCK)


def core_lock() -> str:
    """Returns the lock of what the engine needs to run pipelines, in the versions of its own lock.

    Raises WaypostError if there is none.
    """
    return _resolved(_engine_requirements(extras.CORE), engine_lock(), is_trusted=False)


def wanted_of(text: str, lock: str, proved: Mapping[str, str], *, is_trusted: bool) -> Wanted:
    """Returns what a model needs. Raises WaypostError for what no hash can name.

    Args: `text` is the model's requirements.txt, `proved` are the versions that a compiled form was proved
    with: it answers with those, and so does its original, which was the other side of the proof. What is not
    trusted chooses among the packages of the lock, and brings no other: installing one can run any code.
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
    return Wanted(tuple(taken), tuple(sorted(set(left))))


def pins_of(lock: str) -> dict[str, str]:
    """Returns the version of each package in a lock, as an image on Linux gets it."""
    found: dict[str, str] = {}
    for requirement in requirements_in(lock):
        if requirement.marker is None or requirement.marker.evaluate(dict(_TARGET)):
            found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def locked(wanted: Wanted, lock: str, *, is_trusted: bool) -> str:
    """Returns the lock of an image: the engine's where that has all, else one that uv resolves, which keeps
    what it can of that. Raises WaypostError if there is none.
    """
    pins = pins_of(lock)
    text = "\n".join(str(each) for each in wanted.requirements)
    if not unmet(text, lambda name: pins.get(canonicalize_name(name))):
        return lock
    return _resolved(
        [*_engine_requirements(_SERVE), *map(str, wanted.requirements)], lock, is_trusted=is_trusted
    )


def installer_lock(lock: str) -> str:
    """Returns the lines of a lock that name uv, which installs the others."""
    lines = [line for line in lines_of(lock) if line.startswith(f"{_INSTALLER}==")]
    return "".join(line.replace(" --hash", " \\\n    --hash") + "\n" for line in map(_spaced, lines))


def _spaced(line: str) -> str:
    return " ".join(line.split())


def _engine_requirements(extra: str) -> Iterable[str]:
    """Yields what the engine asks for, with an extra."""
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
        hint = "log the model with what it needs, in versions that fit the engine's: pip_requirements=[…]"
        raise WaypostError(f"the image has no lock: {words}", hint=hint) from error
