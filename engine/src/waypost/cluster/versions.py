"""Versions installed on a cluster, compared with ours: all findings at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from waypost.errors import Finding

Versions = Mapping[str, str | None]
"""Versions by package name; `python` is one of them, None means not installed."""
OF_SCHEDULER = ("python", "distributed")
OF_WORKERS = ("python", "waypost", "distributed")
_MOST_NAMED = 5


def differences(
    ours: Versions, scheduler: Versions, workers: Mapping[str, Versions], more: Iterable[str] = ()
) -> list[Finding]:
    """Returns the differences between the cluster's versions and ours, each once.

    Args: `workers` are the workers' versions by name; `more` are packages that workers need in our version,
    besides Python, Waypost and Dask.
    """
    found = [*_of_one("scheduler", OF_SCHEDULER, ours, scheduler)]
    for package in (*OF_WORKERS, *more):
        others: dict[str, list[str]] = defaultdict(list)
        for name, theirs in sorted(workers.items()):
            if _version(package, theirs) != _version(package, ours):
                others[_words(package, theirs)].append(name)
        for words, names in others.items():
            found.append(_finding(listed(names, len(workers)), package, words, ours))
    return found


def unlike(theirs: Versions, ours: Versions) -> str:
    """Returns how `ours` differ from the versions of the client that sent a task, empty if they do not."""
    wrong = [package for package in theirs if _version(package, theirs) != _version(package, ours)]
    return ", ".join(
        f"{_words(package, ours)}, but {_version(package, theirs)} on the client" for package in wrong
    )


def _of_one(place: str, packages: Iterable[str], ours: Versions, theirs: Versions) -> Iterator[Finding]:
    for package in packages:
        if _version(package, theirs) != _version(package, ours):
            yield _finding(place, package, _words(package, theirs), ours)


def _finding(place: str, package: str, theirs: str, ours: Versions) -> Finding:
    hint = f"install {package} {_version(package, ours)} there, or that version here"
    return Finding(place, f"{theirs}, here {_version(package, ours)}", hint, "cluster-version")


def _version(package: str, versions: Versions) -> str:
    """Returns the part of a version that must match: for Python the first two numbers."""
    found = versions.get(package) or ""
    return ".".join(found.split(".")[:2]) if package == "python" else found


def _words(package: str, versions: Versions) -> str:
    found = _version(package, versions)
    return f"{package} {found}" if found else f"{package} is not installed"


def listed(names: Sequence[str], total: int) -> str:
    """Returns workers, of `total` asked, as text: `worker a`, `workers a, b and 4 more`, `all 9 workers`."""
    if len(names) == total > 1:
        return f"all {total} workers"
    noun = "worker" if len(names) == 1 else "workers"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{noun} {', '.join(names[:_MOST_NAMED])}{more}"
