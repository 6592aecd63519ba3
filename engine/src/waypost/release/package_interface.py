"""The interface of a Python package, read from its source tree, not from an installation."""

from __future__ import annotations

import ast
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from waypost.contracts.project import FILE, Project, import_names
from waypost.errors import UsageError
from waypost.interfaces.package import Member, PackageInterface
from waypost.interfaces.schema import keys_of, written_keys_of
from waypost.sources.files import read_text
from waypost.system.process import ProcessError, bytes_of

_SCRIPT = Path(__file__).with_name("introspect.py")
_PLACES = ("src", ".")
_SECONDS = 120.0


def read_interface(folder: Path, project: Project) -> PackageInterface:
    """Returns the public interface of the package in a folder.

    The Python interface is read without being imported; commands and documents are imported, in a process
    of its own. Raises UsageError that names what cannot be read.
    """
    declared = project.settings.interface
    source = folder / (declared.source or _source(folder, project))
    found = _introspected(folder, source, project)
    return PackageInterface(
        python=project.requires_python,
        extras=tuple(sorted(project.extras)),
        entry_points={group: tuple(sorted(names)) for group, names in project.all_entry_points.items()},
        exit_codes=dict(sorted(found["exit_codes"].items())),
        commands=found["commands"],
        reads={name: keys_of(schema) for name, schema in sorted(found["reads"].items())},
        writes={name: written_keys_of(schema) for name, schema in sorted(found["writes"].items())},
        api=_api(source, declared.api or _tops(source, project)),
    )


def stated_versions(folder: Path, project: Project) -> dict[str, str]:
    """Returns the versions stated in the package, by file: `__version__` as a string literal."""
    found = {}
    for place in (
        (project.settings.interface.source, *_PLACES) if project.settings.interface.source else _PLACES
    ):
        for name in _tops(folder / place, project):
            file = folder / place / name / "__init__.py"
            for statement in ast.parse(read_text(file)).body if file.is_file() else ():
                match statement:
                    case ast.Assign([ast.Name("__version__")], ast.Constant(str(text))):
                        found[file.relative_to(folder).as_posix()] = text
    return found


def silent_commands(project: Project, interface: PackageInterface) -> list[str]:
    """Returns the console scripts with unknown verbs, since they do not start a click command."""
    return sorted(set(project.scripts) - {name.partition(" ")[0] for name in interface.commands})


def _source(folder: Path, project: Project) -> str:
    """Returns the folder, below the project's, that contains the package. Raises UsageError."""
    for place in _PLACES:
        if _tops(folder / place, project):
            return place
    names = " or ".join(import_names(project))
    raise UsageError(
        f"{folder / FILE}: no package {names} in {' or '.join(_PLACES)}",
        hint='say where it is: [tool.waypost.interface] source = "lib", api = ["name"]',
    )


def _tops(source: Path, project: Project) -> tuple[str, ...]:
    """Returns the top package of a project in a folder; the most likely of several names."""
    names = import_names(project)
    there = (n for n in names if (source / n / "__init__.py").is_file() or (source / f"{n}.py").is_file())
    return tuple(there)[:1]


def _introspected(folder: Path, source: Path, project: Project) -> dict[str, Any]:
    """Returns the facts that require importing the package. Raises UsageError."""
    declared = project.settings.interface
    files = {kind: _schema_files(folder, getattr(declared, kind)) for kind in ("reads", "writes")}
    asked = {
        "root": str(source),
        "commands": project.commands,
        "exit_codes": declared.exit_codes,
        **{
            k: {n: r for n, r in getattr(declared, k).items() if n not in found} for k, found in files.items()
        },
    }
    if any(content for name, content in asked.items() if name != "root"):
        found = _asked(folder, source, asked)
    else:
        found = {name: {} for name in asked}
    return {**found, **{kind: {**found[kind], **schemas} for kind, schemas in files.items()}}


def _asked(folder: Path, source: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    paths = [str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", str(_SCRIPT)]
    try:
        answer = bytes_of(command, cwd=folder, env=env, stdin=json.dumps(asked).encode(), timeout=_SECONDS)
        found: dict[str, Any] = json.loads(answer)
    except (ProcessError, ValueError) as error:
        words = getattr(error, "stderr", "").strip().splitlines() or ["no word"]
        raise UsageError(f"{folder}: its interface cannot be read: {words[-1]}") from error
    if problem := found.get("error"):
        hint = f"install what it needs where waypost runs ({sys.prefix}), or mend [tool.waypost.interface]"
        raise UsageError(f"{folder / FILE}: {problem}", hint=hint)
    return found


def _schema_files(folder: Path, references: Mapping[str, str]) -> dict[str, Any]:
    """Returns the documents with a schema file in the project. Raises UsageError."""
    found = {}
    for name, reference in references.items():
        if ":" not in reference:
            try:
                found[name] = json.loads(read_text(folder / reference))
            except ValueError as error:
                raise UsageError(f"{folder / reference}: not valid JSON: {error}") from error
    return found


def _api(source: Path, modules: tuple[str, ...]) -> dict[str, Member]:
    import griffe

    logging.getLogger("griffe").setLevel(logging.CRITICAL)
    found: dict[str, Member] = {}
    for name in modules:
        try:
            module = griffe.load(name, search_paths=[source], allow_inspection=False)
        except (ImportError, griffe.GriffeError, SyntaxError) as error:
            raise UsageError(f"{source}: {name} cannot be read: {error}") from error
        for key in _public_names(module):
            found.update(_members(f"{name}.{key}", module[key]))
    return dict(sorted(found.items()))


def _public_names(module: Any) -> list[str]:
    """Returns the names in a module's `__all__`, else those that it defines without an underscore."""
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [name for name, member in module.members.items() if member.is_public and not member.is_module]


def _members(name: str, member: Any) -> Iterator[tuple[str, Member]]:
    """Yields a public name and, for a class, its public members, including inherited ones."""
    import griffe

    if member.is_alias:
        try:
            member = member.final_target
        except griffe.GriffeError:  # it comes from another package
            yield name, Member(kind="attribute")
            return
    if member.is_function:
        yield name, Member(kind="function", signature=_signature(member))
    elif member.is_class:
        making = member.all_members.get("__init__")
        signature = (
            _signature(making).partition(" -> ")[0] if making is not None and making.is_function else ""
        )
        yield name, Member(kind="class", signature=signature, bases=tuple(sorted(_bases(member))))
        for key, inner in member.all_members.items():
            if not key.startswith("_") and not inner.is_class:
                yield from _members(f"{name}.{key}", inner)
    else:
        yield name, Member(kind="module" if member.is_module else "attribute")


def _signature(function: Any) -> str:
    return str(function.signature(return_type=True, name="f")).removeprefix("f")


def _bases(found: Any) -> set[str]:
    """Returns the public names of a class's base classes, as far as they can be resolved."""
    names = {str(base).partition("[")[0].rpartition(".")[2] for base in found.bases}
    for base in found.resolved_bases:
        names |= _bases(base)
    return {name for name in names if not name.startswith("_")}
