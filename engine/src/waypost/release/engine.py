"""Which engine a release is made for: the one whose source lies in the repository, else the one that runs."""

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
    """Returns the version of the engine that a repository holds, in what is committed or staged there.

    Where that source is not the one of the release with this version, `+` and the start of its git tree
    follow. A repository without an engine uses the one that runs.
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
