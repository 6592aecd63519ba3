"""The releases that the records in a repository describe, each with the commit that it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waypost.errors import Finding, UsageError
from waypost.interfaces.record import FOLDER, Record, parse_record, version_of_record
from waypost.sources import git, objects

DIFFERS = "tree-differs"


@dataclass(frozen=True)
class Described:
    """A release: its record, and the commit in whose tree everything lies that the record lists."""

    record: Record
    commit: str


def described(repository: Path, revision: str, folder: str = ".") -> tuple[list[Described], list[Finding]]:
    """Returns the releases of the product in a folder, by the records that a revision has.

    A release is the commit that brought its record, unless the record names one. Where the history does not
    have what a record lists, that is a finding. Raises UsageError for a clone without history.
    """
    if git.is_shallow(repository):
        raise UsageError("this clone has no history", hint="git fetch --unshallow")
    start = "" if folder == "." else f"{folder}/"
    found, findings = [], []
    names = git.git(repository, "ls-tree", "--name-only", "-z", revision, f"{start}{FOLDER}/").split("\0")
    for path in names:
        version = version_of_record(path.removeprefix(start))
        if version is None:
            continue
        record = parse_record(Record, git.git(repository, "show", f"{revision}:{path}"), path)
        if record.version != version:
            findings.append(Finding(path, f"it says version {record.version}", "", DIFFERS))
            continue
        candidates = _candidates(repository, revision, path, record)
        misfits = {commit: _misfits(repository, commit, folder, record) for commit in candidates}
        fitting = next((commit for commit, problems in misfits.items() if not problems), None)
        if fitting:
            found.append(Described(record, fitting))
        else:
            problems = next(iter(misfits.values()), ["its commit is not in this history"])
            findings += [Finding(path, problem, "", DIFFERS) for problem in problems]
    return found, findings


def _candidates(repository: Path, revision: str, path: str, record: Record) -> list[str]:
    """Returns the commits that a record may describe: the one that it names, else those that added it, the
    oldest first. There are several where it came by several branches, or came back.
    """
    if record.commit:
        return [record.commit] if git.is_ancestor(repository, record.commit, revision) else []
    log = ["log", "--format=%H", "--full-history", "--diff-filter=A", revision, "--", path]
    return git.git(repository, *log).split()[::-1]


def _misfits(repository: Path, commit: str, folder: str, record: Record) -> list[str]:
    """Returns in what a commit differs from what a record lists."""
    # A record that names its commit is of a time when the product lay at the top.
    place = "" if folder == "." or record.commit else folder
    tree = git.object_at(repository, f"{commit}:{place}")
    there = {name: entry.oid for name, entry in objects.entries(repository, tree).items()} if tree else {}
    return [
        f"it says tree {oid[:12]} for {name}, its commit {commit[:12]} has {there.get(name, 'nothing')[:12]}"
        for name, oid in record.trees.items()
        if there.get(name) != oid
    ]
