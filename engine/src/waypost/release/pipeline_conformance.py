"""Conformance of a pipeline. The rules are in contracts/pipeline_conformance.py."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path

from waypost.contracts.component import FILE as PROJECT_FILE
from waypost.contracts.exemptions import exemptions
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, hold_findings
from waypost.contracts.pipeline_conformance import (
    deprecated_steps,
    two_versions,
    unpinned_data,
    unused_parameters,
)
from waypost.contracts.plan import Location
from waypost.contracts.rules import refuses
from waypost.contracts.schema_basis import is_stale, schema_named_in
from waypost.contracts.text_rules import text_findings
from waypost.contracts.trees import path_problem
from waypost.errors import Finding, FindingsError
from waypost.pins.parameters import basis_of_parameters, schema_of_parameters
from waypost.pins.workspace import Workspace, fresh_lock
from waypost.release.bumpversion import SETTINGS
from waypost.release.component_folders import text_of
from waypost.release.conformance import Conformance, Tried, check_components, held
from waypost.release.product import CHANGELOG
from waypost.runs.prepare import Prepared, prepare
from waypost.sources import git
from waypost.sources.files import read_parameters, read_pipeline, read_text, write_text
from waypost.sources.snapshots import content_of
from waypost.sources.store import Store
from waypost.sources.waiting import Notify
from waypost.system.places import home
from waypost.texts.json_text import read_json
from waypost.texts.pretty_json import json_text

_OF_A_PIPELINE = {
    PROJECT_FILE: "without it stock MLflow cannot run the pipeline: mlflow run",
    "README.md": "what does it do, and how is it run?",
}
_OF_A_REPOSITORY = {
    "LICENSE": "may others use it, and how?",
    CHANGELOG: "what changed for its users? https://keepachangelog.com",
    SETTINGS: "[bumpversion], current_version = 0.1.0, commit = False, tag = False",
}


def pipeline_at(folder: Path, say: Notify) -> Workspace:
    """Returns the workspace of a pipeline despite problems, if its file can be read.

    Raises FindingsError.
    """
    return Workspace(folder.resolve(), read_pipeline(folder), Store(home(), say), say)


def check_pipeline(
    workspace: Workspace, mend: Callable[[Path], None] | None = None, tried: Tried | None = None
) -> Conformance:
    """Checks a pipeline and the components in its own repository; `mend` is called with their folders before,
    and `tried` after that.

    Without `tried`, nothing is executed; missing components are fetched. Raises RemoteError.
    """
    folder, pipeline = workspace.folder, workspace.pipeline
    top = git.top_of(folder) or folder
    findings = [*_missing([folder], _OF_A_PIPELINE), *_missing(_up_to(top, folder), _OF_A_REPOSITORY)]
    findings += [*hold_findings(pipeline), *_lock_findings(workspace), *_absolute(workspace)]
    findings += [*two_versions(pipeline), *_secrets(workspace)]
    own = _own_components(workspace, mend, tried)
    findings += own.findings
    try:
        prepared = prepare(workspace, (), ())
        findings += [*_of_a_plan(prepared), *_schema_findings(prepared, workspace, mends=mend is not None)]
    except FindingsError as error:
        findings += [Finding(f.place, f.problem, f.hint, f.category or "plan") for f in error.findings]
    found = Conformance(own.components, tuple(dict.fromkeys(findings)))
    exempt = exemptions(pipeline.ignore, f"{FILE}: ignore")
    return held(found, exempt, executed=tried is not None)


def pipeline_release_findings(workspace: Workspace) -> list[Finding]:
    """Returns findings that prevent the release of a pipeline: of its own components, and secrets."""
    own = _own_components(workspace)
    found = Conformance((), (*own.findings, *_secrets(workspace)))
    exempt = exemptions(workspace.pipeline.ignore, f"{FILE}: ignore")
    return [finding for finding in held(found, exempt).findings if refuses(finding.category)]


def _own_components(
    workspace: Workspace, mend: Callable[[Path], None] | None = None, tried: Tried | None = None
) -> Conformance:
    """Checks the components in the pipeline's own repository; places are relative to its top."""
    top = git.top_of(workspace.folder) or workspace.folder
    names: list[str] = []
    findings: list[Finding] = []
    for library in own_libraries(workspace):
        if mend:
            mend(library)
        found = check_components(library)
        failed = tried(library) if tried else ()
        place = library.relative_to(top.resolve()).as_posix()
        names += [f"{place}/{name}" for name in found.components]
        findings += [
            Finding(posixpath.join(place, f.place), f.problem, f.hint, f.category)
            for f in (*found.findings, *failed)
        ]
    return Conformance(tuple(names), tuple(findings))


