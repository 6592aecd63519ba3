"""The components in a commit of a library: trees, contracts, environments."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property

from waypost.contracts.component import FILE, MISSING, Component, contract_in, parse_component
from waypost.contracts.component_folder import is_component
from waypost.contracts.environment import PYTHON_ENV, environment_files, find_environment
from waypost.contracts.listing import Listing, top_of, walk
from waypost.contracts.lock import environment_digest
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.requirements import environment_folders
from waypost.contracts.trees import (
    FOLDER,
    LFS_PROBLEM,
    MOST_POINTER_BYTES,
    Entry,
    TreeError,
    is_lfs_pointer,
    link_problem,
    read_tree,
    shown,
)
from waypost.contracts.urls import name_of
from waypost.errors import Finding, FindingsError, did_you_mean
from waypost.sources import git
from waypost.sources.mirror import Mirror
from waypost.sources.mirror_objects import MOST_TEXT_BYTES
from waypost.sources.objects import REFUSED, Objects, entries
from waypost.sources.unpack import read_links

_MOST_LINKS = 8


class Commit:
    """A commit that is in a mirror. Files are fetched by the folder, many folders in one request, after a
    look at every name in them. Raises FindingsError where the names at the top are none that git would
    check out.

    A repository (or the folder of it that is meant) with a contract at its top is itself a component: its
    name is that of the repository, unless a folder in it is called so.
    """

    def __init__(self, mirror: Mirror, commit: str) -> None:
        self.id = commit
        self._mirror = mirror
        tree = mirror.content_of(commit) if mirror.inside else commit
        self._top = entries(mirror.folder, tree) if tree else {}
        name = name_of(mirror.inside or mirror.url) if is_component(self._top) else ""
        self._whole = "" if name in self._top else name
        if self._whole and (whole := mirror.content_of(commit)):
            self._top[self._whole] = Entry(FOLDER, whole)
        self._listing = Listing()
        self._seen: set[str] = set()
        self._loaded: set[str] = set()
        self._links: dict[str, bytes] = {}
        self._pointers: set[str] = set()
        self._texts: dict[str, str] = {}
        self._contracts: dict[str, Component] = {}

    @cached_property
    def components(self) -> list[str]:
        """The folders with an MLproject."""
        folders = {name: entry.oid for name, entry in self._top.items() if entry.kind == "tree"}
        with Objects(self._mirror.folder) as objects:
            bodies = zip(folders, objects.trees(list(folders.values())), strict=True)
            return sorted(name for name, body in bodies if _has_contract(body, len(folders[name])))

    def beside(self, component: str, folder: str) -> str | None:
        """Returns the tree of a folder beside a component; the one at the top has none."""
        return None if component == self._whole else self.tree(folder)

    def version_of(self, tag: str) -> str:
        """Returns the version that a tag of the library names, empty for others."""
        return str(self._mirror.version_of(tag) or "")

    @property
    def released(self) -> str:
        """The day (UTC) of the commit. Raises FindingsError where it has none."""
        mirror = self._mirror.folder
        seconds = git.git(mirror, "log", "-1", "--format=%ct", "--end-of-options", self.id).strip()
        try:
            return datetime.fromtimestamp(int(seconds), UTC).date().isoformat()
        except (ValueError, OverflowError, OSError):
            problem = f"its date, {shown(seconds)} seconds, is none"
            raise FindingsError([Finding(f"commit {self.id}", problem)], consequence="") from None

    def tree(self, folder: str) -> str | None:
        """Returns the tree of a folder, None where there is no such folder."""
        entry = self._top.get(folder)
        return entry.oid if entry and entry.kind == "tree" else None

    def look(self, folders: Iterable[str]) -> None:
        """Looks at all names in folders, which are here; one that is not there is passed over."""
        new = {name: tree for name in folders if name not in self._seen and (tree := self.tree(name))}
        self._seen |= new.keys()
        if new:
            with Objects(self._mirror.folder) as objects:
                self._listing.add(walk(new, objects.trees))

    def refused(self, folder: str, place: str) -> list[Finding]:
        """Returns why a folder cannot be unpacked; nothing is fetched for it."""
        self.look([folder])
        problem = self._listing.problems.get(folder)
        return [Finding(place, problem, "", REFUSED)] if problem else []

    def load(self, folders: Iterable[str]) -> None:
        """Fetches folders with acceptable names, and checks their files."""
        names = {name for name in folders if name not in self._loaded and self.tree(name)}
        self._loaded |= names
        self.look(names)
        trees = [self.tree(name) or "" for name in names if name not in self._listing.problems]
        if not trees:
            return
        self._mirror.fetch_files(trees)
        part = self._listing.part(names)
        blobs = part.of_kind("blob")
        with Objects(self._mirror.folder) as objects:
            sizes = objects.sizes(blobs.values())
            part.note_sizes(sizes)
            self._links |= read_links(objects, part, sizes)
            small = [oid for oid in dict.fromkeys(blobs.values()) if sizes[oid] < MOST_POINTER_BYTES]
            contents = zip(small, objects.blobs(small), strict=True)
            pointers = {oid for oid, content in contents if is_lfs_pointer(content)}
        self._pointers |= {path for path, oid in blobs.items() if oid in pointers}
        self._listing.add(part)

    def read(self, paths: Iterable[str]) -> None:
        """Reads texts, all at once; what is not there, or cannot be unpacked, is passed over."""
        paths = [path for path in dict.fromkeys(paths) if path not in self._texts]
        self.load(top_of(path) for path in paths)
        files = {path: self._followed(path) for path in paths}
        blobs = self._listing.of_kind("blob") if files else {}
        found = {p: blobs[real] for p, real in files.items() if real in blobs and real not in self._links}
        if found:
            with Objects(self._mirror.folder) as objects:
                contents = objects.blobs(list(found.values()), MOST_TEXT_BYTES)
                texts = (content.decode(errors="replace") for content in contents)
                self._texts |= dict(zip(found, texts, strict=True))

    def text(self, path: str) -> str | None:
        """Returns a file's text, None where there is no such file."""
        self.read([path])
        return self._texts.get(path)

    def _followed(self, path: str) -> str:
        """Returns what a path means: a link may stand for another file of these folders."""
        for _ in range(_MOST_LINKS):
            if path not in self._links:
                break
            target = self._links[path].decode(errors="replace")
            path = posixpath.normpath(f"{posixpath.dirname(path)}/{target}")
            self.load([top_of(path)])
        return path

    def read_contracts(self, names: Iterable[str]) -> None:
        """Reads the contracts of components, all at once."""
        names = list(names)
        self.load(names)
        self.read(f"{name}/{self._contract_of(name)}" for name in names)

    def component(self, name: str, place: str) -> Component:
        """Returns a component's contract. Raises FindingsError; near names are named."""
        if name not in self._contracts:
            self.load([name])
            text = self.text(f"{name}/{self._contract_of(name)}")
            if text is None and (problems := self.unusable(name, place, [name])):
                raise FindingsError(problems)
            if text is None:
                near = did_you_mean(name, self.components)
                raise FindingsError([Finding(place, f"no component {name!r}", near, MISSING)])
            self._contracts[name] = parse_component(text, f"{place}: {FILE}")
        return self._contracts[name]

    def _contract_of(self, name: str) -> str:
        """Returns what the contract of a component that is loaded is called."""
        below = f"{name}/"
        if f"{below}{FILE}" in self._listing.entries:
            return FILE
        paths = (path for path in self._listing.entries if path.startswith(below))
        return contract_in({path.removeprefix(below): self._listing.entries[path] for path in paths}) or FILE

    def read_environments(self, contracts: Mapping[str, Component]) -> None:
        """Reads what the environments of components (by name) are made of, all at once."""
        self.read(_beside(name, f.name) for name, c in contracts.items() for f in environment_files(c))
        files: list[str] = []
        for name, contract in contracts.items():
            with contextlib.suppress(FindingsError):  # told where the environment is asked for
                files += [_beside(name, file) for file in self._python_env(name, contract).requirement_files]
        self.read(files)

    def environment(self, name: str, component: Component) -> str:
        """Returns the digest of a component's requirements. Raises FindingsError."""
        return environment_digest(self._python_env(name, component), self.requirements(name, component))

    def requirements(self, name: str, component: Component) -> dict[str, str]:
        """Returns the texts of a component's requirement files. Raises FindingsError."""
        files = {f: self.text(_beside(name, f)) for f in self._python_env(name, component).requirement_files}
        absent = [file for file, text in files.items() if text is None]
        if absent:
            place = f"{name}/{component.python_env or component.conda_env or PYTHON_ENV}"
            raise FindingsError(Finding(place, f"no {file} here") for file in absent)
        return {file: text or "" for file, text in files.items()}

    def code(self, name: str, component: Component) -> dict[str, str]:
        """Returns the trees of what runs of a component, without folders that hold only what is installed.

        Raises FindingsError.
        """
        python_env = self._python_env(name, component)
        files = {self._followed(_beside(name, file)) for file in python_env.requirement_files}
        contents: dict[str, list[str]] = {folder: [] for folder in component.shared}
        for path in self._listing.entries:
            folder, _, rest = path.partition("/")
            if folder in contents and rest and "/" not in rest:
                contents[folder].append(rest)
        installed = environment_folders(contents, files)
        return {n: self.tree(n) or "" for n in (name, *component.shared) if n not in installed}

    def _python_env(self, name: str, component: Component) -> PythonEnv:
        contract = f"{name}/{FILE}"
        return find_environment(component, lambda file: self.text(_beside(name, file)), name, contract)

    def unusable(self, folder: str, uses: str, inside: Iterable[str]) -> list[Finding]:
        """Returns what in a folder cannot be part of a component; links may lead to folders `inside`."""
        self.load([folder])
        found, names = self.refused(folder, uses), set(inside)
        for path, target in self._links.items():
            if top_of(path) == folder and (problem := link_problem(path, target, names)):
                found.append(Finding(uses, f"{shown(path)} {problem}", "", REFUSED))
        for path in sorted(self._pointers):
            if top_of(path) == folder:
                problem = f"{path} {LFS_PROBLEM}"
                found.append(Finding(uses, problem))
        return found


def _has_contract(tree: bytes, digits: int) -> bool:
    try:
        return contract_in(read_tree(tree, digits=digits)) is not None
    except TreeError:
        return False


def _beside(component: str, file: str) -> str:
    """Returns the path of a file that a component names."""
    return posixpath.normpath(f"{component}/{file}")
