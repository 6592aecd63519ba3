"""How the packages of components are pinned, read from a library's repository."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

from waypost.catalogue.texts import Texts
from waypost.contracts.component import FILE, Component
from waypost.contracts.environment import environment_files, find_environment
from waypost.contracts.requirements import is_pinned
from waypost.contracts.trees import LINK
from waypost.errors import FindingsError

_MOST_LINKS = 4


def pinned(
    texts: Texts, folders: Mapping[str, str], contracts: Mapping[str, Component]
) -> dict[str, bool | None]:
    """Returns for each component whether all its packages are pinned and hashed; None if it requires none, or
    this is unknown.

    Args: `folders` are the trees of the library's folders by name.
    """
    files = _Files(texts, folders)
    files.read(_beside(n, f.name) for n, contract in contracts.items() for f in environment_files(contract))
    asked: dict[str, tuple[str, ...]] = {}
    loose: set[str] = set()
    for name, contract in contracts.items():
        try:
            found = find_environment(contract, files.beside(name), name, f"{name}/{FILE}")
        except FindingsError:
            continue
        asked[name] = found.requirement_files
        if any(not line.startswith(("-r ", "--requirement ")) for line in found.dependencies):
            loose.add(name)
    files.read(_beside(name, file) for name, group in asked.items() for file in group)
    verdicts = {text: is_pinned(text) for text in set(files.texts.values())}

    def verdict(name: str) -> bool | None:
        group = asked.get(name, ())
        if not group:
            return False if name in loose else None
        texts = [files.texts.get(_beside(name, file)) for file in group]
        return name not in loose and all(text is not None and verdicts[text] for text in texts)

    return {name: verdict(name) for name in contracts}


def _beside(component: str, file: str) -> str:
    return posixpath.normpath(f"{component}/{file}")


class _Files:
    """Files of a library by their paths; a link counts as what it names."""

    def __init__(self, texts: Texts, folders: Mapping[str, str]) -> None:
        self._texts = texts
        self._folders = folders
        self.texts: dict[str, str] = {}

    def beside(self, component: str) -> Callable[[str], str | None]:
        """Returns a function from a file name in a component to its text, for files that were read."""
        return lambda file: self.texts.get(_beside(component, file))

    def read(self, paths: Iterable[str]) -> None:
        """Reads files that are directly in folders, all at once; missing ones are skipped."""
        meant = {path: path for path in paths if path not in self.texts}
        for _ in range(_MOST_LINKS):
            found, links = self._read_once(list(dict.fromkeys(meant.values())))
            self.texts |= {path: found[at] for path, at in meant.items() if at in found}
            meant = {path: links[at] for path, at in meant.items() if at in links}
            if not meant:
                break

    def _read_once(self, paths: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Returns the texts of files, and the targets of links, by path."""
        files: dict[str, str] = {}
        links: dict[str, str] = {}
        trees = []
        for path in paths:
            folder, _, name = path.partition("/")
            tree = self._folders.get(folder, "")
            entry = self._texts.entries(tree).get(name) if tree else None
            if entry and entry.kind == "blob":
                (links if entry.mode == LINK else files)[path] = entry.oid
                trees.append(tree)
        found = self._texts.read(list(dict.fromkeys(trees)), [*files.values(), *links.values()])
        targets = {
            path: posixpath.normpath(f"{posixpath.dirname(path)}/{found[oid]}")
            for path, oid in links.items()
            if oid in found
        }
        return {path: found[oid] for path, oid in files.items() if oid in found}, targets
