"""What is installed on a cluster, compared with what is here: findings, all of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from waypost.errors import Finding

Versions = Mapping[str, str | None]
"""Versions by the names of packages; `python` is one of them, None stands for what is not installed."""
OF_SCHEDULER = ("python", "distributed")
OF_WORKERS = ("python", "waypost", "distributed")
_MOST_NAMED = 5


def differences(
    ours: Versions, scheduler: Versions, workers: Mapping[str, Versions], more: Iterable[str] = ()
) -> list[Finding]:
    """Returns what of a cluster does not fit, each thing once.

    Args: `workers` are theirs by name; `more` are packages that they need in our version, beside Python,
    Waypost and Dask.
    """
    found = [*_of_one("scheduler", OF_SCHEDULER, ours, scheduler)]
    for package in (*OF_WORKERS, *more):
        others: dict[str, list[str]] = defaultdict(list)
        for name, theirs in sorted(workers.items()):
            if _version(package, theirs) != _version(package, ours):
                others[_words(package, theirs)].append(name)
        for words, names in others.items():
            found.append(_finding(_listed(names, len(workers)), package, words, ours))
    return found


def unlike(theirs: Versions, ours: Versions) -> str:
    """Returns what of `ours` is not as with the client that sent a task, empty if all is."""
    wrong = [package for package in theirs if _version(package, theirs) != _version(package, ours)]
    return ", ".join(
        f"{_words(package, ours)}, and {_version(package, theirs)} with the client" for package in wrong
    )


def _of_one(place: str, packages: Iterable[str], ours: Versions, theirs: Versions) -> Iterator[Finding]:
    for package in packages:
        if _version(package, theirs) != _version(package, ours):
            yield _finding(place, package, _words(package, theirs), ours)


def _finding(place: str, package: str, theirs: str, ours: Versions) -> Finding:
    hint = f"install {package} {_version(package, ours)} there, or their version here"
    return Finding(place, f"{theirs}, here {_version(package, ours)}", hint, "cluster-version")


def _version(package: str, versions: Versions) -> str:
    """Returns a version as far as it matters: of Python the first two numbers."""
    found = versions.get(package) or ""
    return ".".join(found.split(".")[:2]) if package == "python" else found


def _words(package: str, versions: Versions) -> str:
    found = _version(package, versions)
    return f"{package} {found}" if found else f"{package} is not installed"


def _listed(names: Sequence[str], total: int) -> str:
    noun = "worker" if len(names) == 1 else "workers"
    if len(names) == total > 1:
        return f"all {total} workers"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{noun} {', '.join(names[:_MOST_NAMED])}{more}"
