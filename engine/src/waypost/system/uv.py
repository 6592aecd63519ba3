"""The only door to uv, which makes environments, locks and packages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from waypost.system.places import home
from waypost.system.process import output_of

# Where uv keeps what it fetches: the variable that names the place, that of the XDG folder, its default.
_PLACES = (
    ("UV_CACHE_DIR", "XDG_CACHE_HOME", ".cache"),
    ("UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", ".local/share"),
)


def uv(*arguments: str, cwd: Path | None = None, supervised: bool = False) -> str:
    """Returns what uv prints. Raises ProcessError with its messages."""
    from uv import find_uv_bin

    variables = {**os.environ, **places(os.environ)}
    return output_of([find_uv_bin(), *arguments], cwd=cwd, env=variables, supervised=supervised)


def places(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns variables that make uv keep its files in our cache, if the user's home cannot be written, as in
    many containers and services. What the user has set stays.
    """
    own = Path(variables.get("HOME") or Path("~").expanduser())
    return {
        name: str(home() / "uv" / name.lower())
        for name, xdg, default in _PLACES
        if name not in variables and not _can_write(Path(variables.get(xdg) or own / default))
    }


def _can_write(folder: Path) -> bool:
    """Returns whether a folder can be written, or can be made."""
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path) or path == path.parent)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
