"""The origin of a run: a summary in its tags, everything in its artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost import __version__
from waypost.contracts import provenance as contract
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.lock import lock_text, make_lock
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE
from waypost.contracts.provenance import DiffState, ParameterFile, Place, Provenance
from waypost.contracts.urls import scheme_of
from waypost.errors import redacted
from waypost.pins.workspace import Workspace, read_lock
from waypost.runs.preflight import Options
from waypost.runs.prepare import PipelineSource, Prepared, locations
from waypost.runs.uncommitted import readable
from waypost.sources.changes import WorkTree, changed, diff_of, work_tree
from waypost.sources.files import read_text
from waypost.texts.canonical_yaml import canonical_yaml
from waypost.texts.masks import Masks
from waypost.texts.sealed import variables_in


@dataclass(frozen=True)
class Origin:
    """A run's origin: its `tags`, its `artifacts` by path, `differing` parameters as `depth=7 (2)`, and
    `dirty` files.
    """

    tags: Mapping[str, str]
    artifacts: Mapping[str, bytes]
    differing: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()


def origin_of(prepared: Prepared, options: Options) -> Origin:
    """Returns the origin of a run, with uncommitted changes from git."""
    parameters = redacted(canonical_yaml(prepared.parameters)).encode()
    artifacts = {PARAMETERS_FILE: parameters}
    if prepared.made_from is None:
        return Origin(prepared.tags(), artifacts)
    source, workspace = prepared.made_from, prepared.made_from.workspace
    facts, diff = _facts(prepared, source, options)
    texts = {FILE: _pipeline_text(workspace), LOCK_FILE: _lock_text(prepared, workspace)}
    texts[contract.FILE] = contract.provenance_text(facts)
    contents = {name: redacted(text).encode() for name, text in texts.items()} | {contract.DIFF: diff}
    artifacts |= {f"{contract.FOLDER}/{name}": content for name, content in contents.items() if content}
    differing = contract.differing(prepared.parameters, source.plain)
    tags = {**prepared.tags(), **contract.tags(facts, differing), **_components(prepared)}
    if workspace.kept:
        tags["waypost.like"] = workspace.kept.run_id
    if facts.place.commit:
        tags["waypost.commit"] = facts.place.commit
    lines = tuple(map(redacted, contract.difference_lines(differing)))
    return Origin(tags, artifacts, lines, facts.dirty)


def _components(prepared: Prepared) -> dict[str, str]:
    """Returns the tags with each step's component and its version."""
    tags = {}
    for step in prepared.plan.steps:
        pin = prepared.checkout(step).pin
        tags[f"waypost.component.{step.name}"] = f"{step.uses} {pin or ''}".strip()
    return tags


def _pipeline_text(workspace: Workspace) -> str:
    return workspace.kept.pipeline if workspace.kept else read_text(workspace.folder / FILE)


def _lock_text(prepared: Prepared, workspace: Workspace) -> str:
    """Returns the lock that the run's code satisfies; with --dev one made from the branches and locks
    used.
    """
    if prepared.dev:
        pins = {uses: code.pin for uses, code in prepared.checkouts.items() if code.pin}
        return lock_text(make_lock(prepared.pipeline, pins, __version__)) if pins else ""
    lock = read_lock(workspace)
    return lock_text(lock) if lock else ""


def _facts(prepared: Prepared, source: PipelineSource, options: Options) -> tuple[Provenance, bytes]:
    """Returns where a run's files come from, and the diff of uncommitted changes."""
    kept = source.workspace.kept
    if kept:  # reproduced from another run: that run's tree, with the current parameters
        place, dirty, state, diff = kept.facts.place, kept.facts.dirty, kept.facts.diff, kept.diff
        outside = kept.facts.outside
    elif release := source.workspace.release:
        inside = prepared.folder.relative_to(release.root).as_posix()
        place = Place(url=release.url, inside=_below(inside), commit=release.commit, release=release.version)
        dirty, state, diff, outside = (), "none", b"", {}
    else:
        tree = work_tree(prepared.folder)
        place = _place(prepared.folder, tree)
        dirty, state, diff = _uncommitted(prepared, tree)
        outside = _outside(prepared, tree.top if tree else prepared.folder)
    facts = Provenance(
        engine=__version__,
        pipeline=prepared.pipeline.name,
        place=place,
        files=tuple(ParameterFile(name=name, text=text) for name, text in source.files),
        overrides=source.overrides,
        env=options.env,
        dev=prepared.dev,
        steps=None if options.steps is None else tuple(sorted(options.steps)),
        dirty=dirty,
        diff=state,
        components={uses: dict(code.trees) for uses, code in prepared.checkouts.items()},
        outside=outside,
        inputs=kept.facts.inputs if kept else tuple(_relative_inputs(prepared)),
    )
    return facts, diff


def _below(inside: str) -> str:
    return "" if inside == "." else inside


def _place(folder: Path, tree: WorkTree | None) -> Place:
    if tree is None:
        return Place(top=str(folder))
    return Place(url=tree.origin, top=str(tree.top), inside=tree.inside, commit=tree.commit)


def _uncommitted(prepared: Prepared, tree: WorkTree | None) -> tuple[tuple[str, ...], DiffState, bytes]:
    """Returns the changed files that the run could read, and their diff, without secrets."""
    if tree is None:
        return (), "none", b""
    files = changed(tree.top, readable(prepared))
    if not files:
        return (), "none", b""
    diff = diff_of(tree.top, tree.commit, files)
    if diff is None:
        return tuple(files), "too large", b""
    masks = Masks(prepared.variables)
    shown = masks.text(redacted(diff.decode(errors="surrogateescape"))).encode(errors="surrogateescape")
    return tuple(files), "whole" if shown == diff else "masked", shown


def _outside(prepared: Prepared, top: Path) -> dict[str, str]:
    """Returns the local source folders that a copy of the repository would lack."""
    found = {}
    for uses, code in prepared.checkouts.items():
        root = code.folder.parent.resolve()
        if code.pin is None and not root.is_relative_to(top.resolve()):
            found[uses.partition("/")[0]] = str(root)
    return found


def _relative_inputs(prepared: Prepared) -> Iterator[str]:
    for _, location in locations(prepared.plan):
        text = location.text
        if not (variables_in(text) or scheme_of(text) or "://" in text or Path(text).is_absolute()):
            yield text
