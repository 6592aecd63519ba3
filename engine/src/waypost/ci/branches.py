"""Branches of automatic pull requests: a person's commits on them are never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from waypost.sources import git, remotes

State = Literal["new", "moved", "same", "theirs"]
_THERE = "refs/waypost/there"
# The trailer of our commits, with the git tree that we wrote: a commit without it, or of another tree, is a
# person's.
_TRAILER = "Waypost-ci-tree"
_FORM = f"%T%x00%(trailers:key={_TRAILER},valueonly,unfold)%x00"


class Settled(NamedTuple):
    """The result for a branch, and its current commit."""

    state: State
    commit: str


def commit_ours(folder: Path, message: str) -> None:
    """Commits everything with our trailer, which names the tree: an amended commit is no longer ours."""
    git.git(folder, "add", "--all")
    git.git(folder, "commit", "--quiet", "--message", f"{message}\n\n{_TRAILER}: {git.staged(folder, '.')}")


def theirs(repository: Path, url: str, branch: str) -> str:
    """Fetches a branch with its history; returns its commit, empty if there is none.

    Raises RemoteError.
    """
    if branch not in remotes.branches_of(url):
        return ""
    remotes.fetch_branch(repository, url, branch, _THERE)
    return git.object_at(repository, _THERE) or ""


def is_ours(repository: Path, commit: str, base: str) -> bool:
    """Tells whether all commits of a branch since its base are ours and unchanged."""
    found = git.git(repository, "log", f"--format={_FORM}", f"{base}..{commit}").split("\0")[:-1]
    trees, trailers = found[::2], found[1::2]
    return all(tree.strip() in named.split() for tree, named in zip(trees, trailers, strict=True))


def settle(repository: Path, url: str, branch: str, head: str, base: str) -> Settled:
    """Moves a remote branch to a commit, unless it has the same content or a person's commits.

    Args: `base` is the common base of both. Raises RemoteError.
    """
    there = theirs(repository, url, branch)
    if not there:
        remotes.replace(repository, url, branch, head, "")
        return Settled("new", head)
    if git.object_at(repository, f"{there}^{{tree}}") == git.object_at(repository, f"{head}^{{tree}}"):
        return Settled("same", there)
    if not is_ours(repository, there, base):
        return Settled("theirs", there)
    remotes.replace(repository, url, branch, head, there)
    return Settled("moved", head)
