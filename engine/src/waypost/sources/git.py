"""Commands of git on local repositories. Those that talk to servers are in remotes.py."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from waypost.compat.git import foreign_folder
from waypost.contracts.trees import tree_id
from waypost.errors import WaypostError
from waypost.sources.git_settings import git_environment
from waypost.system.process import ProcessError, bytes_of, output_of

EMPTY_TREE = tree_id({})


class ForeignRepositoryError(WaypostError):
    """A repository of another owner, which git refuses to read until the user trusts it."""


def git(repository: Path, *arguments: str) -> str:
    """Returns what a git command says about a repository.

    Raises ProcessError, ForeignRepositoryError where git does not trust the repository's owner.
    """
    try:
        return output_of(["git", "-C", str(repository), *arguments], env=git_environment())
    except ProcessError as error:
        if (folder := foreign_folder(error.stderr)) is None:
            raise
        message = f"{folder}: git refuses this repository, since it belongs to another user"
        hint = f"if you trust it: git config --global --add safe.directory {shlex.quote(folder)}"
        raise ForeignRepositoryError(message, hint=hint) from error


def create_bare(folder: Path, *, digits: int = 40) -> None:
    """Makes an empty bare repository, of ids with 40 or 64 hex digits."""
    form = f"--object-format={'sha256' if digits == 64 else 'sha1'}"
    command = ["git", "init", "--quiet", "--bare", "--template=", form, str(folder)]
    output_of(command, env=git_environment())


def digits_of(folder: Path) -> int:
    """Returns how many hex digits the ids of the repository around a folder have; 40 outside of one."""
    try:
        found = git(folder, "rev-parse", "--show-object-format").strip()
    except ProcessError:
        return 40
    return 64 if found == "sha256" else 40


def object_at(repository: Path, name: str) -> str | None:
    """Returns the id that a name such as `COMMIT:folder` has, None where there is no such thing."""
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", name).strip()
    except ProcessError:
        return None


def folder_at(repository: Path, commit: str, folder: str) -> str | None:
    """Returns the tree of a folder at a commit, empty for the top; None where there is none by that path: a
    file, a link and a submodule are no folders, and nothing is fetched to find out.
    """
    if not folder:
        return object_at(repository, f"{commit}^{{tree}}")
    try:
        found = git(repository, "ls-tree", "-d", "-z", "--full-tree", "--end-of-options", commit, folder)
    except ProcessError:
        return None
    facts, _, path = found.rstrip("\0").partition("\t")
    kind, oid = facts.split()[1:] if path == folder else ("", "")
    return oid if kind == "tree" else None


def text_at(repository: Path, commit: str, path: str) -> str | None:
    """Returns the text of a file at a commit, None where there is no such file."""
    try:
        return git(repository, "cat-file", "blob", f"{commit}:{path}")
    except ProcessError:
        return None


def missing_objects(repository: Path, trees: Iterable[str], *, levels: int = 0) -> list[str]:
    """Returns the ids of what trees name and the repository does not have; nothing is fetched.

    Args: `levels` is how deep to look (0: to the end), 2 for what lies directly in the trees.
    """
    depth = [f"--filter=tree:{levels}"] if levels else []
    command = ["git", "-C", str(repository), "rev-list", "--objects", "--missing=print", *depth, "--stdin"]
    asked = "".join(f"{tree}\n" for tree in dict.fromkeys(trees)).encode()
    answer = bytes_of(command, stdin=asked, env=git_environment())
    return [line[1:] for line in answer.decode(errors="replace").splitlines() if line.startswith("?")]


def has_whole(repository: Path, trees: Iterable[str]) -> bool:
    """Tells whether a repository has trees with everything in them; nothing is fetched."""
    try:
        return not missing_objects(repository, trees)
    except ProcessError:  # it does not even know the name
        return False


def is_shallow(folder: Path) -> bool:
    """Tells whether the repository around a folder was cloned without its history."""
    try:
        return git(folder, "rev-parse", "--is-shallow-repository").strip() == "true"
    except ProcessError:
        return False


def head_of(folder: Path) -> str | None:
    """Returns the full commit that a folder's repository has checked out, None outside of one."""
    return object_at(folder, "HEAD^{commit}")


def top_of(folder: Path) -> Path | None:
    """Returns the top folder of the repository that a folder is in, None outside of one."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").strip())
    except ProcessError:
        return None


def ignored_among(folder: Path, files: Iterable[str]) -> list[str]:
    """Returns which files of a folder the repository around it ignores, none outside of one."""
    try:
        return git(folder, "-c", "core.quotePath=false", "check-ignore", "--", *files).splitlines()
    except ProcessError:
        return []


def user_name() -> str:
    """Returns the name that the user's commits have, empty where git knows none."""
    try:
        return git(Path.cwd(), "config", "user.name").strip()
    except ProcessError:
        return ""


