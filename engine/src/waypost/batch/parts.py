"""Parts of a result: reused if they exist unchanged, else written.

A note that lists the files of a part is written before them, so each file is listed whenever a scoring is
killed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from waypost.batch.fingerprint import ScoringOptions
from waypost.batch.input_digests import Digests
from waypost.batch.output_folder import (
    MALFORMED,
    SCHEMA,
    Note,
    check_is_as_written,
    note_name,
    text_of,
)
from waypost.batch.readers import Input
from waypost.batch.sink import Sink


@dataclass(frozen=True)
class Part:
    """A written part: its files' digests by name, numbers of answered and skipped rows."""

    name: str
    files: dict[str, str]
    rows: int
    skipped: int
    is_old: bool = False


@dataclass(frozen=True)
class Attempt:
    """A complete file of a part in a work folder: `place` is its name below the output."""

    place: str
    sha256: str


def part_name(number: int, options: ScoringOptions) -> str:
    """Returns the name of a part's file."""
    return f"part-{number:05}.{options.format}"


def errors_name(number: int) -> str:
    """Returns the name of the file that lists the skipped rows of a part."""
    return f"_errors/part-{number:05}.jsonl"


@dataclass
class Parts:
    """The parts in an output folder. Thread-safe.

    `there` are the files that existed before, `begun` the notes among them; `known` are the input files that
    are proved unchanged.
    """

    given: Input
    options: ScoringOptions
    sink: Sink
    there: set[str]
    begun: dict[str, Note]
    digests: Digests
    known: frozenset[int]

    def taken_up(self, number: int, rows: int) -> Part | None:
        """Returns a part of `rows` rows if it exists; removes an incomplete one.

        Raises UsageError if a file was changed since it was written.
        """
        name = part_name(number, self.options)
        note = self.begun.get(note_name(number))
        if not note or name not in note.files:
            return None
        if self._are_same(self._files(number, rows)) and self._are_there(note):
            return Part(name, note.files, note.rows, note.skipped, is_old=True)
        self._remove(number, note)
        return None

    def write(self, number: int, files: Mapping[str, Any], rows: int, skipped: int) -> Part:
        """Writes the files of a part with `rows` answered and `skipped` other rows."""
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        self._note(number, digests, rows, skipped)
        for name, content in files.items():
            self.sink.write(name, content)
        return Part(part_name(number, self.options), digests, rows, skipped)

    def adopt(self, number: int, files: Mapping[str, Attempt], rows: int, skipped: int) -> Part:
        """Does the same with files that others have written into a work folder."""
        digests = {name: attempt.sha256 for name, attempt in files.items()}
        self._note(number, digests, rows, skipped)
        for name, attempt in files.items():
            self.sink.adopt(attempt.place, name)
        return Part(part_name(number, self.options), digests, rows, skipped)

    def malformed(self, lines: list[str]) -> dict[str, str]:
        """Writes the invalid lines; returns the file's digest by its name, empty if there are none."""
        note = self.begun.get(note_name("malformed"))
        if note:
            self._remove("malformed", note)
        if not lines:
            return {}
        content = "\n".join(lines).encode() + b"\n"
        digests = {MALFORMED: hashlib.sha256(content).hexdigest()}
        self._note("malformed", digests)
        self.sink.write(MALFORMED, content)
        return digests

    def _files(self, number: int, rows: int) -> range:
        """Returns the input files that contain the rows of a part."""
        first = number * self.options.part_rows
        return range(self.given.file_of(first), self.given.file_of(first + max(rows, 1) - 1) + 1)

    def _are_same(self, files: range) -> bool:
        """Returns whether input files are proved unchanged since their rows were answered. For remote files,
        the store's version was compared before.
        """
        return self.given.files.is_remote or self.known.issuperset(files)

    def _are_there(self, note: Note) -> bool:
        """Returns whether all files of a note exist. Raises UsageError if one was changed."""
        present = [name for name in note.files if name in self.there]
        for name in present:
            check_is_as_written(self.sink, name, note.files[name])
        return len(present) == len(note.files)

    def _remove(self, number: int | str, note: Note) -> None:
        """Removes the files of a part, the note last. Raises UsageError if one was changed."""
        self._are_there(note)
        self.sink.remove([name for name in note.files if name in self.there])
        self.sink.remove([note_name(number)])

    def _note(self, number: int | str, digests: dict[str, str], rows: int = 0, skipped: int = 0) -> None:
        """Writes the note that lists the files of a part."""
        note: dict[str, Any] = {"schema": SCHEMA, "files": digests, "rows": rows, "skipped": skipped}
        if not self.given.files.is_remote:
            files: Iterable[int] = self._files(number, rows + skipped) if isinstance(number, int) else ()
            note["inputs"] = {i: digest for i in files if (digest := self.digests.known(i))}
        self.sink.write(note_name(number), text_of(note))
