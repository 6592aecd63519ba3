"""Histories of repositories: read, split, joined."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.history import Content, Node, inner, parse_commit, split_history
from waypost.contracts.trees import FOLDER, Entry, object_id
from waypost.sources.git import git
from waypost.sources.git_settings import git_environment
from waypost.sources.objects import Objects, entries
from waypost.system.process import ProcessError, bytes_of, output_of
from waypost.system.scratch import scratch


@dataclass(frozen=True)
class Split:
    """A folder's history of its own: its newest commit, and `of` each commit of the whole history, parents
    first, the one that stands for it. `bodies` are those that have to be written.
    """

    head: str
    of: Mapping[str, str]
    bodies: Mapping[str, bytes]


def split(repository: Path, prefix: str, tip: str) -> Split:
    """Returns a folder's history of its own. Raises LookupError where it has none."""
    commits = history(repository, tip)
    contents = dict(zip(commits, read_commits(repository, list(commits)), strict=True))
    trees = _trees_at(repository, [f"{commit}:{prefix}" for commit in commits])
    bodies: dict[str, bytes] = {}

    def make(node: Node, parents: Sequence[str]) -> str:
        body = inner(contents[node.id], node.tree or "", parents).body()
        found = object_id("commit", body, digits=len(node.id))
        bodies[found] = body
        return found

    nodes = [Node(c, p, tree) for (c, p), tree in zip(commits.items(), trees, strict=True)]
    found = split_history(nodes, make)
    if nodes[-1].id not in found:
        raise LookupError(f"no commit has {prefix}")
    return Split(found[nodes[-1].id], found, bodies)


def history(repository: Path, *revisions: str) -> dict[str, tuple[str, ...]]:
    """Returns commits with their parents, parents first."""
    options = ["--topo-order", "--reverse", "--parents", "--end-of-options"]
    lines = git(repository, "rev-list", *options, *revisions).splitlines()
    return {ids[0]: tuple(ids[1:]) for ids in map(str.split, lines)}


def read_commits(repository: Path, ids: Sequence[str]) -> list[Content]:
    """Returns what is in commits, in the order asked for."""
    with Objects(repository) as objects:
        return [parse_commit(body) for body in objects.commits(ids)]


def write_commits(repository: Path, bodies: Iterable[bytes]) -> list[str]:
    """Writes commits, and returns their ids."""
    with scratch() as temp:
        files = []
        for number, body in enumerate(bodies):
            files.append(temp / str(number))
            files[-1].write_bytes(body)
        command = ["git", "-C", str(repository), "hash-object", "-t", "commit", "-w", "--stdin-paths"]
        asked = "".join(f"{file}\n" for file in files).encode()
        return bytes_of(command, stdin=asked, env=git_environment()).decode().split()


def _trees_at(repository: Path, names: Sequence[str]) -> list[str | None]:
    """Returns the ids of trees by names such as `COMMIT:folder`, None where there is no such folder."""
    command = ["git", "-C", str(repository), "cat-file", "--batch-check"]
    answer = bytes_of(command, stdin="".join(f"{name}\n" for name in names).encode(), env=git_environment())
    facts = [line.split(" ") for line in answer.decode(errors="replace").splitlines()]
    return [fact[0] if len(fact) == 3 and fact[1] == "tree" else None for fact in facts]


def with_folder(repository: Path, whole: str, path: str, tree: str) -> str:
    """Returns the tree of a commit or tree `whole` (empty: of nothing) in which a folder is another tree."""
    name, _, rest = path.partition("/")
    found = entries(repository, whole) if whole else {}
    if rest:
        there = found[name].oid if name in found and found[name].kind == "tree" else ""
        tree = with_folder(repository, there, rest, tree)
    found[name] = Entry(FOLDER, tree)
    lines = (f"{entry.mode} {entry.kind} {entry.oid}\t{name}\0" for name, entry in found.items())
    command = ["git", "-C", str(repository), "mktree", "-z", "--missing"]
    return bytes_of(command, stdin=os.fsencode("".join(lines)), env=git_environment()).decode().strip()


def merged(repository: Path, theirs: str, ours: str, message: str) -> str:
    """Returns a merge of two commits, which is the same wherever it is made.

    Raises LookupError with the files in which both sides changed the same lines.
    """
    newest = max(int(git(repository, "log", "-1", "--format=%ct", commit)) for commit in (theirs, ours))
    who = {"NAME": "Waypost", "EMAIL": "", "DATE": f"{newest} +0000"}
    env = git_environment(
        **{f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in who.items()}
    )
    options = ["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"]
    with scratch() as temp:
        clone = temp / "clone"
        git(temp, "clone", "--quiet", "--shared", "--no-checkout", str(repository), str(clone))
        git(clone, "checkout", "--quiet", "--detach", theirs)
        merge = ["git", "-C", str(clone), *options, "merge", "--quiet", "--no-ff", "-m", message, ours]
        try:
            output_of(merge, env=env)
        except ProcessError as error:
            raise LookupError(", ".join(conflicts(clone)) or error.stderr.strip()) from error
        git(repository, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(clone), "HEAD")
        return git(clone, "rev-parse", "HEAD").strip()


def conflicts(folder: Path) -> list[str]:
    """Returns the files of a work tree that a merge left in conflict."""
    names = git(folder, "diff", "--name-only", "--diff-filter=U", "-z").split("\0")
    return [name for name in names if name]


def described(repository: Path, *revisions: str) -> list[str]:
    """Returns commits in words, the newest first: id, subject, author and day."""
    form = ["--abbrev=12", "--format=%h “%s” (%an, %as)", "--end-of-options"]
    return git(repository, "log", *form, *revisions).splitlines()


def are_related(repository: Path, one: str, other: str) -> bool:
    """Tells whether two commits have some history in common."""
    try:
        git(repository, "merge-base", one, other)
    except ProcessError:
        return False
    return True
