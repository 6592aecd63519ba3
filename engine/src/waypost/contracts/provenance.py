"""The provenance that a run records, besides its pipeline.yaml, its lock and its parameters."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from waypost.errors import redacted
from waypost.texts.canonical_yaml import flat
from waypost.texts.json_text import read_json
from waypost.texts.limits import shortened
from waypost.texts.parsing import Strict, parse
from waypost.texts.pretty_json import json_text

FOLDER = "waypost"
"""The artifact folder of a pipeline run for reproducing it."""
FILE = "run.json"
DIFF = "changes.diff"
SCHEMA = 1
COMMAND_TAG, OVERRIDES_TAG, DIRTY_TAG = "waypost.command", "waypost.overrides", "waypost.dirty"
_LONGEST_TAG = 4000  # characters; every version of MLflow keeps at least 5,000
_MOST_NAMED = 20

DiffState = Literal["none", "whole", "masked", "too large"]


class ParameterFile(Strict):
    """A parameter file, as it was when the run began."""

    name: str
    text: str


class Place(Strict):
    """Where a pipeline's files come from.

    `url` is the release's repository, else the origin of the repository around the folder; `top` the
    repository's folder on the machine of the run, or the pipeline's if there is no repository; `inside` the
    pipeline's folder below that.
    """

    url: str = ""
    top: str = ""
    inside: str = ""
    commit: str = ""
    release: str = ""


class Provenance(Strict):
    """run.json of a run: `files` are parameter files (params.yaml first), `overrides` are applied to them.

    `dirty` are changed files that the run could read, `diff` says whether changes.diff has all changes;
    `components` are the git trees by folder of each `uses`, `outside` the local source folders outside the
    pipeline's repository, `inputs` the local input files of steps; `steps` the selected ones.
    """

    schema_: int = Field(default=SCHEMA, alias="schema")
    engine: str
    pipeline: str
    place: Place
    files: tuple[ParameterFile, ...] = ()
    overrides: tuple[str, ...] = ()
    env: str = "uv"
    dev: bool = False
    steps: tuple[str, ...] | None = None
    dirty: tuple[str, ...] = ()
    diff: DiffState = "none"
    components: dict[str, dict[str, str]] = {}
    outside: dict[str, str] = {}
    inputs: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether the parameters are those of params.yaml alone, and all steps are selected."""
        extra = [file for file in self.files if file.name != "params.yaml"]
        return not (self.overrides or extra or self.steps is not None or self.dev)


def provenance_text(provenance: Provenance) -> str:
    """Returns the file's text, without secrets."""
    return json_text(without_secrets(provenance.model_dump(by_alias=True, mode="json"))) + "\n"


def parse_provenance(text: str, file: str = FILE) -> Provenance:
    """Parses the provenance of a run. Raises FindingsError."""
    return parse(Provenance, read_json(text, file), file)


def without_secrets(content: Any) -> Any:
    """Returns plain values without credentials in their texts."""
    if isinstance(content, str):
        return redacted(content)
    if isinstance(content, dict):
        return {key: without_secrets(value) for key, value in content.items()}
    return [without_secrets(value) for value in content] if isinstance(content, list) else content


def differing(parameters: Any, plain: Any) -> dict[str, tuple[str | None, str | None]]:
    """Returns by key (value in parameters, value in params.yaml alone); None if missing."""
    have, base = flat(parameters), flat(plain)
    keys = [*have, *(key for key in base if key not in have)]
    return {key: (have.get(key), base.get(key)) for key in keys if have.get(key) != base.get(key)}


def difference_lines(differences: Mapping[str, tuple[str | None, str | None]]) -> list[str]:
    """Returns `depth=7 (2)` for each parameter that differs."""
    return [
        f"{key}={'nothing' if now is None else now} ({'new' if before is None else before})"
        for key, (now, before) in differences.items()
    ]


def command(provenance: Provenance) -> str:
    """Returns the command of the run, as far as it affects the result."""
    place = provenance.place
    if place.release and place.url:
        target = f"{place.url}{place.inside and '#'}{place.inside}@{place.release}"
    else:
        target = place.inside or "."
    words = ["waypost", "run", target]
    words += [f"--params={file.name}" for file in provenance.files if file.name != "params.yaml"]
    words += ["--dev"] if provenance.dev else []
    words += ["--env=local"] if provenance.env == "local" else []
    words += [f"--steps={','.join(provenance.steps)}"] if provenance.steps is not None else []
    return redacted(shlex.join([*words, *provenance.overrides]))


def tags(provenance: Provenance, differences: Mapping[str, tuple[str | None, str | None]]) -> dict[str, str]:
    """Returns the run's tags: the command; the differing parameters and changed files, if any."""
    found = {COMMAND_TAG: shortened(command(provenance), _LONGEST_TAG)}
    if differences:
        found[OVERRIDES_TAG] = shortened("\n".join(difference_lines(differences)), _LONGEST_TAG)
    if provenance.dirty:
        found[DIRTY_TAG] = shortened(named(provenance.dirty), _LONGEST_TAG)
    return found


def is_folder(address: str) -> bool:
    """Returns whether the address of a repository is a folder, which no other machine has; git reads
    `host:path` as a server.
    """
    return address.startswith("file:") or (bool(address) and ":" not in address.partition("/")[0])


def named(files: tuple[str, ...]) -> str:
    """Returns the names of some files, and the number of others."""
    more = len(files) - _MOST_NAMED
    return ", ".join(files[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
