"""Uncommitted changes of a work tree: which files, and a diff that reproduces them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.sources import git
from waypost.sources.git_settings import git_environment
from waypost.system.process import ProcessError, bytes_of, output_of
from waypost.system.scratch import scratch

_MOST_READ_BYTES = 64 << 20
MOST_DIFF_BYTES = 5 << 20


@dataclass(frozen=True)
class WorkTree:
    """A folder's repository: `top` is its folder, `inside` the folder below that, `commit` what is out."""

    top: Path
    inside: str
    commit: str
    origin: str


def work_tree(folder: Path) -> WorkTree | None:
    """Returns the repository around a folder, None outside of one, or before its first commit."""
    try:
        words = git.git(folder, "rev-parse", "--show-toplevel", "--show-prefix", "HEAD^{commit}")
    except ProcessError:
        return None
    top, inside, commit, *_ = words.split("\n")
    return WorkTree(Path(top), inside.rstrip("/"), commit, git.url_of_origin(Path(top)))


def changed(top: Path, paths: Iterable[Path]) -> list[str]:
    """Returns the files at or below some paths that are not as the checked out commit has them, by their
    paths below `top`; what git ignores is not among them. The index is read, never written.
    """
    below = sorted({str(path.relative_to(top)) for path in paths if path.is_relative_to(top)})
    if not below:
        return []
    ask = ["git", "-C", str(top), "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"]
    env = git_environment(GIT_OPTIONAL_LOCKS="0", GIT_LITERAL_PATHSPECS="1")
    lines = os.fsdecode(bytes_of([*ask, "--", *below], env=env)).split("\0")
    return sorted(line[3:] for line in lines if line)


def diff_of(top: Path, commit: str, files: Sequence[str]) -> bytes | None:
    """Returns the diff from a commit to some files as they are on disk, which `apply` understands.

    None where they, or the diff, are larger than what a run keeps. The repository is read, never written.
    """
    sizes = [os.lstat(top / file).st_size for file in files if os.path.lexists(top / file)]
    if sum(sizes) > _MOST_READ_BYTES:
        return None
    objects = top / git.git(top, "rev-parse", "--git-path", "objects").strip()
    with scratch() as temp:
        (temp / "objects").mkdir()
        env = git_environment(
            {"core.autocrlf": "false", "core.safecrlf": "false"},
            GIT_INDEX_FILE=str(temp / "index"),
            GIT_OBJECT_DIRECTORY=str(temp / "objects"),
            GIT_ALTERNATE_OBJECT_DIRECTORIES=str(objects),
            GIT_LITERAL_PATHSPECS="1",
        )
        at_top = ["git", "-C", str(top)]
        output_of([*at_top, "read-tree", commit], env=env)
        names = b"\0".join(map(os.fsencode, files))
        add = ["add", "--all", "--force", "--pathspec-from-file=-", "--pathspec-file-nul"]
        bytes_of([*at_top, *add], env=env, stdin=names)
        plain = ["--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv"]
        sides = ["--src-prefix=a/", "--dst-prefix=b/"]
        found = bytes_of([*at_top, "diff", "--cached", *plain, *sides, commit], env=env)
    return found if len(found) <= MOST_DIFF_BYTES else None


def apply(folder: Path, diff: bytes) -> None:
    """Applies a diff to the files of a folder, which need not be a repository. Raises ProcessError."""
    if diff:
        env = git_environment({"core.autocrlf": "false"}, GIT_CEILING_DIRECTORIES=str(folder.parent))
        bytes_of(["git", "apply", "--whitespace=nowarn", "-"], cwd=folder, env=env, stdin=diff)
