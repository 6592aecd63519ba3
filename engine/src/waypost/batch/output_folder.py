"""An output folder: which of its files an earlier scoring wrote, as recorded by itself.

While parts are written, the folder holds a plan, and for each part a note that lists its files with their
digests, written before them. In the end a manifest lists all, and plan and notes are removed. So each file is
listed whenever a scoring is killed; and only listed, unchanged files are ever reused or removed.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from waypost.batch.sink import Sink
from waypost.errors import Finding, IntegrityError, UsageError

PLAN, MANIFEST = "_plan.json", "_manifest.json"
MALFORMED = "_errors/malformed.txt"
SCHEMA = 1
_PART = r"part-[0-9]{5,}\.(?:parquet|csv)"
_ERRORS = r"_errors/(?:part-[0-9]{5,}\.jsonl|malformed\.txt)"
_NOTE = re.compile(r"_parts/(?:[0-9]{5,}|malformed)\.json")
_RESULT = re.compile(f"{_PART}|{_ERRORS}")
# The hint for unknown files.
FOREIGN = "no earlier scoring wrote it: choose another folder, or move it away"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PartName = Annotated[str, StringConstraints(pattern=f"^{_PART}$")]
ErrorsName = Annotated[str, StringConstraints(pattern=f"^{_ERRORS}$")]


class _Ours(BaseModel):
    """A file about the scoring; later versions may add keys."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Literal[1] = Field(default=1, alias="schema")


_Said = TypeVar("_Said", bound=_Ours)


class File(BaseModel):
    """A file of the input; its digest is known at the end."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    state: str
    digest: str = ""


class Plan(_Ours):
    """Everything that determines a result."""

    schema_: Literal[1] = Field(alias="schema")
    model: dict[str, str]
    order: dict[str, Any]
    inputs: list[File]
    made_with: dict[str, str]


class Part(BaseModel):
    """A written part: numbers of answered and skipped rows."""

    model_config = ConfigDict(frozen=True)

    name: PartName
    sha256: Digest
    rows: int
    skipped: int


class Manifest(Plan):
    """A complete result; `errors` are digests by name, which the first versions did not list."""

    parts: list[Part]
    errors: dict[ErrorsName, Digest] = {}
    rows: int
    skipped: int
    malformed: int = 0


class Note(_Ours):
    """Files about to be written: digests by name; for a part also its rows, and the known digests of the
    input's files by number.
    """

    files: dict[PartName | ErrorsName, Digest]
    rows: int = 0
    skipped: int = 0
    inputs: dict[int, Digest] = {}


def note_name(number: int | str) -> str:
    """Returns the name of a part's note, by the part's number."""
    return f"_parts/{number:05}.json" if isinstance(number, int) else f"_parts/{number}.json"


def text_of(content: dict[str, Any]) -> bytes:
    """Returns the content of the file of a plan, a manifest or a note."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_plan(sink: Sink) -> Plan:
    """Returns the plan in a folder. Raises UsageError if Waypost did not write it."""
    return _read(sink, PLAN, Plan)


def read_manifest(sink: Sink) -> Manifest:
    """Returns the manifest in a folder. Raises UsageError if Waypost did not write it."""
    return _read(sink, MANIFEST, Manifest)


def notes(sink: Sink, there: set[str]) -> dict[str, Note]:
    """Returns the notes among the existing files, by name. Raises UsageError if one is invalid."""
    return {name: _read(sink, name, Note) for name in sorted(there) if _NOTE.fullmatch(name)}


def check_listed(sink: Sink, there: set[str], found: dict[str, Note]) -> None:
    """Raises UsageError if a file has the name of a result, but no note lists it."""
    listed = {name for note in found.values() for name in note.files}
    for name in sorted(there - listed):
        if _RESULT.fullmatch(name):
            raise UsageError(f"{sink.place()}: not empty, it has {name}", hint=FOREIGN)


def check_is_as_written(sink: Sink, name: str, digest: str) -> None:
    """Raises UsageError if a file was changed since a scoring wrote it."""
    if sink.digest(name) != digest:
        hint = "choose another folder, or move it away"
        raise UsageError(f"{sink.place(name)}: changed since it was written", hint=hint)


def remove_notes(sink: Sink, there: set[str]) -> None:
    """Removes the notes and the plan of a complete result."""
    found = notes(sink, there)
    sink.remove(found)
    if PLAN in there:
        read_plan(sink)
        sink.remove([PLAN])


def remove_result(sink: Sink) -> None:
    """Removes the files of an earlier scoring, all or nothing. Raises UsageError if there are other files, or
    changed ones.
    """
    there = sink.names()
    found = notes(sink, there)
    digests: dict[str, str] = {}
    own = set(found)
    if PLAN in there:
        read_plan(sink)
        own.add(PLAN)
        digests |= {name: digest for note in found.values() for name, digest in note.files.items()}
    if MANIFEST in there:
        manifest = read_manifest(sink)
        own.add(MANIFEST)
        digests |= {part.name: part.sha256 for part in manifest.parts} | manifest.errors
        digests |= {name: "" for name in _implied(manifest) if name not in digests}
    if foreign := sorted(there - own - set(digests)):
        raise UsageError(f"{sink.place()}: not empty, it has {foreign[0]}", hint=FOREIGN)
    present = {name: digest for name, digest in digests.items() if name in there}
    for name, digest in present.items():
        if digest:
            check_is_as_written(sink, name, digest)
    sink.remove(present)
    # The manifest last: if this is interrupted, it lists what may be removed.
    sink.remove(sorted(own - {MANIFEST}))
    sink.remove({MANIFEST} & own)


def _implied(manifest: Manifest) -> list[str]:
    """Returns the files of errors that a manifest of the first versions does not list."""
    names = [part.name.rpartition(".")[0] for part in manifest.parts if part.skipped]
    return [*(f"_errors/{name}.jsonl" for name in names), *([MALFORMED] if manifest.malformed else [])]


def check_whole(sink: Sink, there: set[str], manifest: Manifest) -> None:
    """Raises IntegrityError if a part of a result is missing."""
    gone = [part.name for part in manifest.parts if part.name not in there]
    if gone:
        hint = "replace it: --overwrite"
        raise IntegrityError([Finding(sink.place(), f"{name} is gone", hint) for name in gone])


def _read(sink: Sink, name: str, kind: type[_Said]) -> _Said:
    try:
        return kind.model_validate_json(sink.read(name))
    except ValidationError as error:
        raise UsageError(f"{sink.place()}: not empty, it has {name}", hint=FOREIGN) from error
