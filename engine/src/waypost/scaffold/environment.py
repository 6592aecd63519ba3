"""The environment that the components of a new library share."""

from __future__ import annotations

from waypost import __version__
from waypost.errors import WaypostError
from waypost.system import resolving
from waypost.system.process import ProcessError

SOURCE, LOCK = "requirements.in", "requirements.txt"
_MOST = 300


def lock_command(folder: str) -> str:
    """Returns the shell command that writes the lock of a folder."""
    options = " ".join([*resolving.OPTIONS, "--python-version", resolving.python_version()])
    return f"uv pip compile {options} {folder}/{SOURCE} -o {folder}/{LOCK}"


def engine_lock() -> str:
    """Returns the lock of this version of Waypost, empty if no package index has it."""
    try:
        return resolving.locked(f"waypost=={__version__}\n")
    except ProcessError:
        return ""


def locked(requirements: str) -> str:
    """Returns the lock of some requirements. Raises WaypostError if uv cannot resolve them."""
    try:
        return resolving.locked(requirements)
    except ProcessError as error:
        words = " ".join(error.stderr.split())[:_MOST]
        hint = "it needs a package index, once; nothing was written"
        raise WaypostError(f"the environment has no lock: {words}", hint=hint) from error
