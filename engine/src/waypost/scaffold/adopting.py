"""The pipeline.yaml and params.yaml of a new pipeline with components of an existing library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.component import Component, EntryPoint, Output, Parameter
from waypost.contracts.lock import Wanted
from waypost.contracts.pipeline import Pipeline
from waypost.contracts.target import library_target
from waypost.contracts.urls import full_url, name_of, without_secrets
from waypost.errors import Finding, FindingsError, UsageError, did_you_mean
from waypost.pins.resolver import Resolver
from waypost.pins.workspace import Workspace
from waypost.scaffold.texts import scalar
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.texts.escaping import one_line
from waypost.texts.parsing import parse

_NOTHING = "/dev/null"
_TABLES = (".parquet", ".csv", ".feather", ".tsv")


@dataclass(frozen=True)
class Adopted:
    """Components of a library: `source` is its name in pipeline.yaml, `requirement` the required version.

    `folder` is the library's folder in its repository, empty for the top.
    """

    source: str
    git: str
    requirement: str
    components: Mapping[str, Component]
    folder: str = ""


def adopted(text: str, names: Sequence[str], source: str, say: Callable[[str], None]) -> Adopted:
    """Returns components of a library, `URL` (its newest release) or `URL@VERSION`.

    Raises UsageError, with the known names, for an unknown name or none; FindingsError, IntegrityError,
    RemoteError.
    """
    target = library_target(text, str(Path.cwd()))
    if target is None:
        raise UsageError(f"{text}: not of the form URL[#FOLDER][@VERSION]")
    source = source or _source_of(target.folder or target.url)
    git = full_url(target.url, str(Path.cwd()))
    content = {
        "name": "new",
        "components": {source: {"git": git, "version": target.version, "folder": target.folder or None}},
        "steps": {"any": {"uses": f"{source}/any"}},
    }
    workspace = Workspace(Path.cwd(), parse(Pipeline, content, text), Store(home(), say), say)
    resolver = Resolver(workspace)
    there = resolver.offered(Wanted(source, "", git, target.version, target.folder))
    if unknown := [name for name in names if name not in there]:
        raise UsageError(f"{text} has no component {unknown[0]!r}", hint=did_you_mean(unknown[0], there))
    if not there:
        hint = "a component is a folder with an MLproject, or a whole repository; URL#FOLDER names a folder"
        raise UsageError(f"{text}: no components there", hint=hint)
    names = names or (there if len(there) == 1 else ())
    if not names:
        raise UsageError(f"{text}: which components?", hint=f"--components {','.join(there)}")
    wants = {f"{source}/{name}": Wanted(source, name, git, target.version, target.folder) for name in names}
    pins = resolver.pins(wants)
    if problems := [finding for found in resolver.problems.values() for finding in found]:
        raise FindingsError(problems, consequence="nothing was written")
    version = next(iter(pins.values())).version
    components = {name: resolver.contracts[f"{source}/{name}"] for name in names}
    if (plain := without_secrets(git)) != git:
        say("the user and password of the URL are not written: docs/private-repositories.md")
    return Adopted(source, plain, _requirement(target.version, version), components, target.folder)


def _source_of(url: str) -> str:
    return _plain(name_of(url)) or "library"


def _plain(name: str) -> str:
    """Returns a name with the characters allowed for sources and steps; it may be empty."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_").lstrip("-_0123456789")


def _requirement(asked: str, version: str) -> str:
    """Returns the requirement in pipeline.yaml: the given one; for `latest`, compatible releases."""
    parts = version.split(".")
    return f"~={parts[0]}.{parts[1]}" if asked == "*" and len(parts) > 1 else asked


