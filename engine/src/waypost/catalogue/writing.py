"""Writing of a site to a folder: of the files there, only those that an earlier site wrote are removed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from waypost.contracts.trees import path_problem
from waypost.errors import FindingsError, UsageError
from waypost.sources.files import read_text, write_text
from waypost.texts.json_text import read_json
from waypost.texts.pretty_json import json_text

MANIFEST = "catalogue.json"


def write_site(folder: Path, files: Mapping[str, str]) -> None:
    """Writes a site, the list of its files last. Raises UsageError for a folder with files of others."""
    before = _earlier(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
    for path in before - set(files):
        (folder / path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others are in it
            (folder / path).parent.rmdir()
    write_text(folder / MANIFEST, json_text({"files": sorted(files)}) + "\n")


def _earlier(folder: Path) -> set[str]:
    """Returns the files that an earlier site wrote."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    hint = "an empty folder, or that of an earlier catalogue: -o FOLDER"
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder}: it has files, but not the {MANIFEST} of a catalogue", hint=hint)
    try:
        names = read_json(read_text(folder / MANIFEST), MANIFEST)["files"]
        found = {name for name in names if isinstance(name, str)}
    except (FindingsError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / MANIFEST}: it cannot be read", hint=hint) from error
    if wrong := [name for name in found if path_problem(name)]:
        raise UsageError(f"{folder / MANIFEST}: {wrong[0]!r} is no file of a catalogue", hint=hint)
    return found
