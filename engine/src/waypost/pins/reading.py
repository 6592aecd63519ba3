"""What a commit of a component repository says of its components, as pins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from waypost.contracts.component import FILE, Component, PythonEnv, parse_component
from waypost.contracts.interface import interface_digest
from waypost.contracts.lock import Pin, Wanted, environment_digest
from waypost.contracts.parsing import load_mapping, parse
from waypost.contracts.trees import LINK, SUBMODULE
from waypost.contracts.versions import version_of
from waypost.errors import Finding, FindingsError, did_you_mean
from waypost.sources import git
from waypost.sources.store import Mirror

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class Commit:
    """A commit that is in a mirror. Files are fetched by the folder, many folders in one request."""

    def __init__(self, mirror: Mirror, commit: str) -> None:
        self.id = commit
        self._mirror = mirror
        self._entries = git.entries(mirror.folder, commit, recursive=True)
        self._files: dict[str, bytes] = {}
        self._contracts: dict[str, Component] = {}

    @property
    def components(self) -> list[str]:
        """The folders with an MLproject."""
        paths = (path.split("/") for path in self._entries)
        return [parts[0] for parts in paths if len(parts) == 2 and parts[1] == FILE]

    @property
    def released(self) -> str:
        """The day (UTC) of the commit."""
        seconds = int(git.git(self._mirror.folder, "log", "-1", "--format=%ct", self.id))
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()

    def tree(self, folder: str) -> str | None:
        """Returns the tree of a folder, None where there is no such folder."""
        entry = self._entries.get(folder)
        return entry.oid if entry and entry.kind == "tree" else None

    def trees(self, component: str) -> dict[str, str] | None:
        """Returns the trees of a component and of what it shares, None where it is not there."""
        if self.tree(component) is None or f"{component}/{FILE}" not in self._entries:
            return None
        names = [component, *self.component(component, component).shared]
        found = {name: self.tree(name) for name in names}
        return {name: tree for name, tree in found.items() if tree}

    def load(self, folders: Iterable[str]) -> None:
        """Fetches and reads all files of folders; a folder that is not there is passed over."""
        wanted = set(folders)
        oids = {
            path: entry.oid
            for path, entry in self._entries.items()
            if entry.kind == "blob" and path.partition("/")[0] in wanted and path not in self._files
        }
        if oids:
            self._files.update(zip(oids, self._mirror.blobs(list(oids.values()), self.id), strict=True))

    def text(self, path: str) -> str | None:
        """Returns a file's text, None where there is no such file."""
        if path not in self._files:
            self.load([path.partition("/")[0]])
        content = self._files.get(path)
        return None if content is None else content.decode(errors="replace")

    def component(self, name: str, place: str) -> Component:
        """Returns a component's contract. Raises FindingsError; near names are named."""
        if name not in self._contracts:
            text = self.text(f"{name}/{FILE}")
            if text is None:
                near = did_you_mean(name, self.components)
                raise FindingsError([Finding(place, f"no component {name!r}", near)])
            self._contracts[name] = parse_component(text, f"{place}: {FILE}")
        return self._contracts[name]

    def environment(self, name: str, component: Component) -> str:
        """Returns the digest of a component's requirements. Raises FindingsError."""
        if component.python_env is None:
            return environment_digest(PythonEnv(), {})
        file = f"{name}/{component.python_env}"
        text = self.text(file)
        if text is None:
            raise FindingsError([Finding(f"{name}/{FILE}", f"no {component.python_env} here")])
        python_env = parse(PythonEnv, load_mapping(text, file), file)
        files = {name_: self.text(f"{name}/{name_}") or "" for name_ in python_env.requirement_files}
        return environment_digest(python_env, files)

    def unusable(self, folder: str, uses: str) -> list[Finding]:
        """Returns what in a folder cannot be part of a component."""
        self.load([folder])
        found = []
        for path, entry in self._entries.items():
            if path.partition("/")[0] != folder:
                continue
            content = self._files.get(path, b"")
            if entry.mode == SUBMODULE:
                found.append(Finding(uses, f"{path} is a submodule; a component holds all that it needs"))
            elif content.startswith(_LFS_POINTER):
                problem = f"{path} is a Git LFS pointer, not the file; keep data out of components"
                found.append(Finding(uses, problem))
            elif entry.mode == LINK and (content.startswith(b"/") or b".." in content.split(b"/")):
                found.append(Finding(uses, f"{path} is a link that may leave its folder"))
        return found


def pins_at(
    commit: Commit, wants: Mapping[str, Wanted], tag: str = ""
) -> tuple[dict[str, Pin], dict[str, list[Finding]]]:
    """Returns the pins of components at a commit, and why others cannot be pinned there, by `uses`."""
    commit.load(want.component for want in wants.values())
    contracts: dict[str, Component] = {}
    findings: dict[str, list[Finding]] = {}
    for uses, want in wants.items():
        try:
            contracts[uses] = commit.component(want.component, uses)
        except FindingsError as error:
            findings[uses] = list(error.findings)
    commit.load(name for contract in contracts.values() for name in contract.shared)
    version, released = version_of(tag) if tag else None, commit.released
    pins = {}
    for uses, contract in contracts.items():
        name = wants[uses].component
        shared = {folder: commit.tree(folder) for folder in contract.shared}
        problems = [
            Finding(f"{uses}: {FILE}: shared", f"the repository has no folder {folder!r}")
            for folder, tree in shared.items()
            if tree is None
        ]
        for folder in (name, *shared):
            problems += commit.unusable(folder, uses)
        try:
            environment = commit.environment(name, contract)
        except FindingsError as error:
            problems += error.findings
        if problems:
            findings[uses] = list(dict.fromkeys(problems))
        else:
            pins[uses] = Pin(
                git=wants[uses].git,
                requirement=wants[uses].requirement,
                version=str(version) if version else "",
                tag=tag,
                commit=commit.id,
                released=released,
                tree=commit.tree(name) or "",
                shared={folder: tree or "" for folder, tree in shared.items()},
                interface=f"sha256:{interface_digest(contract)}",
                environment=environment,
            )
    return pins, findings
