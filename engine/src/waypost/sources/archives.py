"""Trees of the store in one file, for a machine that cannot fetch them: packed here, checked there."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from waypost.contracts.bundle import Member
from waypost.contracts.trees import link_problem, path_problem, shown, tree_of_folders
from waypost.errors import WaypostError
from waypost.sources.store import Store
from waypost.sources.tar import TarError, read_members
from waypost.sources.unpack import make_folder, make_link, write_new
from waypost.system.scratch import scratch

_CHUNK = 1 << 20
_MOST_BYTES = 1 << 30


def pack(folder: Path, file: Path) -> None:
    """Writes a folder into a new tar file: the same bytes for the same content."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with tarfile.open(file, "x", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=plain)


def receive(store: Store, file: Path, folders: Mapping[str, str]) -> Path:
    """Returns where folders (name to tree) lie side by side in the store, unpacked from an archive.

    Raises WaypostError where it holds anything else, before that has a name in the store.
    """
    with scratch() as temp:
        new = temp / tree_of_folders(folders)
        new.mkdir()
        try:
            with file.open("rb") as archive:
                _extract(archive, list(read_members(archive, file.stat().st_size)), folders, new)
        except (OSError, TarError) as error:
            raise WaypostError(f"the code of {', '.join(folders)} cannot be unpacked: {error}") from error
        store.adopt(new)
    return store.place(folders)


def _extract(archive: IO[bytes], members: Sequence[Member], folders: Mapping[str, str], place: Path) -> None:
    """Writes an archive's content, links last, once all of it was looked at."""
    for member in members:
        if problem := _problem(member, folders):
            raise TarError(f"{shown(member.name)} {problem}")
    if sum(member.size for member in members) > _MOST_BYTES:
        raise TarError(f"it holds more than {_MOST_BYTES >> 20:,} MiB")
    for name in sorted(member.name for member in members if member.kind == "folder"):
        make_folder(place / name)
    for member in members:
        if member.kind == "file":
            write_new(place / member.name, _content(archive, member), is_program=member.is_program)
    for member in members:
        if member.kind == "link":
            make_link(place / member.name, member.target)


def _problem(member: Member, folders: Mapping[str, str]) -> str:
    if problem := path_problem(member.name):
        return problem
    if member.name.partition("/")[0] not in folders:
        return "belongs to none of the folders"
    return link_problem(member.name, member.target, set(folders)) if member.kind == "link" else ""


def _content(archive: IO[bytes], member: Member) -> Iterator[bytes]:
    archive.seek(member.offset)
    left = member.size
    while left and (chunk := archive.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk
