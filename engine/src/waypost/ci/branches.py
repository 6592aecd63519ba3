"""Branches of pull requests that we write: a person's commits on them are never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from waypost.ci.delivery import TRAILER
from waypost.sources import git, remotes

State = Literal["new", "moved", "same", "theirs"]
_THERE = "refs/waypost/there"


def theirs(repository: Path, url: str, branch: str) -> str:
    """Fetches a branch with its history; returns its commit, empty where it is not there.

    Raises RemoteError.
    """
    if branch not in remotes.branches_of(url):
        return ""
    remotes.fetch_branch(repository, url, branch, _THERE)
    return git.object_at(repository, _THERE) or ""


def is_ours(repository: Path, commit: str, base: str) -> bool:
    """Tells whether all commits that a branch has beyond its base are such as we write."""
    form = "--format=%(trailers:key=Written-by,unfold)%x00"
    found = git.git(repository, "log", form, f"{base}..{commit}").split("\0")
    return all(TRAILER in message for message in found[:-1])


def settle(repository: Path, url: str, branch: str, head: str, base: str) -> State:
    """Lets a branch of a remote be a commit, unless it has the same content, or a person's commits.

    Args: `base` is what both build on. Raises RemoteError.
    """
    there = theirs(repository, url, branch)
    if not there:
        remotes.replace(repository, url, branch, head, "")
        return "new"
    if git.object_at(repository, f"{there}^{{tree}}") == git.object_at(repository, f"{head}^{{tree}}"):
        return "same"
    if not is_ours(repository, there, base):
        return "theirs"
    remotes.replace(repository, url, branch, head, there)
    return "moved"
