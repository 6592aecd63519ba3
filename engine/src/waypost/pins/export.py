"""A component library leaves the repository that it grew up in, with its history and its releases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.record import Record, parse_record, version_of_record
from waypost.errors import Finding, IntegrityError, UsageError, WaypostError
from waypost.sources import git, objects, remotes
from waypost.sources.process import ProcessError
from waypost.sources.scratch import scratch
from waypost.sources.store import Say


@dataclass(frozen=True)
class Export:
    """What was exported: the commit of `main`, and the tags that were made again, name to commit."""

    head: str
    tags: dict[str, str]


def export(library: Path, destination: str, say: Say) -> Export:
    """Splits a folder with its history off its repository and gives it to a folder or a URL.

    Tags come from the records in `releases/`: each goes to the commit that brought its record.
    Commits, trees and tags come out the same wherever this is done. What is there already is
    only ever added to. Raises UsageError, IntegrityError where a record does not fit, RemoteError.
    """
    top = git.top_of(library)
    if top is None:
        raise UsageError(f"{library} is in no git repository")
    if git.is_shallow(library):
        raise UsageError("this clone has no history", hint="git fetch --unshallow")
    prefix = library.resolve().relative_to(top.resolve()).as_posix()
    say(f"splitting {prefix} off, with its history")
    with scratch() as temp:
        # In a clone: what the split leaves behind must not be left in the user's repository.
        clone, split = temp / "clone", temp / "split.git"
        git.create_bare(split)
        try:
            git.git(temp, "clone", "--quiet", "--shared", "--no-tags", str(top), str(clone))
            head = git.git(clone, "subtree", "split", "-q", f"--prefix={prefix}", "HEAD").strip()
            git.git(split, "fetch", "--quiet", "--no-tags", str(clone), f"{head}:refs/heads/main")
        except ProcessError as error:
            raise WaypostError(f"{prefix}: it cannot be split off: {error.stderr.strip()}") from error
        tags = _tags(split)
        for tag, commit in tags.items():
            git.annotate(split, tag, commit, f"Components {tag.removeprefix('v')}")
        url = _destination(destination)
        remotes.push(split, url, ["refs/heads/main", *(f"refs/tags/{tag}" for tag in tags)])
    return Export(head, tags)


def _tags(split: Path) -> dict[str, str]:
    """Returns the tags that the records ask for, each with the commit that brought its record."""
    found = {}
    findings = []
    paths = git.git(split, "ls-tree", "--name-only", "main", "releases/").splitlines()
    for path in paths:
        version = version_of_record(path)
        if version is None:
            continue
        commits = git.git(split, "log", "--format=%H", "--diff-filter=A", "main", "--", path).split()
        record = parse_record(Record, git.git(split, "show", f"main:{path}"), path)
        findings += _record_findings(split, commits[0], record, path)
        found[f"v{version}"] = commits[0]
    if findings:
        raise IntegrityError(findings, consequence="nothing was exported")
    return found


def _record_findings(split: Path, commit: str, record: Record, path: str) -> list[Finding]:
    entries = objects.entries(split, commit)
    found = []
    for name, tree in record.trees.items():
        actual = entries[name].oid if name in entries else "nothing"
        if actual != tree:
            problem = f"it says tree {tree[:12]} for {name}, its commit {commit[:12]} has {actual[:12]}"
            found.append(Finding(path, problem, "", "tree-differs"))
    return found


def _destination(text: str) -> str:
    """Returns the URL to push to; a folder that does not exist becomes a bare repository."""
    if "://" in text or (":" in text and not Path(text).exists()):
        return text
    folder = Path(text).resolve()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        git.create_bare(folder)
        git.git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
        # So that clients may fetch a component without the rest, as hosted repositories allow.
        git.git(folder, "config", "uploadpack.allowFilter", "true")
    elif not (folder / "HEAD").is_file() and not (folder / ".git").exists():
        raise UsageError(
            f"{folder} is there, but no git repository", hint="give a folder that is not there yet"
        )
    return str(folder)