def pipeline_text(name: str, library: Adopted) -> str:
    """Returns a pipeline.yaml with a step for each component, every parameter described.

    A required parameter gets an earlier step's output if one fits, else a parameter of params.yaml.
    """
    lines = [
        f"name: {scalar(name)}",
        "",
        "components:",
        f"  {library.source}: {{git: {scalar(library.git)}{_inside(library)},"
        f" version: {scalar(library.requirement)}}}",
        "",
        "steps:",
    ]
    done: dict[str, EntryPoint] = {}
    for uses, component in library.components.items():
        step, main = step_of(uses), _main(uses, component)
        lines += [f"  {step}:{_about(main)}", f"    uses: {library.source}/{uses}"]
        lines += _with(step, main, done)
        done[step] = main
    return "\n".join(lines) + "\n"


def _inside(library: Adopted) -> str:
    return f", folder: {scalar(library.folder)}" if library.folder else ""


def parameters_text(library: Adopted) -> str:
    """Returns a params.yaml with the required parameters that get no output of another step."""
    lines = ["# Required parameters of the steps in pipeline.yaml."]
    done: dict[str, EntryPoint] = {}
    for name, component in library.components.items():
        step, main = step_of(name), _main(name, component)
        wanted = [(n, p) for n, p in main.parameters.items() if p.is_required and not _given(n, p, done)]
        if wanted:
            lines.append(f"{step}:")
            lines += [f"  {key}: ???{_about(parameter)}" for key, parameter in wanted]
        done[step] = main
    return "\n".join(lines) + "\n"


def step_of(component: str) -> str:
    """Returns the name of a component's step: the component's, with the characters allowed for steps."""
    return _plain(component) or "step"


def _main(name: str, component: Component) -> EntryPoint:
    if "main" not in component.entry_points:
        problem = "it has no entry point 'main', which a step uses"
        raise FindingsError([Finding(name, problem)], consequence="nothing was written")
    return component.entry_points["main"]


def _with(step: str, main: EntryPoint, done: Mapping[str, EntryPoint]) -> Iterator[str]:
    if not main.parameters:
        return
    has_value = any(p.is_required or _given(n, p, done) for n, p in main.parameters.items())
    yield "    with:" if has_value else "    # with:"
    for key, parameter in main.parameters.items():
        about = _about(parameter)
        if given := _given(key, parameter, done):
            yield f"      {key}: {given}{about}"
        elif parameter.is_required:
            yield f"      {key}: ${{{step}.{key}}}{about}"
        else:
            yield f"      # {key}: {_default(parameter)}{about}"


def _given(key: str, parameter: Parameter, done: Mapping[str, EntryPoint]) -> str:
    """Returns a reference to the output of an earlier step that fits a path parameter, by its type, else by
    its name; of several, the one named in its description, else the last. Only required parameters, and those
    with `takes`, get one.
    """
    if parameter.type != "path" or not (parameter.is_required or parameter.takes):
        return ""
    outputs = [
        (_type_of(output), name, f"${{steps.{step}.outputs.{name}}}")
        for step, main in reversed(list(done.items()))
        for name, output in main.outputs.items()
    ]
    # Only a suggestion for the user to read: contracts without types describe tables in words.
    about = parameter.description.lower()
    wanted = parameter.takes or ("table" if "table" in about else "")
    fitting = [(name in re.findall(r"\w+", about), text) for kind, name, text in outputs if kind == wanted]
    typed = [text for _, text in sorted(fitting, key=lambda each: not each[0])] if wanted else []
    named = [text for kind, name, text in outputs if name == key and kind in ("", wanted)]
    return next(iter([*typed, *named]), "")


def _type_of(output: Output) -> str:
    return output.type or ("table" if output.path.endswith(_TABLES) else "")


def _default(parameter: Parameter) -> str:
    if parameter.default in ("", _NOTHING):
        return '""'
    return scalar(parameter.default)


def _about(described: EntryPoint | Parameter) -> str:
    """Returns the comment that says what something is, empty where nothing does."""
    text = one_line(" ".join(described.description.split()))
    return f"  # {text}" if text else ""
