"""The pipelines that use a library's components, found by the content in their locks, not by addresses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from waypost.catalogue.facts import Entry, Library, Use
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.lock import Pin, parse_lock
from waypost.contracts.pipeline import FILE, component_name
from waypost.errors import FindingsError, WaypostError
from waypost.sources.files import read_pipeline, read_text

_DEEPEST = 6
_NEVER = {"node_modules", "mlruns", "site-packages"}


@dataclass(frozen=True)
class Pinned:
    """A pipeline's pin of a component, and the steps that use it."""

    place: str
    pipeline: str
    component: str
    pin: Pin
    steps: tuple[str, ...]


def pipelines_below(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yields the folders with a pipeline.yaml, some levels deep, each with its name on pages."""
    for folder in folders:
        root = folder.resolve()
        for path, names, files in os.walk(root):
            here = Path(path)
            depth = len(here.relative_to(root).parts)
            names[:] = sorted(
                n for n in names if not n.startswith(".") and n not in _NEVER and depth < _DEEPEST
            )
            if FILE in files:
                yield (root.name / here.relative_to(root)).as_posix(), here


def pins_in(folders: Sequence[Path], say: Callable[[str], None]) -> list[Pinned]:
    """Returns the pins of all pipelines below folders; one that cannot be read is reported and skipped."""
    found = []
    for place, folder in pipelines_below(folders):
        try:
            pipeline = read_pipeline(folder)
            file = folder / LOCK_FILE
            pins = parse_lock(read_text(file), "waypost lock").components if file.is_file() else {}
        except WaypostError as error:
            problem = error.findings[0] if isinstance(error, FindingsError) else error
            say(f"{place}: passed over: {problem}")
            continue
        for uses, pin in pins.items():
            steps = tuple(name for name, step in pipeline.steps.items() if step.uses == uses)
            found.append(Pinned(place, pipeline.name, component_name(uses), pin, steps))
    return found


def with_uses(library: Library, pins: Sequence[Pinned]) -> Library:
    """Returns a library with the pipelines that pin its components."""
    by_name: dict[str, list[Pinned]] = {}
    for pinned in pins:
        by_name.setdefault(pinned.component, []).append(pinned)
    commits = frozenset(release.commit for release in library.releases)

    def known(entry: Entry) -> Entry:
        trees = {version.tree for version in entry.versions}
        uses = [
            Use(pinned.place, pinned.pipeline, str(pinned.pin), pinned.steps)
            for pinned in by_name.get(entry.name, ())
            if (
                pinned.pin.folder == library.folder
                if pinned.pin.commit in commits
                else pinned.pin.tree in trees
            )
        ]
        return replace(entry, uses=tuple(sorted(uses, key=lambda use: (use.place, use.version))))

    return replace(library, entries=tuple(map(known, library.entries)), gone=tuple(map(known, library.gone)))