def _secrets(workspace: Workspace) -> Iterator[Finding]:
    """Yields texts in the form of a secret in files that git would commit; outside a repository, only
    pipeline.yaml and its parameters are checked. Components are checked with their library.
    """
    folder, own = workspace.folder, own_libraries(workspace)
    if git.top_of(folder) is None:
        texts = [(FILE, read_text(folder / FILE)), *read_parameters(folder)]
    else:
        names = [path.name for path in folder.iterdir() if path.name != ".git"]
        files = [file for group in content_of(folder, names).values() for file in group]
        files = [file for file in files if not any(file.is_relative_to(library) for library in own)]
        texts = [(file.relative_to(folder).as_posix(), text_of(file)) for file in files]
    for name, text in texts:
        yield from text_findings(name, text, with_places=False)


def _up_to(top: Path, folder: Path) -> list[Path]:
    """Returns a folder and those above it, up to the top of its repository: one of several products there may
    have a version of its own.
    """
    inside = folder.resolve().relative_to(top.resolve()).parts
    return [top.joinpath(*inside[:depth]) for depth in range(len(inside), -1, -1)]


def _missing(folders: list[Path], files: dict[str, str]) -> Iterator[Finding]:
    for name, hint in files.items():
        if not any((folder / name).is_file() for folder in folders):
            yield Finding(name, "is missing", hint, "licence" if name == "LICENSE" else "files")


def _lock_findings(workspace: Workspace) -> Iterator[Finding]:
    try:
        fresh_lock(workspace)
    except FindingsError as error:
        for finding in error.findings:
            yield Finding(finding.place or LOCK_FILE, finding.problem, finding.hint, finding.category)


def _absolute(workspace: Workspace) -> Iterator[Finding]:
    """Yields findings for absolute paths, which exist only on this machine."""
    for name, source in workspace.pipeline.components.items():
        for key, text in (("path", source.path), ("git", source.git)):
            if text and Path(text.removeprefix("file://")).is_absolute():
                place = f"{FILE}: components.{name}.{key}"
                yield Finding(place, f"{text} is a place on this machine", "nobody else has it", "paths")


def own_libraries(workspace: Workspace) -> list[Path]:
    """Returns the folders of components in the pipeline's repository that do not belong to a library."""
    top = git.top_of(workspace.folder) or workspace.folder
    folders = (workspace.local(n) for n, s in workspace.pipeline.components.items() if s.git is None)
    found = {
        folder for folder in folders if folder and folder.is_dir() and folder.is_relative_to(top.resolve())
    }
    return sorted(folder for folder in found if not (folder / SETTINGS).is_file())


def _schema_findings(prepared: Prepared, workspace: Workspace, *, mends: bool) -> Iterator[Finding]:
    """Yields a finding for a schema that params.yaml names and that does not fit any more, or writes it."""
    parameters = workspace.folder / PARAMETERS_FILE
    name = schema_named_in(read_text(parameters)) if parameters.is_file() else ""
    file = workspace.folder / name
    if not name or path_problem(name) or not file.is_file():
        return
    try:
        schema = read_json(read_text(file), name)
    except FindingsError as error:
        yield from (Finding(f.place, f.problem, f.hint, "schemas") for f in error.findings)
        return
    if not is_stale(schema, basis_of_parameters(prepared.pipeline, prepared.checkouts)):
        return
    if mends:
        found = schema_of_parameters(prepared.pipeline, prepared.checkouts)
        write_text(file, json_text(found) + "\n")
        workspace.notify(f"{file}: it fits the contracts now")
        return
    hint = f"waypost check --fix, or: waypost schema {PARAMETERS_FILE} -o {name}"
    yield Finding(name, "the contracts of the components have changed since it was written", hint, "schemas")


def _of_a_plan(prepared: Prepared) -> Iterator[Finding]:
    yield from unused_parameters(prepared.pipeline, prepared.parameters)
    yield from unpinned_data(prepared.plan)
    components = {uses: code.component for uses, code in prepared.checkouts.items()}
    yield from deprecated_steps(prepared.pipeline, components)
    for step in prepared.plan.steps:
        for name, argument in step.arguments.items():
            if isinstance(argument, Location) and argument.text and Path(argument.text).is_absolute():
                place = f"{FILE}: steps.{step.name}.with.{name}"
                problem = f"{argument} is a place on this machine"
                yield Finding(place, problem, f"a path beside {PARAMETERS_FILE}, or a URL", "paths")