def origin_of(folder: Path) -> str:
    """Returns the URL that a folder's repository came from, else the repository's own folder: what
    relative URLs are relative to, as for submodules.
    """
    top = top_of(folder) or folder
    return url_of_origin(top) or str(top)


def url_of_origin(top: Path) -> str:
    """Returns the URL that a repository came from, empty where it has none."""
    try:
        url = git(top, "config", "--get", "remote.origin.url").strip()
    except ProcessError:
        return ""
    return str((top / url).resolve()) if url.startswith(".") else url


def annotate(repository: Path, tag: str, commit: str, message: str) -> None:
    """Makes an annotated tag whose id depends on the commit alone, not on who makes it or when."""
    when = git(repository, "log", "-1", "--format=%ct +0000", commit).strip()
    by = {"GIT_COMMITTER_NAME": "Waypost", "GIT_COMMITTER_EMAIL": "", "GIT_COMMITTER_DATE": when}
    command = ["git", "-C", str(repository), "-c", "tag.gpgSign=false", "tag", "-a", "-m", message]
    output_of([*command, tag, commit], env=git_environment(**by))


def day_of_line(file: Path, text: str) -> str:
    """Returns the day (YYYY-MM-DD) of the newest commit that brought a text into a file, else empty."""
    try:
        return git(file.parent, "log", "-1", "--format=%cs", f"-S{text}", "--", file.name).strip()
    except ProcessError:
        return ""


def difference(repository: Path, old: str, new: str, prefixes: Mapping[str, str]) -> str:
    """Returns the unified diff between two trees; `prefixes` name the sides (old, new)."""
    sides = [f"--src-prefix={prefixes['old']}/", f"--dst-prefix={prefixes['new']}/"]
    return git(repository, "diff", "--no-color", "--no-ext-diff", *sides, old, new)


def branch_of(folder: Path) -> str:
    """Returns the branch that is checked out, empty where none is."""
    return git(folder, "branch", "--show-current").strip()


def default_revision(folder: Path) -> str:
    """Returns the default branch as this clone knows it: the local one where that has all of origin's, else
    origin's. Without an origin it is what is checked out.
    """
    there = object_at(folder, "refs/remotes/origin/HEAD")
    if there is None:
        return "HEAD"
    name = git(folder, "symbolic-ref", "refs/remotes/origin/HEAD").strip()
    local = f"refs/heads/{name.removeprefix('refs/remotes/origin/')}"
    is_ahead = object_at(folder, local) is not None and is_ancestor(folder, there, local)
    return local if is_ahead else name


def has_origin(folder: Path) -> bool:
    """Tells whether the repository came from another one."""
    return "origin" in git(folder, "remote").split()


def is_ancestor(folder: Path, commit: str, of: str) -> bool:
    """Tells whether a commit is part of another one's history; one that is not here is not."""
    try:
        git(folder, "merge-base", "--is-ancestor", commit, of)
    except ProcessError:
        return False
    return True


def add(folder: Path, file: Path) -> None:
    """Puts a file of a repository into its index, even if git ignores it."""
    git(folder, "add", "--force", "--", str(file))


def commit_all(folder: Path, message: str) -> None:
    """Commits everything that is not ignored, with the user's hooks."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def staged(folder: Path, prefix: str) -> str:
    """Returns the tree of what the index has in a folder, `.` for all of it."""
    below = [] if prefix == "." else [f"--prefix={prefix}/"]
    return git(folder, "write-tree", *below).strip()


def local_settings(folder: Path) -> dict[str, str]:
    """Returns the settings of a repository itself."""
    lines = git(folder, "config", "--local", "--list", "--null").split("\0")
    return {key: value for key, _, value in (line.partition("\n") for line in lines) if key}


def hooks_of(folder: Path) -> str:
    """Returns the folder of a repository's hooks."""
    return str((folder / git(folder, "rev-parse", "--git-path", "hooks").strip()).resolve())


def is_on(folder: Path, key: str) -> bool:
    """Tells whether a setting of git is true in a repository, in any of git's words for it."""
    try:
        return git(folder, "config", "--type=bool", "--get", key).strip() == "true"
    except ProcessError:
        return False


def setting(folder: Path, key: str) -> str:
    """Returns a setting of git as it holds in a repository, empty where it is not set."""
    try:
        return git(folder, "config", "--get", key).strip()
    except ProcessError:
        return ""
