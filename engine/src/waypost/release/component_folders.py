"""Folders of a library's components, read for the rules of contracts/conformance.py; nothing is executed."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.component import Component
from waypost.contracts.component_folder import README, ComponentFolder
from waypost.contracts.environment import environment_files
from waypost.contracts.python_code import Code, read_code, together
from waypost.contracts.text_rules import text_findings
from waypost.contracts.trees import (
    LFS_PROBLEM,
    MOST_POINTER_BYTES,
    SUBMODULE_PROBLEM,
    is_lfs_pointer,
    link_problem,
)
from waypost.errors import Finding, FindingsError, UsageError, WaypostError
from waypost.interfaces.record import FOLDER as RECORDS
from waypost.sources.files import components_in, read_component, read_python_env, read_text
from waypost.sources.snapshots import content_of

_MOST_BYTES = 1_000_000  # of a file that is looked at as text
_FOR_PEOPLE = (".md", ".rst", ".html", ".svg")


@dataclass
class ComponentFolders:
    """The readable components of a library, and the problems of the others; `content` has the files that git
    would commit, by folder, `top` those in no folder.
    """

    root: Path
    content: Mapping[str, Sequence[Path]]
    top: Sequence[Path] = ()
    contracts: dict[str, Component] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    _code: dict[str, dict[str, Code]] = field(default_factory=dict)

    def folders(self) -> Iterator[ComponentFolder]:
        """Yields each component in the form that the rules check; unreadable parts become problems."""
        for name, component in self.contracts.items():
            try:
                yield self._folder_of(name, component)
            except (FindingsError, UsageError) as error:
                self.note(error)

    def texts(self) -> Iterator[Finding]:
        """Yields forbidden texts in files of the library: keys, and local paths in executed files."""
        executed = {*self.contracts, *(s for c in self.contracts.values() for s in c.shared)}
        for folder, files in (("", self.top), *self.content.items()):
            for file in files if folder != RECORDS else ():
                text = text_of(file)
                runs = folder in executed and not _is_test(file) and file.suffix not in _FOR_PEOPLE
                place = file.relative_to(self.root).as_posix()
                yield from text_findings(place, text, with_places=runs)

    def note(self, error: FindingsError | UsageError) -> None:
        """Notes what cannot be read: keys of a file, or a file at all."""
        if isinstance(error, UsageError):
            self.problems.append(unread(self.root, error, "contract"))
        else:
            self.problems += [Finding(f.place, f.problem, f.hint, "contract") for f in error.findings]

    def _folder_of(self, name: str, component: Component) -> ComponentFolder:
        folder = self.root / name
        there = any((folder / file.name).is_file() for file in environment_files(component))
        python_env = read_python_env(folder, component) if there else None
        beside = (name, *component.shared)
        together_ = [(self.root / other).resolve() for other in beside]
        return ComponentFolder(
            name,
            component,
            frozenset(path.relative_to(folder).as_posix() for path in self.content[name]),
            read_text(folder / README) if (folder / README).is_file() else "",
            python_env,
            _texts(folder, python_env.requirement_files if python_env else (), together_),
            frozenset(self.content),
            {other: together(self.code_of(other).values()).imports for other in beside},
            _texts(folder, component.schema_files, together_),
            {
                posixpath.relpath(file, name): code
                for other in beside
                for file, code in self.code_of(other).items()
            },
            {**dict.fromkeys(components_in(self.root)), **self.contracts},
            dict(self._refused(beside)),
        )

    def _refused(self, folders: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yields files of folders that no lock takes: path in the library, problem."""
        for file in (each for folder in folders for each in self.content.get(folder, ())):
            path = file.relative_to(self.root).as_posix()
            if file.is_symlink():
                if problem := link_problem(path, os.fsencode(file.readlink()), folders):
                    yield path, problem
            elif file.is_dir():
                yield path, SUBMODULE_PROBLEM
            elif file.stat().st_size < MOST_POINTER_BYTES and is_lfs_pointer(file.read_bytes()):
                yield path, LFS_PROBLEM

    def code_of(self, folder: str) -> dict[str, Code]:
        """Returns facts on the Python files of a folder, without tests, by path in the library."""
        if folder not in self._code:
            files = [f for f in self.content.get(folder, ()) if f.suffix == ".py" and not _is_test(f)]
            read = {file.relative_to(self.root).as_posix(): read_code(text_of(file)) for file in files}
            self._code[folder] = {file: code for file, code in read.items() if code}
        return self._code[folder]


def read_folders(root: Path) -> ComponentFolders:
    """Returns the components of a folder; there may be none."""
    names = sorted(path.name for path in root.iterdir() if path.name != ".git")
    content = content_of(root, names)
    folders = {name: files for name, files in content.items() if (root / name).is_dir()}
    found = ComponentFolders(root, folders, [root / n for n in names if n not in folders and content[n]])
    for name in components_in(root):
        try:
            found.contracts[name] = read_component(root, name, name)
        except (FindingsError, UsageError) as error:
            found.note(error)
    return found


def unread(root: Path, error: UsageError, rule: str) -> Finding:
    """Returns what is wrong with a file of a library that cannot be read, with its path there."""
    text = str(error).removeprefix(f"{root.resolve()}/").removeprefix(f"{root}/")
    place, _, problem = text.partition(": ")
    return Finding(place, problem, error.hint, rule)


def _is_test(file: Path) -> bool:
    return file.name.startswith(("test_", "test-", "conftest"))


def text_of(file: Path) -> str:
    """Returns a file's text; empty for links, binary files and files too large to be code."""
    try:
        if file.is_symlink() or file.stat().st_size > _MOST_BYTES:
            return ""
        return read_text(file)
    except (WaypostError, OSError):
        return ""


def _texts(folder: Path, files: Iterable[str], beside: Sequence[Path]) -> dict[str, str]:
    """Returns the texts of files that are, with links resolved, in delivered folders."""
    places = {file: (folder / file).resolve() for file in files}
    return {
        file: read_text(place)
        for file, place in places.items()
        if place.is_file() and any(place.is_relative_to(other) for other in beside)
    }
