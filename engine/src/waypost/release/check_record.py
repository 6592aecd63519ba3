"""The record of a `waypost check --run`: what executing the components of a release gave."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from waypost.errors import Finding, UsageError
from waypost.interfaces.record import (
    FOLDER,
    CheckedComponent,
    CheckRecord,
    Outcome,
    Record,
    check_record_of,
    record_text,
)
from waypost.release.kinds import read_product
from waypost.release.library import Library
from waypost.release.trying import Ran
from waypost.runs.environments import platform_tag
from waypost.sources.files import write_text
from waypost.sources.snapshots import trees_of
from waypost.system.versions import made_with


def released_library(folder: Path) -> tuple[Library, Record]:
    """Returns the library in a folder and the record of its newest release, whose content it still has.

    Raises UsageError where it is no library, has no release, another content, or a record of its check.
    """
    product = read_product(folder)
    if not isinstance(product, Library):
        raise UsageError(f"{folder}: what is recorded is the check of a library")
    record = next(iter(product.records.values()), None)
    if record is None:
        raise UsageError(f"{folder}: it has no release to record anything of", hint="waypost release")
    file = product.folder / FOLDER / check_record_of(record.version)
    if file.exists():
        raise UsageError(f"{file} already exists: records never change")
    there = trees_of(product.folder, list(record.trees))
    if other := sorted(name for name, tree in there.items() if record.trees[name] != tree):
        hint = f"git checkout {product.tag(record.version)}, and check that"
        raise UsageError(f"{', '.join(other)}: not what release {record.version} has", hint=hint)
    return product, record


def write_check_record(library: Library, record: Record, ran: Ran, findings: Iterable[Finding]) -> Path:
    """Writes what was executed of a release, and what failed; it is for the user to commit."""
    failed = {(found.place.partition("/")[0], found.category) for found in findings}

    def outcome(name: str, what: str) -> Outcome:
        if (name, what) in failed:
            return "failed"
        return "passed" if what in ran.get(name, ()) else "none"

    components = {
        name: CheckedComponent(
            tree=released.tree,
            shared={folder: record.trees[folder] for folder in released.shared},
            tests=outcome(name, "run-tests"),
            example=outcome(name, "run-example"),
        )
        for name, released in record.components.items()
    }
    checked = CheckRecord(
        version=record.version,
        date=datetime.now(UTC).date().isoformat(),
        platform=platform_tag(),
        made_with=made_with(),
        components=components,
    )
    file = library.folder / FOLDER / check_record_of(record.version)
    write_text(file, record_text(checked))
    return file
