"""Folders of a repository as files: all of them are looked at before the first byte is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from waypost.contracts.listing import Listing, walk
from waypost.contracts.trees import MOST_PATH_BYTES, PROGRAM, link_problem, shown
from waypost.errors import Finding, FindingsError
from waypost.sources.objects import REFUSED, Objects


def checked_listing(objects: Objects, folders: Mapping[str, str]) -> Listing:
    """Returns what is in folders (name to tree). Raises FindingsError where one cannot be unpacked."""
    return _sound(walk(folders, objects.trees))


def _sound(listing: Listing) -> Listing:
    if listing.problems:
        findings = [Finding(name, problem, "", REFUSED) for name, problem in listing.problems.items()]
        raise FindingsError(findings, consequence="nothing was unpacked")
    return listing


def unpack(objects: Objects, folders: Mapping[str, str], place: Path) -> None:
    """Writes folders (name to tree) into an empty one, byte for byte: `git archive` would apply attributes.

    Raises FindingsError where one cannot be unpacked; nothing is written then.
    """
    listing = checked_listing(objects, folders)
    blobs = listing.of_kind("blob")
    sizes = objects.sizes(blobs.values())
    listing.note_sizes(sizes)
    links = read_links(objects, _sound(listing), sizes)
    note_links(listing, links, folders)
    _sound(listing)
    for path in (*folders, *listing.of_kind("tree")):
        make_folder(place / path)
    files = {path: oid for path, oid in blobs.items() if path not in links}
    for path, content in zip(files, objects.blobs(list(files.values())), strict=True):
        write_new(place / path, [content], is_program=listing.entries[path].mode == PROGRAM)
    for path, target in links.items():
        make_link(place / path, target)


def read_links(objects: Objects, listing: Listing, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """Returns the targets of all links by path; of one that is too long, what makes it refused."""
    links = listing.links()
    short = [oid for oid in dict.fromkeys(links.values()) if sizes[oid] <= MOST_PATH_BYTES]
    targets = dict(zip(short, objects.blobs(short), strict=True))
    return {path: targets.get(oid, b"/") for path, oid in links.items()}


def note_links(listing: Listing, links: Mapping[str, bytes], inside: Iterable[str]) -> None:
    """Notes the folders with a link that leads out of the folders `inside`."""
    names = set(inside)
    for path, target in links.items():
        if problem := link_problem(path, target, names):
            listing.problems.setdefault(path.partition("/")[0], f"{shown(path)} {problem}")


def write_new(file: Path, content: Iterable[bytes], *, is_program: bool) -> None:
    """Writes a file that is not there yet; what is there under its name is neither replaced nor followed.

    Raises FindingsError where something is.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        number = os.open(file, flags, 0o755 if is_program else 0o644)
    except FileExistsError:
        raise _is_there(file) from None
    with os.fdopen(number, "wb") as sink:
        for chunk in content:
            sink.write(chunk)
        os.fchmod(number, 0o755 if is_program else 0o644)  # whatever the umask


def make_folder(folder: Path) -> None:
    """Makes a folder that is not there yet. Raises FindingsError where something is under its name."""
    try:
        folder.mkdir()
    except FileExistsError:
        raise _is_there(folder) from None


def make_link(file: Path, target: bytes) -> None:
    """Makes a link that is not there yet. Raises FindingsError where something is under its name."""
    try:
        file.symlink_to(os.fsdecode(target))
    except FileExistsError:
        raise _is_there(file) from None


def _is_there(file: Path) -> FindingsError:
    problem = "its name is taken: this file system does not tell it from another one"
    return FindingsError([Finding(shown(file.name), problem)], consequence="nothing was unpacked")
