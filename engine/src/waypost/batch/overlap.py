"""Checks that the output of a scoring is separate from its input, its model, and other folders.

Local paths are compared by identity, not by spelling: links, relative paths and the case of letters make no
difference.
"""

from __future__ import annotations

import os
from pathlib import Path

from waypost.batch.inputs import Listing
from waypost.batch.sink import Sink, is_here
from waypost.errors import UsageError
from waypost.system.places import home

_HINT = "choose another folder"


def check_apart(sink: Sink, listing: Listing) -> None:
    """Raises UsageError unless results can be written and removed without touching the input."""
    if sink.is_local:
        _check_surroundings(sink)
    if type(sink.fs) is not type(listing.plain_fs):
        return
    inside = _is_inside if sink.is_local else _is_below
    if any(inside(folder, sink.root) for folder in _folders(listing)):
        raise UsageError(f"{sink.place()}: contains the input", hint=_HINT)
    is_read = inside(sink.root, listing.root) if listing.is_folder else listing.would_hold(sink.root)
    if is_read:
        raise UsageError(f"{sink.place()}: inside the input, and would be read with it", hint=_HINT)


def check_apart_from_model(sink: Sink, folder: Path) -> None:
    """Raises UsageError if an output is inside a model's folder, or contains it."""
    model = str(folder)
    if sink.is_local and (_is_inside(sink.root, model) or _is_inside(model, sink.root)):
        raise UsageError(f"{sink.place()}: overlaps with the model's folder", hint=_HINT)


def _check_surroundings(sink: Sink) -> None:
    """Raises UsageError if an output is, or contains, a folder of something else."""
    if Path(sink.root, ".git").exists():
        raise UsageError(f"{sink.place()}: is a git repository", hint="choose a subfolder")
    above = {
        "your home": os.path.expanduser("~"),  # noqa: PTH111 (pathlib's raises if there is none)
        "the cache": str(home()),
        "the current folder": str(Path.cwd().parent),
    }
    for name, place in above.items():
        if _is_inside(place, sink.root):
            raise UsageError(f"{sink.place()}: contains {name}", hint=_HINT)
    if _is_inside(sink.root, str(home())):
        raise UsageError(f"{sink.place()}: inside the cache, which may be emptied", hint=_HINT)


def _folders(listing: Listing) -> set[str]:
    """Returns the folders of the input's files, each once; for links also those of their targets."""
    paths = [source.path for source in listing.sources]
    links = [path for path in paths if Path(path).is_symlink()] if is_here(listing.plain_fs) else []
    return {path.rpartition("/")[0] or "/" for path in (*paths, *map(os.path.realpath, links))}


def _is_inside(path: str, folder: str) -> bool:
    """Returns whether a local path is a folder, or leads into it."""
    found = _identity(folder)
    return found is not None and found in _identities(path)


def _is_below(path: str, folder: str) -> bool:
    """Returns the same for remote paths, which have one name only."""
    return f"{path.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def _identities(path: str) -> set[tuple[int, int] | None]:
    """Returns the identities of a path and the folders above it, if they exist; with links followed and
    not.
    """
    spelt = os.path.abspath(path)  # noqa: PTH100 (a link is not followed)
    starts = (Path(spelt), Path(os.path.realpath(path)))
    return {_identity(str(place)) for start in starts for place in (start, *start.parents)}


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = Path(path).stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
