"""An output folder: which files in it an earlier scoring wrote, by its own word.

While parts are written the folder holds a plan, and for each part a note that lists its files with their
digests, written before them; in the end a manifest lists all, and plan and notes go. So whatever is killed,
each file of a scoring is listed; and only what is listed, and as it was written, is ever taken up or removed.
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
# What is said of files that nobody knows.
FOREIGN = "no earlier scoring wrote it: choose another folder, or move it away"

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PartName = Annotated[str, StringConstraints(pattern=f"^{_PART}$")]
ErrorsName = Annotated[str, StringConstraints(pattern=f"^{_ERRORS}$")]


class _Ours(BaseModel):
    """What a scoring writes of itself; a later version may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Literal[1] = Field(default=1, alias="schema")


_Said = TypeVar("_Said", bound=_Ours)


class File(BaseModel):
    """A file of the input; its digest is known in the end."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    state: str
    digest: str = ""


class Plan(_Ours):
    """Everything that decides a result."""

    schema_: Literal[1] = Field(alias="schema")
    model: dict[str, str]
    order: dict[str, Any]
    inputs: list[File]
    made_with: dict[str, str]


class Part(BaseModel):
    """A part that was written: rows answered, and those that could not be."""

    model_config = ConfigDict(frozen=True)

    name: PartName
    sha256: Digest
    rows: int
    skipped: int


class Manifest(Plan):
    """A result that is whole; `errors` are digests by name, which the first versions did not list."""

    parts: list[Part]
    errors: dict[ErrorsName, Digest] = {}
    rows: int
    skipped: int
    malformed: int = 0


class Note(_Ours):
    """What is about to be written: digests by name; of a part its rows, too, and the digests of the input's
    files, by their number, as far as they were known then.
    """

    files: dict[PartName | ErrorsName, Digest]
    rows: int = 0
    skipped: int = 0
    inputs: dict[int, Digest] = {}


def note_name(number: int | str) -> str:
    """Returns the name of the note of a part, by its number."""
    return f"_parts/{number:05}.json" if isinstance(number, int) else f"_parts/{number}.json"


def text_of(content: dict[str, Any]) -> bytes:
    """Returns what is written of a plan, a manifest or a note."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_plan(sink: Sink) -> Plan:
    """Returns the plan in a folder. Raises UsageError if it is somebody else's."""
    return _read(sink, PLAN, Plan)


def read_manifest(sink: Sink) -> Manifest:
    """Returns the manifest in a folder. Raises UsageError if it is somebody else's."""
    return _read(sink, MANIFEST, Manifest)


def notes(sink: Sink, there: set[str]) -> dict[str, Note]:
    """Returns the notes among the files that are there, by name. Raises UsageError if one is none."""
    return {name: _read(sink, name, Note) for name in sorted(there) if _NOTE.fullmatch(name)}


def check_listed(sink: Sink, there: set[str], found: dict[str, Note]) -> None:
    """Raises UsageError if a file has the name of a result, and no note lists it."""
    listed = {name for note in found.values() for name in note.files}
    for name in sorted(there - listed):
        if _RESULT.fullmatch(name):
            raise UsageError(f"{sink.place()}: not empty, it has {name}", hint=FOREIGN)


def check_is_as_written(sink: Sink, name: str, digest: str) -> None:
    """Raises UsageError if a file was changed since a scoring wrote it."""
    if sink.digest(name) != digest:
        hint = "choose another folder, or move it away"
        raise UsageError(f"{sink.place(name)}: this was changed since it was written", hint=hint)


def remove_notes(sink: Sink, there: set[str]) -> None:
    """Removes the notes and the plan of a result that is whole."""
    found = notes(sink, there)
    sink.remove(found)
    if PLAN in there:
        read_plan(sink)
        sink.remove([PLAN])


def remove_result(sink: Sink) -> None:
    """Removes what an earlier scoring wrote, all or nothing.

    Raises UsageError if there is anything else, or something was changed since.
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
    # The manifest last: it lists what may be removed, should this end half-way.
    sink.remove(sorted(own - {MANIFEST}))
    sink.remove({MANIFEST} & own)


def _implied(manifest: Manifest) -> list[str]:
    """Returns the files of errors that a manifest of the first versions does not list."""
    names = [part.name.rpartition(".")[0] for part in manifest.parts if part.skipped]
    return [*(f"_errors/{name}.jsonl" for name in names), *([MALFORMED] if manifest.malformed else [])]


def check_whole(sink: Sink, there: set[str], manifest: Manifest) -> None:
    """Raises IntegrityError if a part of a result is gone."""
    gone = [part.name for part in manifest.parts if part.name not in there]
    if gone:
        hint = "replace it: --overwrite"
        raise IntegrityError([Finding(sink.place(), f"{name} is gone", hint) for name in gone])


def _read(sink: Sink, name: str, kind: type[_Said]) -> _Said:
    try:
        return kind.model_validate_json(sink.read(name))
    except ValidationError as error:
        raise UsageError(f"{sink.place()}: not empty, it has {name}", hint=FOREIGN) from error
