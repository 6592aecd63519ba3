"""Is a component library what its users may expect? The rules are in contracts/conformance.py."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.conformance import README, Source, conformance, release_findings
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.readme import readme_problems, with_tables
from waypost.errors import Finding, FindingsError, UsageError
from waypost.release.bumpversion import SETTINGS
from waypost.release.product import CHANGELOG
from waypost.sources.files import components_in, read_component, read_python_env, read_text, write_text
from waypost.sources.snapshots import content_of

_OF_A_LIBRARY = {
    "LICENSE": "may others use it, and how?",
    README: "what is in it?",
    CHANGELOG: "what changed for its users? https://keepachangelog.com",
    SETTINGS: "[bumpversion], current_version = 0.1.0, commit = False, tag = False",
}


@dataclass(frozen=True)
class Conformance:
    """The components that were looked at, and everything that is wrong."""

    components: tuple[str, ...]
    findings: tuple[Finding, ...]


def check_library(folder: Path) -> Conformance:
    """Looks at every component of a library. Raises UsageError where there is none."""
    found = check_components(folder)
    if not found.components:
        hint = f"the folder of a library, or of a pipeline ({PIPELINE_FILE})"
        raise UsageError(f"{folder.resolve()}: no components here", hint=hint)
    missing = [
        Finding(name, "is missing", hint, "library")
        for name, hint in _OF_A_LIBRARY.items()
        if not (folder / name).is_file()
    ]
    return Conformance(found.components, (*missing, *found.findings))


def check_components(folder: Path) -> Conformance:
    """Looks at every component in a folder, which may be none."""
    names = components_in(folder)
    findings: list[Finding] = []
    content = content_of(folder, _folders(folder))
    imports: dict[str, frozenset[str]] = {}
    for name in names:
        try:
            findings += conformance(_source(folder, name, content, imports))
        except FindingsError as error:
            findings += [Finding(f.place, f.problem, f.hint, "contract") for f in error.findings]
    return Conformance(tuple(names), tuple(dict.fromkeys(findings)))


def write_tables(say: Callable[[str], None]) -> Callable[[Path], None]:
    """Returns what writes the tables of the contracts into the READMEs of a folder's components."""

    def write(folder: Path) -> None:
        for name in components_in(folder):
            try:
                main = read_component(folder, name, name).entry_points.get("main")
            except FindingsError:
                continue  # which a check tells
            file = folder / name / README
            before = read_text(file) if file.is_file() else f"# {name}\n"
            if main and list(readme_problems(before if file.is_file() else "", main)):
                write_text(file, with_tables(before, main))
                say(f"{file}: its tables are those of the contract now")

    return write


def library_release_findings(folder: Path) -> list[Finding]:
    """Returns why nobody could lock or run what lies in a library. Raises FindingsError."""
    names = components_in(folder)
    content = content_of(folder, _folders(folder))
    return [finding for name in names for finding in release_findings(_source(folder, name, content))]


def _folders(library: Path) -> list[str]:
    return sorted(path.name for path in library.iterdir() if path.is_dir() and path.name != ".git")


def _source(
    library: Path,
    name: str,
    content: Mapping[str, Sequence[Path]],
    imports: dict[str, frozenset[str]] | None = None,
) -> Source:
    """Returns a component's folder as the rules look at it: `content` has the files of each folder of the
    library; `imports` keeps what is imported in each, without it nobody looks. Raises FindingsError.
    """
    folder, component = library / name, read_component(library, name, name)
    if imports is not None:
        for other in {name, *component.shared}.difference(imports):
            imports[other] = frozenset(_imports(content.get(other, ())))
    there = component.python_env is not None and (folder / component.python_env).is_file()
    python_env = read_python_env(folder, component) if there else None
    together = [(library / other).resolve() for other in (name, *component.shared)]
    return Source(
        name,
        component,
        frozenset(path.relative_to(folder).as_posix() for path in content[name]),
        read_text(folder / README) if (folder / README).is_file() else "",
        python_env,
        _texts(folder, python_env.requirement_files if python_env else (), together),
        frozenset(content),
        imports or {},
        _texts(folder, component.schema_files, together),
    )


def _texts(folder: Path, files: Iterable[str], together: Sequence[Path]) -> dict[str, str]:
    """Returns the texts of files that lie, links followed, in folders that come along."""
    places = {file: (folder / file).resolve() for file in files}
    return {
        file: read_text(place)
        for file, place in places.items()
        if place.is_file() and any(place.is_relative_to(other) for other in together)
    }


def _imports(files: Iterable[Path]) -> Iterator[str]:
    """Gives the first names of all modules that Python files import, tests left out."""
    for file in files:
        if file.suffix != ".py" or file.name.startswith(("test_", "conftest")):
            continue
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]
