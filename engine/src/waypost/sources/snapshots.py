"""Folders as they are on disk, as git would commit them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from waypost.sources import git, objects
from waypost.sources.git_settings import git_environment
from waypost.system.process import ProcessError, bytes_of, output_of
from waypost.system.scratch import scratch

_NEVER_CONTENT = ("__pycache__/", "*.pyc", ".DS_Store")


@contextmanager
def snapshot(root: Path, names: Sequence[str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yields a temporary repository with folders as they are on disk, and their trees by name.

    What the repository around them ignores is left out. A tree's id is the one that the folder has
    in a commit with this content. The repository and its index are read, never written.
    """
    there = [name for name in dict.fromkeys(names) if (root / name).is_dir()]
    with scratch() as temp:
        repository = temp / "repository"
        git.create_bare(repository, digits=git.digits_of(root))
        if not there:
            yield repository, {}
            return
        env = git_environment(GIT_DIR=str(repository), GIT_WORK_TREE=str(root.resolve()))
        add = ["git", "-c", "core.autocrlf=false", "add", "--force", "--pathspec-from-file=-"]
        files = b"\0".join(map(os.fsencode, _content_files(root, there, repository)))
        bytes_of(
            [*add, "--pathspec-file-nul"], cwd=root, env=env | {"GIT_LITERAL_PATHSPECS": "1"}, stdin=files
        )
        tree = output_of(["git", "write-tree"], env=env).strip()
        yield repository, {name: entry.oid for name, entry in objects.entries(repository, tree).items()}


def content_of(root: Path, names: Sequence[str]) -> dict[str, list[Path]]:
    """Returns the files below folders of `root` that git would commit, by the folder's name, sorted."""
    there: dict[str, list[Path]] = {name: [] for name in names}
    with scratch() as temp:
        git.create_bare(temp / "empty", digits=git.digits_of(root))
        for file in sorted(_content_files(root, names, temp / "empty") if names else ()):
            there[file.partition("/")[0]].append(root / file)
    return there


def _content_files(root: Path, folders: Sequence[str], empty: Path) -> list[str]:
    """Returns the files below folders that are not ignored, as the repository around them sees it;
    where there is none, as an `empty` one does.
    """
    exclude = [f"--exclude={pattern}" for pattern in _NEVER_CONTENT]
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", *exclude, "--", *folders]
    if git.top_of(root) is None or _is_ignored(root):
        listing = [f"--git-dir={empty}", f"--work-tree={root.resolve()}", *listing]
    command = ["git", "-C", str(root), *listing]
    # A folder's name may look like a pattern of git's: `:x` or `[ab]`.
    env = git_environment(GIT_LITERAL_PATHSPECS="1")
    found = os.fsdecode(bytes_of(command, env=env)).split("\0")
    # A file that was removed by hand is still in the index.
    return [file for file in dict.fromkeys(found) if file and os.path.lexists(root / file)]


def _is_ignored(folder: Path) -> bool:
    """Tells whether the repository around a folder ignores all of it, as it may a cache."""
    try:
        git.git(folder, "check-ignore", "--quiet", ".")
    except ProcessError:
        return False
    return True


def trees_of(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Returns the git tree ids of folders of `root` as they are on disk; those that are there."""
    with snapshot(root, names) as (_, trees):
        return trees
