"""The headers of a tar file, read strictly: plain files, folders and links, and nothing is unpacked.

Python's tarfile takes far more than a bundle needs: compression, sparse files, devices, hard links, headers
of any size; and its filters have had holes (CVE-2025-4517). What is read here is what `tarfile` writes in its
pax format for names, sizes and links, and what GNU tar makes of the same files.
Source: POSIX.1-2024, pax, "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from waypost.contracts.bundle import MOST_MEMBERS, Member
from waypost.contracts.trees import shown

_BLOCK = 512
_MOST_PAX_BYTES = 1 << 16
_MOST_PADDING = 1 << 20
_MAGICS = (b"ustar\x0000", b"ustar  \0")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([A-Za-z.]+)=")
_SIZE = re.compile(rb"[0-9]{1,15}")
_IGNORED = {b"mtime", b"atime", b"ctime", b"uid", b"gid", b"uname", b"gname"}
_OTHERS = {b"1": "a hard link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}
_ROOT = Member(".", "folder")


class TarError(ValueError):
    """A file that is not a tar archive, or holds members that are not accepted."""


def read_members(stream: IO[bytes], length: int) -> Iterator[Member]:
    """Yields what is in a tar file of so many bytes, by its headers alone. Raises TarError."""
    position, count = 0, 0
    pax: dict[bytes, bytes] | None = None
    while any(block := _block(stream, position, length)):
        count += 1
        if count > MOST_MEMBERS:
            raise TarError(f"it has more than {MOST_MEMBERS:,} members")
        kind, size = _checked(block), _octal(block[124:136])
        if kind == b"x":
            if pax is not None or size > _MOST_PAX_BYTES:
                raise TarError("it has an extended header that is too long, or two in a row")
            pax = dict(_records(_bytes(stream, position + _BLOCK, size, length)))
        else:
            member = _member(block, kind, size, pax or {}, position + _BLOCK)
            pax, size = None, member.size
            if member != _ROOT:
                yield member
        position += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if position > length:
            raise TarError("it is cut off")
    if pax is not None:
        raise TarError("it has an extended header of nothing")
    _expect_the_end(stream, position, length)


def _block(stream: IO[bytes], position: int, length: int) -> bytes:
    block = _bytes(stream, position, _BLOCK, length)
    if position == 0 and block.startswith(_COMPRESSED):
        raise TarError("it is compressed: a bundle is a plain tar file")
    return block


def _bytes(stream: IO[bytes], position: int, count: int, length: int) -> bytes:
    if position + count > length:
        raise TarError("it is cut off")
    stream.seek(position)
    found = stream.read(count)
    if len(found) != count:
        raise TarError("it is cut off")
    return found


def _expect_the_end(stream: IO[bytes], position: int, length: int) -> None:
    if length - position > _MOST_PADDING or any(_bytes(stream, position, length - position, length)):
        raise TarError("something follows its end")


def _checked(block: bytes) -> bytes:
    """Returns the kind that a header tells of. Raises TarError for one that is not whole."""
    if (
        not block[257:265].startswith(_MAGICS)
        or _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 256
    ):
        raise TarError("it is no tar file, or a header of it is damaged")
    return block[156:157]


def _octal(field: bytes) -> int:
    hit = _OCTAL.fullmatch(field)
    if hit is None:
        raise TarError("a number in it is not octal")
    return int(hit[1] or b"0", 8)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the (key, value) records of an extended header."""
    seen = set()
    position = 0
    while position < len(content):
        hit = _RECORD.match(content, position)
        end = position + int(hit[1]) if hit else 0
        if hit is None or end > len(content) or end <= hit.end() or content[end - 1 : end] != b"\n":
            raise TarError("an extended header of it is damaged")
        key = hit[2]
        if key in seen or key not in {b"path", b"linkpath", b"size"} | _IGNORED:
            raise TarError(
                f"an extended header of it has {shown(key.decode())}, which no bundle has, or twice"
            )
        seen.add(key)
        yield key, content[hit.end() : end - 1]
        position = end


def _member(block: bytes, kind: bytes, size: int, pax: dict[bytes, bytes], offset: int) -> Member:
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else b""
    plain = b"/".join(part for part in (prefix, _text(block[:100])) if part)
    name = pax.get(b"path", plain).decode("utf-8", "surrogateescape")
    # GNU tar writes `./name` where it is told to pack a folder, and a slash behind a folder's name.
    name = (name.removesuffix("/") if kind == b"5" else name).removeprefix("./")
    if b"size" in pax:
        if not _SIZE.fullmatch(pax[b"size"]):
            raise TarError(f"{shown(name)} has no size")
        size = int(pax[b"size"])
    if kind in (b"0", b"\0"):
        return Member(name, "file", size, offset, is_program=bool(_octal(block[100:108]) & 0o100))
    if kind not in (b"5", b"2") or size:
        raise TarError(f"{shown(name)} is {_OTHERS.get(kind, 'of a kind that is not known')}, not a file")
    if kind == b"5":
        return Member(name, "folder")
    return Member(name, "link", target=pax.get(b"linkpath", _text(block[157:257])))
