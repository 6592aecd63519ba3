"""The records in releases/: what a release holds, what its run gave, that it was yanked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from pydantic import Field

from waypost.contracts.names import FolderInside, ObjectId, VersionText
from waypost.contracts.provenance import ParameterFile
from waypost.interfaces.package import PackageInterface
from waypost.texts.json_text import read_json, writable
from waypost.texts.parsing import Strict, parse
from waypost.texts.pretty_json import Compact, json_text

FOLDER = "releases"
SCHEMA = 1
Kind = Literal["components", "pipeline", "package"]
_NAME = re.compile(r"releases/(\d+\.\d+\.\d+(?:[a-z]+\d+)?)\.json")


class ReleasedComponent(Strict):
    """A component of a library: its tree, its interface in full, the digest of its requirements."""

    tree: str
    shared: tuple[str, ...] = ()
    interface: dict[str, Any]
    environment: str


class ReleasedPin(Strict):
    """A component that a pipeline uses: what its lock says."""

    version: str
    commit: str
    tree: str


class Record(Strict):
    """X.Y.Z.json: lies inside the commit that is tagged, and lists everything else in it.

    `trees` are git's ids of all that lies at the top of the product's folder but `releases`; `date` is the
    day (UTC); `engine` the version that is in the repository, else the one that cut the release, with
    `+TREE` where its source is not that of its release; `made_with` versions of Python and MLflow;
    `parameters` names in params.yaml; `interface` that of a package.
    A record that was written after its release names the `commit`; `trees` lie at the top there.
    """

    schema_: int = Field(default=SCHEMA, alias="schema")
    kind: Kind
    name: str
    version: VersionText
    date: str
    engine: str
    made_with: dict[str, str]
    trees: dict[str, str]
    components: dict[str, ReleasedComponent] = {}
    pipeline: FolderInside = ""
    lock: str = ""
    pins: dict[str, ReleasedPin] = {}
    parameters: tuple[str, ...] = ()
    # Engines before 1.1 know neither: they are only written where they say something.
    interface: PackageInterface | None = Field(default=None, exclude_if=lambda value: value is None)
    commit: ObjectId | Literal[""] = Field(default="", exclude_if=lambda value: not value)
    notes: str


class RunRecord(Strict):
    """X.Y.Z.run.json: what the production run of a release gave.

    `outputs` are sha256 (hex) by step and output, `metrics` by step and name; `signature` that of
    the model (inputs and outputs as MLflow writes them), `models` the outputs that hold one. `kinds` are
    those that contracts declare of `metrics`; a record of 1.0 has none. `files` (name and text) and
    `overrides` are the parameters on top of the release's own. A record that stands in for a wrong one
    names that as what it `supersedes`, and says the `reason`.
    """

    schema_: int = Field(default=SCHEMA, alias="schema")
    version: str
    commit: str
    date: str
    run_id: str
    platform: str
    made_with: dict[str, str]
    outputs: dict[str, dict[str, str]]
    metrics: dict[str, dict[str, float]]
    models: tuple[str, ...] = ()
    signature: dict[str, Any] = {}
    kinds: dict[str, dict[str, str]] | None = Field(default=None, exclude_if=lambda value: value is None)
    files: tuple[ParameterFile, ...] = Field(default=(), exclude_if=lambda value: not value)
    overrides: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    supersedes: str = Field(default="", exclude_if=lambda value: not value)
    reason: str = Field(default="", exclude_if=lambda value: not value)


Outcome = Literal["passed", "failed", "none"]


class CheckedComponent(Strict):
    """What `waypost check --run` found of a component with these trees, its own and that of each folder that
    it shares: of its tests in its own environment, of its example under stock MLflow. `none`: there is none.
    """

    tree: ObjectId
    shared: dict[str, ObjectId] = {}
    tests: Outcome
    example: Outcome


class CheckRecord(Strict):
    """X.Y.Z.check.json: what executing the components of a release gave, on the day `date` (UTC)."""

    schema_: int = Field(default=SCHEMA, alias="schema")
    version: str
    date: str
    platform: str
    made_with: dict[str, str]
    components: dict[str, CheckedComponent]


class Yank(Strict):
    """X.Y.Z.yanked.json: nobody should start to use this release."""

    version: str
    reason: str
    date: str


Value = TypeVar("Value", Record, RunRecord, CheckRecord, Yank)


def parse_record(kind: type[Value], text: str, file: str) -> Value:
    """Returns the record. Raises FindingsError."""
    return parse(kind, read_json(text, file), file)


def record_text(record: Record | RunRecord | CheckRecord | Yank) -> str:
    """Returns the file's text: the same bytes for the same record."""
    content = record.model_dump(by_alias=True, mode="json")
    if isinstance(record, Record) and record.interface:
        content["interface"] = Compact(record.interface.model_dump(mode="json", exclude_defaults=True))
    # Metrics may be NaN or infinite, for which JSON has no number.
    return json_text(writable(content) if isinstance(record, RunRecord) else content) + "\n"


def run_record_of(version: str, names: Iterable[str]) -> str | None:
    """Returns the file among those in releases/ that is the run record of a version: of several the last one,
    which supersedes the others; None where there is none.
    """
    numbers = [number for name in names if (number := _number(version, name))]
    return _run_record(version, max(numbers)) if numbers else None


def next_run_record(version: str, names: Iterable[str]) -> str:
    """Returns the name that the next run record of a version gets: X.Y.Z.run.json, then X.Y.Z.run.2.json."""
    return _run_record(version, max((_number(version, name) for name in names), default=0) + 1)


def check_record_of(version: str) -> str:
    """Returns the name of the record of what executing a release's components gave."""
    return f"{version}.check.json"


def is_record_of(version: str, name: str) -> bool:
    """Tells whether a file in releases/ is the record of a version, or of its run, a superseding one too."""
    return name == f"{version}.json" or _number(version, name) > 0


def _run_record(version: str, number: int) -> str:
    return f"{version}.run.json" if number == 1 else f"{version}.run.{number}.json"


def _number(version: str, name: str) -> int:
    """Returns which run record of a version a file is, counted from 1; 0 where it is none."""
    hit = re.fullmatch(re.escape(version) + r"\.run(?:\.([2-9]|[1-9][0-9]{1,5}))?\.json", name)
    return int(hit[1] or 1) if hit else 0


def version_of_record(path: str) -> str | None:
    """Returns the version whose record a path is; None for other files, yanks and runs among them."""
    hit = _NAME.fullmatch(path)
    return hit[1] if hit else None
