"""The location and releases of a library: a remote repository, or a folder of a local one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.tag_names import product_around
from waypost.contracts.trees import path_problem
from waypost.contracts.urls import full_url, name_of, url_problem
from waypost.contracts.versions import Release, releases_of
from waypost.errors import UsageError, WaypostError, redacted
from waypost.pins.recorded_releases import described
from waypost.sources import git, objects, remotes
from waypost.sources.mirror_objects import HEAD
from waypost.sources.store import Store

Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """A library that can be read: its objects are in `repository`, below the folder `prefix` of each commit.

    `url` is its `git` in a pipeline.yaml; `head` is the default branch, or the commit that is checked out.
    `fetch` fetches those of some files that are directly in some trees.
    """

    name: str
    url: str
    repository: Path
    prefix: str
    head: str
    releases: tuple[Release, ...]
    yanked: Mapping[str, str]
    fetch: Callable[[Sequence[str], Collection[str]], None]

    def tree_of(self, commit: str) -> str | None:
        """Returns the tree of the library at a commit."""
        return git.folder_at(self.repository, commit, self.prefix)


def open_library(written: str, store: Store) -> Opened:
    """Returns the library at `[NAME=]LOCATION`: a git URL, `URL#FOLDER`, or a folder in a repository.

    Raises UsageError for any other text, RemoteError.
    """
    name, equals, location = written.partition("=")
    if not equals or "/" in name or ":" in name:
        name, location = "", written
    folder, (address, _, inside) = Path(location), location.partition("#")
    if folder.is_dir() and (top := git.top_of(folder)):
        return _in_folder(name, folder.resolve(), top.resolve())
    if problem := url_problem(address) or (inside and path_problem(inside.rstrip("/"))):
        raise UsageError(f"{problem}, and no folder in a git repository either")
    return opened_at(name, full_url(address, str(Path.cwd())), inside.rstrip("/"), store)


def opened_at(name: str, url: str, inside: str, store: Store) -> Opened:
    """Returns the library in a folder of a remote repository, empty for its top. Raises RemoteError."""
    mirror = store.mirror(url, inside)
    mirror.fetch_head()
    releases = mirror.ensure_all(mirror.releases())
    return Opened(
        name=name or name_of(inside or url) or "library",
        url=redacted(url),
        repository=mirror.folder,
        prefix=inside,
        head=git.object_at(mirror.folder, HEAD) or "",
        releases=tuple(releases),
        yanked=mirror.yanked(),
        fetch=mirror.fetch_some,
    )


def _in_folder(name: str, folder: Path, top: Path) -> Opened:
    """Returns the library in a folder. Its releases follow from tags at the top of a repository, and below it
    if the library has its own tags; otherwise from the records in releases/.
    """
    if git.is_shallow(top):
        raise UsageError(f"{folder}: this clone has no history", hint="git fetch --unshallow --tags")
    prefix = "" if folder == top else folder.relative_to(top).as_posix()
    head = git.head_of(top)
    if head is None:
        raise UsageError(f"{folder}: nothing is committed yet")
    product, own = product_around(prefix, lambda path: git.text_at(top, head, path))
    if prefix and product != prefix:
        found, problems = described(top, head, prefix)
        if problems:
            raise WaypostError(f"{folder}: {problems[0]}")
        tags = {f"v{release.record.version}": release.commit for release in found}
    else:
        tags = remotes.tags_of(str(top))
    tagged = releases_of(tags, own if product == prefix else "")
    releases = [r for r in tagged if git.object_at(top, f"{r.commit}^{{commit}}") == r.commit]
    url = redacted(git.origin_of(top)) if product == prefix else ""
    return Opened(
        name=name or (name_of(url) if url and not prefix else folder.name),
        url=url,
        repository=top,
        prefix=prefix,
        head=head,
        releases=tuple(releases),
        yanked={},
        fetch=lambda _trees, _files: None,
    )


def entries_at(opened: Opened, tree: str) -> dict[str, str]:
    """Returns the ids of the entries of a tree by name."""
    return {name: entry.oid for name, entry in objects.entries(opened.repository, tree).items()}
