"""A components.lock.json: the content that a pipeline runs, down to the trees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from waypost.contracts.names import FolderInside, FolderName, ObjectId, TagName, Uses, VersionText
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.pipeline import Pipeline, component_name
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.versions import parse_requirement
from waypost.errors import Finding, FindingsError, IntegrityError, nearest, redacted
from waypost.texts.digests import digest_of
from waypost.texts.json_text import read_json
from waypost.texts.parsing import Strict, parse

FILE = "components.lock.json"
SCHEMA = 2
WITHOUT_FOLDERS = 1
STALE = "lock-stale"
EDITED = "lock-edited"
NEWER = "lock-newer"


class Pin(Strict):
    """What a requirement resolved to: `folder` is the library's folder in its repository, `tree` the content
    of the component's folder, `shared` that of its shared folders; `released` the day of the commit (UTC).
    """

    git: str
    folder: FolderInside = Field(default="", exclude_if=lambda value: not value)
    requirement: str
    version: VersionText
    tag: TagName
    commit: ObjectId
    released: str
    tree: ObjectId
    shared: dict[FolderName, ObjectId]
    interface: str
    environment: str

    def __str__(self) -> str:
        return self.version or self.commit[:12]


class Lock(Strict):
    """The whole file; `components` by what a step `uses`.

    `requirements` is the digest of the requirements, `digest` that of the pins.
    """

    schema_: int = Field(alias="schema")  # `schema` is a method of pydantic's
    engine: str
    requirements: str
    digest: str
    components: dict[Uses, Pin]


@dataclass(frozen=True)
class Wanted:
    """A pipeline's requirement on one component; `git` as written, without credentials, `folder` in it."""

    source: str
    component: str
    git: str
    requirement: str
    folder: str = ""

    @property
    def place(self) -> str:
        """Where the library is, as people read it."""
        return f"{self.git}{self.folder and '#'}{self.folder}"


def wanted(pipeline: Pipeline) -> dict[str, Wanted]:
    """Returns the requirements of steps on components in git repositories, by their `uses`."""
    found = {}
    for step in pipeline.steps.values():
        source = pipeline.components.get(step.source)
        if source is not None and source.git:
            asked = step.requirement or source.version or ""
            named = (step.source, step.component, redacted(source.git), asked)
            found[step.uses] = Wanted(*named, source.folder or "")
    return found


def environment_digest(python_env: PythonEnv, files: Mapping[str, str]) -> str:
    """Returns the digest of a component's requirements: the lines, and the texts of the files in them."""
    return _digest([list(python_env.dependencies), dict(files)])


def make_lock(pipeline: Pipeline, pins: Mapping[str, Pin], engine: str) -> Lock:
    """Returns the lock of a pipeline."""
    components = dict(pins)
    return Lock(
        # What no pin needs is no reason for an older engine to refuse the lock.
        schema=SCHEMA if any(pin.folder for pin in components.values()) else WITHOUT_FOLDERS,
        engine=engine,
        requirements=_requirements_digest(wanted(pipeline)),
        digest=_content_digest(components),
        components=components,
    )


