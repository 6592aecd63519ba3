"""What of Waypost's requirements is installed: those of the core, and those of its extras.

The lists are those of pyproject.toml, which an installation carries as its metadata; where Waypost runs from
its source without being installed, they are read there. What reads them is imported when somebody asks:
`waypost --help` does not.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from waypost.errors import WaypostError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

CORE = ""
_PACKAGE = "waypost"
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class MissingExtraError(WaypostError):
    """Something needs packages that are not installed, or whose installed versions do not fit."""


class Lack(NamedTuple):
    """A requirement that is not met, and the version that is installed (empty: none)."""

    requirement: Requirement
    installed: str


def require(extra: str, user: str) -> None:
    """Raises MissingExtraError unless all that an extra names is installed, in versions that fit.

    Args: `user` is who needs it, in the words that a person typed: `waypost serve`, `--wandb`.
    """
    if found := lacks(extra):
        raise MissingExtraError(_sentence(user, extra, found))


def explained(extra: str, user: str) -> MissingExtraError | None:
    """Returns what the installation lacks, where an import failed for that reason; None where it is a bug."""
    for name in dict.fromkeys((CORE, extra)):
        if found := lacks(name):
            return MissingExtraError(_sentence(user, name, found))
    return None


def lacks(extra: str = CORE) -> list[Lack]:
    """Returns what is not met of the core's requirements, or of those that an extra adds to them."""
    found = []
    for requirement in requirements():
        marker = requirement.marker
        if extra and (marker is None or marker.evaluate({"extra": CORE})):
            continue  # the core's
        if marker is not None and not marker.evaluate({"extra": extra}):
            continue
        installed = _version(requirement.name)
        if not installed or not requirement.specifier.contains(installed, prereleases=True):
            found.append(Lack(requirement, installed))
    return found


def requirements() -> list[Requirement]:
    """Returns what pyproject.toml asks for; what an extra adds has it in its marker."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        texts = requires(_PACKAGE) or []
    except PackageNotFoundError:
        texts = _in_source()
    found = [Requirement(text) for text in texts]
    return [requirement for requirement in found if requirement.name != _PACKAGE]


def _in_source() -> list[str]:
    """Returns what an installation's metadata would say, from the source around this file; else nothing."""
    import tomllib

    try:
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return []
    if project["name"] != _PACKAGE:
        return []
    added = project["optional-dependencies"].items()
    return [*project["dependencies"], *(_of_extra(extra, text) for extra, texts in added for text in texts)]


def _of_extra(extra: str, text: str) -> str:
    name, _, marker = text.partition(";")
    return f"{name}; {f'({marker.strip()}) and ' if marker else ''}extra == '{extra}'"


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _sentence(user: str, extra: str, found: list[Lack]) -> str:
    if unfit := [f"{r.name}{r.specifier} (installed: {old})" for r, old in found if old]:
        needed = ", ".join(unfit)
    else:
        needed = f"{_PACKAGE}[{extra}]" if extra else ", ".join(lack.requirement.name for lack in found)
    return f"{user} needs {needed}: {_command(extra)}"


def _command(extra: str) -> str:
    folder, editable = _folder()
    options = "-e " if editable else ""
    name = folder or _PACKAGE
    return f"pip install {options}'{name}[{extra}]'" if extra else f"pip install {options}{shlex.quote(name)}"


def _folder() -> tuple[str, bool]:
    """Returns the folder that pip installed Waypost from (empty: an index, a wheel), and whether editable."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import unquote

    try:
        told = json.loads(distribution(_PACKAGE).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return "", False
    place, about = told.get("url", ""), told.get("dir_info")
    if about is None or not place.startswith("file://"):
        return "", False
    return unquote(place.removeprefix("file://")), bool(about.get("editable"))
