"""The engine of a release: the one with its source in the repository, else the running one."""

from __future__ import annotations

import contextlib
from pathlib import Path

from packaging.utils import canonicalize_name

from waypost import __version__
from waypost.contracts.project import FILE, parse_project
from waypost.errors import FindingsError
from waypost.interfaces.record import FOLDER, Record, parse_record
from waypost.sources import git, objects
from waypost.sources.files import read_text

_NAME = "waypost"


def engine_in(top: Path) -> str:
    """Returns the version of the engine in a repository's index, else of the running engine.

    If its source differs from the release of this version, `+` and a prefix of its git tree are appended.
    """
    for path in git.git(top, "ls-files", "--", f":(glob)**/{FILE}").splitlines():
        with contextlib.suppress(FindingsError):
            project = parse_project(read_text(top / path))
            if project and project.version and canonicalize_name(project.name) == _NAME:
                return _exactly(top, Path(path).parent, project.version)
    return __version__


def _exactly(top: Path, folder: Path, version: str) -> str:
    tree = git.staged(top, folder.as_posix())
    trees = {name: entry.oid for name, entry in objects.entries(top, tree).items() if name != FOLDER}
    file = top / folder / FOLDER / f"{version}.json"
    if file.is_file() and parse_record(Record, read_text(file), file.name).trees == trees:
        return version
    return f"{version}+{tree[:12]}"
