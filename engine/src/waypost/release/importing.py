"""Import of commits made in a library's own repository into the folder that it was exported from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.history import outer
from waypost.errors import UsageError, WaypostError, redacted
from waypost.release.export import BRANCH, Place, address, fetch_theirs, place_of, take_out
from waypost.sources import git, history
from waypost.sources.git_settings import git_environment
from waypost.sources.history import Split
from waypost.sources.waiting import Notify
from waypost.system.process import ProcessError, output_of
from waypost.system.scratch import scratch

_TIP = "refs/waypost/tip"


@dataclass(frozen=True)
class TakenIn:
    """Descriptions of imported commits, newest first; `merged` tells whether a merge with local ones was
    needed.
    """

    commits: tuple[str, ...]
    merged: bool = False


def take_in(library: Path, url: str, notify: Notify) -> TakenIn:
    """Imports the commits of a library's own repository into its folder, with authors, dates, messages.

    They start where the histories diverged, so that the next export gives the same commits.
    Raises UsageError, RemoteError, and WaypostError if both sides changed the same lines.
    """
    place, url, shown = place_of(library), address(url), redacted(url)
    if not place.is_guest:
        raise UsageError(f"{library} is the library's own repository", hint=f"git pull {shown} {BRANCH}")
    if changed := git.git(place.top, "status", "--porcelain", "--untracked-files=no").splitlines():
        raise UsageError(f"not committed: {changed[0][3:]}", hint="commit or stash it")
    with scratch() as temp:
        clone = temp / "clone.git"
        split = take_out(place, clone, notify)
        theirs = fetch_theirs(clone, url, split.head)
        new = list(history.history(clone, theirs, f"^{split.head}")) if theirs else []
        if theirs is None or not new:
            return TakenIn(())
        commits = tuple(history.described(clone, theirs, f"^{split.head}"))
        tip = _replayed(clone, place, split, new)
        # By a ref: not every git gives away what only its id names.
        git.git(clone, "update-ref", _TIP, tip)
        git.git(place.top, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(clone), _TIP)
    is_behind = git.is_ancestor(place.top, "HEAD", tip)
    _merge(place, tip, shown)
    return TakenIn(commits, merged=not is_behind)


def _replayed(clone: Path, place: Place, split: Split, new: Sequence[str]) -> str:
    """Recreates the library's commits as commits of the whole repository; returns the newest.

    Parents are mapped to their counterparts here, the newest if there are several.
    """
    at = {theirs: ours for ours, theirs in split.of.items()}
    age = {ours: number for number, ours in enumerate(split.of)}
    tip = ""
    for commit, content in zip(new, history.read_commits(clone, new), strict=True):
        parents = [at[parent] for parent in content.parents if parent in at]
        newest = max(parents, key=age.__getitem__, default="")
        tree = history.with_folder(clone, newest, place.prefix, content.tree)
        [tip] = history.write_commits(clone, [outer(content, tree, parents).body()])
        at[commit], age[tip] = tip, age.get(newest, -1)
    return tip


def _merge(place: Place, tip: str, shown: str) -> None:
    """Moves the user's branch to a commit, or merges both; after an error the branch is unchanged."""
    merge = ["git", "-C", str(place.top), "merge", "--quiet", "--ff", "-m", f"Join what {shown} has", tip]
    try:
        output_of(merge, env=git_environment())
    except ProcessError as error:
        cause = " ".join(error.stderr.split())
        if files := history.conflicts(place.top):
            cause = f"both sides changed the same lines: {', '.join(files)}"
            git.git(place.top, "merge", "--abort")
        branch = f"taken-in-{tip[:12]}"
        git.git(place.top, "branch", "--force", branch, tip)
        hint = f"its commits are here as a branch: git merge {branch}"
        raise WaypostError(f"{shown}: {cause}", hint=hint) from error
