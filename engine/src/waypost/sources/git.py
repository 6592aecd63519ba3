"""The only module that says git: on repositories here. What is said to remotes is in remotes.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.trees import tree_id
from waypost.sources.process import ProcessError, bytes_of, output_of
from waypost.sources.scratch import scratch

# Whatever surrounds us (a hook, another repository's settings) must not decide what git does.
_SCRUBBED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
EMPTY_TREE = tree_id({})
_NEVER_CONTENT = ("__pycache__/", "*.pyc", ".DS_Store")


@dataclass(frozen=True)
class Entry:
    """One thing in a tree: git's mode (six digits), type and id."""

    mode: str
    kind: str
    oid: str


def environment(**extra: str) -> dict[str, str]:
    """Returns the environment for git: scrubbed, and it never asks a question or tells a secret."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _SCRUBBED and not name.startswith(("GIT_TRACE", "GIT_CURL_VERBOSE"))
    }
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    return kept | quiet | extra


def git(repository: Path, *arguments: str) -> str:
    """Returns what a git command says about a repository. Raises ProcessError."""
    return output_of(["git", "-C", str(repository), *arguments], env=environment())


def create_bare(folder: Path) -> None:
    """Makes an empty bare repository."""
    output_of(["git", "init", "--quiet", "--bare", "--template=", str(folder)], env=environment())


def object_at(repository: Path, name: str) -> str | None:
    """Returns the id that a name such as `COMMIT:folder` has, None where there is no such thing."""
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", name).strip()
    except ProcessError:
        return None


def entries(repository: Path, tree: str, *, recursive: bool = False) -> dict[str, Entry]:
    """Returns what is in a tree, by path; also what is in its folders with `recursive`."""
    options = ["-r", "-t", "-z"] if recursive else ["-z"]
    found = {}
    for line in git(repository, "ls-tree", *options, tree).split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            found[path] = Entry(*facts.split(" "))
    return found


def blobs(repository: Path, oids: Sequence[str]) -> Iterator[bytes]:
    """Gives the content of files by their ids, in the order asked for."""
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    command = ["git", "-C", str(repository), "cat-file", "--batch"]
    answer = bytes_of(command, stdin=asked, env=environment())
    position = 0
    for oid in oids:
        end = answer.index(b"\n", position)
        header = answer[position:end].split(b" ")
        if len(header) != 3:
            raise ProcessError(command, 1, f"object {oid} is missing")
        size = int(header[2])
        yield answer[end + 1 : end + 1 + size]
        position = end + 1 + size + 1


def missing_objects(repository: Path, trees: Iterable[str]) -> list[str]:
    """Returns the ids of what trees name and the repository does not have; nothing is fetched."""
    asked = list(dict.fromkeys(trees))
    command = ["git", "-C", str(repository), "rev-list", "--objects", "--missing=print", "--stdin"]
    answer = bytes_of(command, stdin="\n".join(asked).encode() + b"\n", env=environment())
    return [line[1:] for line in answer.decode().splitlines() if line.startswith("?")]


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


@contextmanager
def snapshot(root: Path, names: Sequence[str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Gives a temporary repository with folders as they are on disk, and their trees by name.

    What the repository around them ignores is left out. A tree's id is the one that the folder has
    in a commit with this content. The repository and its index are read, never written.
    """
    there = [name for name in dict.fromkeys(names) if (root / name).is_dir()]
    with scratch() as temp:
        repository = temp / "repository"
        create_bare(repository)
        if not there:
            yield repository, {}
            return
        env = environment(GIT_DIR=str(repository), GIT_WORK_TREE=str(root.resolve()))
        add = ["git", "-c", "core.autocrlf=false", "add", "--force", "--pathspec-from-file=-"]
        files = "\0".join(_content_files(root, there, repository)).encode()
        bytes_of(
            [*add, "--pathspec-file-nul"], cwd=root, env=env | {"GIT_LITERAL_PATHSPECS": "1"}, stdin=files
        )
        tree = output_of(["git", "write-tree"], env=env).strip()
        yield repository, {name: entry.oid for name, entry in entries(repository, tree).items()}


def _content_files(root: Path, folders: Sequence[str], empty: Path) -> list[str]:
    """Returns the files below folders that are not ignored, as the repository around them sees it;
    where there is none, as an `empty` one does.
    """
    exclude = [f"--exclude={pattern}" for pattern in _NEVER_CONTENT]
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", *exclude, "--", *folders]
    if top_of(root) is None or _is_ignored(root):
        listing = [f"--git-dir={empty}", f"--work-tree={root.resolve()}", *listing]
    found = git(root, *listing).split("\0")
    # A file that was removed by hand is still in the index.
    return [file for file in dict.fromkeys(found) if file and os.path.lexists(root / file)]


def _is_ignored(folder: Path) -> bool:
    """Tells whether the repository around a folder ignores all of it, as it may a cache."""
    try:
        git(folder, "check-ignore", "--quiet", ".")
    except ProcessError:
        return False
    return True


def trees_of(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Returns the git tree ids of folders of `root` as they are on disk; those that are there."""
    with snapshot(root, names) as (_, trees):
        return trees


def head_of(folder: Path) -> str | None:
    """Returns the full commit that a folder's repository has checked out, None outside of one."""
    return object_at(folder, "HEAD^{commit}")


def top_of(folder: Path) -> Path | None:
    """Returns the top folder of the repository that a folder is in, None outside of one."""
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").strip())
    except ProcessError:
        return None


def origin_of(folder: Path) -> str:
    """Returns the URL that a folder's repository came from, else the repository's own folder: what
    relative URLs are relative to, as for submodules.
    """
    top = top_of(folder) or folder
    try:
        url = git(folder, "config", "--get", "remote.origin.url").strip()
    except ProcessError:
        return str(top)
    return str((top / url).resolve()) if url.startswith(".") else url


def annotate(repository: Path, tag: str, commit: str, message: str) -> None:
    """Makes an annotated tag whose id depends on the commit alone, not on who makes it or when."""
    when = git(repository, "log", "-1", "--format=%ct +0000", commit).strip()
    by = {"GIT_COMMITTER_NAME": "Waypost", "GIT_COMMITTER_EMAIL": "", "GIT_COMMITTER_DATE": when}
    command = ["git", "-C", str(repository), "-c", "tag.gpgSign=false", "tag", "-a", "-m", message]
    output_of([*command, tag, commit], env=environment(**by))


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


def commit_all(folder: Path, message: str) -> None:
    """Commits everything that is not ignored, with the user's hooks."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def staged(folder: Path, prefix: str) -> dict[str, Entry]:
    """Returns what the index has at the top of a folder, by name."""
    tree = git(folder, "write-tree").strip()
    return entries(folder, tree if prefix == "." else f"{tree}:{prefix}")


def local_settings(folder: Path) -> dict[str, str]:
    """Returns the settings of a repository itself."""
    lines = git(folder, "config", "--local", "--list", "--null").split("\0")
    return {key: value for key, _, value in (line.partition("\n") for line in lines) if key}


def hooks_of(folder: Path) -> str:
    """Returns the folder of a repository's hooks."""
    return str((folder / git(folder, "rev-parse", "--git-path", "hooks").strip()).resolve())