def lock_text(lock: Lock) -> str:
    """Returns the file's text: always the same bytes for the same lock."""
    return json.dumps(lock.model_dump(by_alias=True), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def parse_lock(text: str, command: str) -> Lock:
    """Returns the lock. Raises IntegrityError with the command that repairs it."""
    hint = f"write it again: {command}"
    try:
        content = read_json(text, FILE)
    except FindingsError as error:
        conflict = "not valid JSON: it has merge conflict markers" if "<<<<<<<" in text else ""
        problem = conflict or error.findings[0].problem
        raise IntegrityError([Finding(FILE, problem, hint, EDITED)]) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(schema, int):
        raise IntegrityError([Finding(FILE, "no schema number", hint, EDITED)])
    if schema > SCHEMA:
        problem = (
            f"written by a newer Waypost ({content.get('engine')}, schema {schema}; this one reads {SCHEMA})"
        )
        raise IntegrityError([Finding(FILE, problem, "pip install --upgrade waypost", NEWER)])
    try:
        lock = parse(Lock, content, FILE)
    except FindingsError as error:
        raise IntegrityError(Finding(f.place, f.problem, hint, EDITED) for f in error.findings) from error
    if lock.digest != _content_digest(lock.components):
        problem = "edited by hand: its digest does not match its content"
        raise IntegrityError([Finding(FILE, problem, hint, EDITED)])
    return lock


def staleness(pipeline: Pipeline, lock: Lock, command: str) -> list[Finding]:
    """Returns where a lock differs from what the pipeline asks for now."""
    asked = wanted(pipeline)
    gone = set(lock.components) - set(asked)
    anew = f"resolve it again: {command}"
    found = []
    for uses, want in asked.items():
        pin, hint = lock.components.get(uses), anew
        if pin is None:
            problem = f"{PIPELINE_FILE} uses {uses}, which is not in the lock"
            if near := nearest(uses, gone):
                hint = f"{near} else {anew}"
        elif pin.git != want.git:
            problem = f"{uses}: {PIPELINE_FILE} says git: {want.git}, the lock has {pin.git}"
        elif pin.folder != want.folder:
            problem = (
                f"{uses}: {PIPELINE_FILE} says folder: {want.folder}, the lock has {pin.folder or 'none'}"
            )
        elif pin.requirement != want.requirement:
            problem = (
                f"{uses}: {PIPELINE_FILE} asks for {want.requirement}, the lock is for {pin.requirement}"
            )
        else:
            continue
        found.append(Finding(FILE, problem, hint, STALE))
    found += [
        Finding(FILE, f"{uses} is no longer used by {PIPELINE_FILE}", anew, STALE) for uses in sorted(gone)
    ]
    if not found and lock.requirements != _requirements_digest(asked):
        found.append(Finding(FILE, "edited by hand: it does not match its requirements", anew, EDITED))
    return found


def requirement_findings(pipeline: Pipeline) -> list[Finding]:
    """Returns requirements that cannot be locked: invalid texts, and branches."""
    found = []
    for uses, want in wanted(pipeline).items():
        place = f"{PIPELINE_FILE}: components.{want.source}.version"
        if "@" in uses:
            place = f"{PIPELINE_FILE}: uses {uses}"
        try:
            requirement = parse_requirement(want.requirement)
        except ValueError as error:
            found.append(Finding(place, str(error)))
            continue
        if requirement.branch:
            problem = f"{requirement.branch!r} is a branch or another moving name, not a version"
            hint = "ask for one such as ~=1.4, or try the branch: waypost run --dev"
            found.append(Finding(place, problem, hint))
    return list(dict.fromkeys(found))


def _requirements_digest(asked: Mapping[str, Wanted]) -> str:
    return _digest({uses: _asked(want) for uses, want in asked.items()})


def _asked(want: Wanted) -> list[str]:
    return [want.git, want.requirement, *([want.folder] if want.folder else [])]


def _content_digest(pins: Mapping[str, Pin]) -> str:
    return _digest({uses: pin.model_dump() for uses, pin in pins.items()})


def _digest(content: Any) -> str:
    return f"sha256:{digest_of(content)}"


def selected(names: Iterable[str], uses: Iterable[str]) -> tuple[set[str], list[str]]:
    """Returns the `uses` that names select (SOURCE, COMPONENT or SOURCE/COMPONENT; no names: all), and the
    names that select nothing.
    """
    known = list(uses)
    names = list(names)
    if not names:
        return set(known), []
    meant, unknown = set(), []
    for name in names:
        hits = {u for u in known if name in _names(u)}
        meant |= hits
        if not hits:
            unknown.append(name)
    return meant, unknown


def _names(uses: str) -> set[str]:
    source, component = uses.partition("/")[0], component_name(uses)
    return {uses, source, component, f"{source}/{component}"}


def folders_of(uses: str, pin: Pin) -> dict[str, str]:
    """Returns the folders that a component needs, name to tree."""
    return {component_name(uses): pin.tree, **pin.shared}
