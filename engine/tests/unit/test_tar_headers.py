"""Tar files of strangers: headers are read strictly, and nothing else is."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundles import Part, packed
from waypost.contracts.bundle import Member
from waypost.sources import tar
from waypost.sources.tar import TarError, read_members

PLAIN = [
    Part("bundle.json", content=b"{}"),
    Part("trees", tarfile.DIRTYPE),
    Part("trees/run.py", content=b"x" * 600, mode=0o755),
    Part("trees/link", tarfile.SYMTYPE, target="run.py"),
    Part("trees/" + "d" * 90 + "/" + "é" * 90, content=b"y"),
    Part("trees/long", tarfile.SYMTYPE, target="t" * 300),
]


def members_of(data: bytes) -> list[Member]:
    return list(read_members(io.BytesIO(data), len(data)))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_what_a_bundle_needs_is_read(form: int) -> None:
    """Files, folders, links, long names: as tarfile wrote them; contents lie where the members say."""
    parts = PLAIN if form == tarfile.PAX_FORMAT else PLAIN[:4]
    data = packed(parts, form)
    found = members_of(data)
    kinds = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link"}
    assert [(m.name, m.kind, m.size, m.target.decode()) for m in found] == [
        (p.name, kinds[p.kind], len(p.content), p.target) for p in parts
    ]
    assert [data[m.offset : m.offset + m.size] for m in found if m.kind == "file"] == [
        p.content for p in parts if p.kind == tarfile.REGTYPE
    ]
    assert [m.is_program for m in found][:3] == [False, False, True]


def test_a_folder_that_was_packed_as_a_whole() -> None:
    """`tar -cf x.tar .` writes ./ in front of all names."""
    parts = [
        Part("./", tarfile.DIRTYPE),
        Part("./bundle.json", content=b"{}"),
        Part("./trees/", tarfile.DIRTYPE),
    ]
    found = members_of(packed(parts, tarfile.GNU_FORMAT))
    assert [(m.name, m.kind) for m in found] == [("bundle.json", "file"), ("trees", "folder")]


def header(**fields: bytes) -> bytes:
    """Returns the header of an empty file, some of its fields as given, with the right checksum."""
    at = {"name": 0, "mode": 100, "size": 124, "type": 156, "target": 157, "magic": 257, "prefix": 345}
    block = bytearray(packed([Part("a")])[:512])
    for name, value in fields.items():
        block[at[name] : at[name] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)


def record(text: bytes) -> bytes:
    """Returns `LENGTH KEY=VALUE`, for texts of less than 96 bytes."""
    return b"%d %s\n" % (len(text) + 4, text)


def pax(*records: bytes) -> bytes:
    content = b"".join(records)
    return header(type=b"x", size=b"%011o\0" % len(content)) + content + bytes(-len(content) % 512)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "cut off"),
        (END[:512], None),
        (b"x" * 2000, "no tar file"),
        (gzip.compress(bytes(2000)).ljust(512), "compressed"),
        (b"BZh9".ljust(512), "compressed"),
        (header(), "cut off"),
        (header() + END + b"more", "something follows"),
        (header() + END + bytes(2 << 20), "something follows"),
        (header(size=b"00000000777\0") + END[:100], "cut off"),
        (header(size=b"77777777777\0") + END, "cut off"),
        (header(size=b"\x80" + bytes(10) + b"\x01") + END, "not octal"),
        (header(size=b"-0000000001\0") + END, "not octal"),
        (header(magic=b"xstar\0") + END, "no tar file"),
        (header()[:10] + b"z" + header()[11:] + END, "damaged"),
        (header(type=b"1") + END, "a hard link"),
        (header(type=b"3") + END, "a device"),
        (header(type=b"4") + END, "a device"),
        (header(type=b"6") + END, "a pipe"),
        (header(type=b"7") + END, "not known"),
        (header(type=b"S") + END, "a sparse file"),
        (header(type=b"L") + END, "not known"),
        (header(type=b"g") + END, "not known"),
        (header(type=b"5", size=b"00000000001\0") + END + END, "not a file"),
        (header(type=b"x", size=b"00007777777\0") + END, "too long"),
        (pax() + pax() + header() + END, "two in a row"),
        (pax() + END, "of nothing"),
        (pax(record(b"GNU.sparse.major=1")) + header() + END, "GNU.sparse.major"),
        (pax(record(b"hdrcharset=BINARY")) + header() + END, "hdrcharset"),
        (pax(b"10 path=a\n", b"10 path=b\n") + header() + END, "or twice"),
        (pax(b"0 path=a\n") + header() + END, "damaged"),
        (pax(b"8 path=a\n") + header() + END, "damaged"),
        (pax(b"99 path=a\n") + header() + END, "damaged"),
        (pax(b"6 path=\n") + header() + END, "damaged"),
        (pax(b"path=a\n") + header() + END, "damaged"),
        (pax(record(b"size=-1x")) + header() + END, "no size"),
        (pax(record(b"size=99999999999999")) + header() + END, "cut off"),
    ],
)
def test_what_is_refused(data: bytes, problem: str | None) -> None:
    """Anything that is not whole, or that no bundle needs, is refused by name."""
    if problem is None:
        assert members_of(data) == []
        return
    with pytest.raises(TarError, match=problem):
        members_of(data)


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of members has a limit."""
    monkeypatch.setattr(tar, "MOST_MEMBERS", 3)
    with pytest.raises(TarError, match="more than 3 members"):
        members_of(header() * 4 + END)


@given(st.data())
def test_any_bytes_are_members_or_refused(data: Any) -> None:
    """Reading ends in members within the file or in a refusal, wherever bytes are changed."""
    content = bytearray(packed(PLAIN))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 6000))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(TarError):
        assert all(0 <= m.offset <= m.offset + m.size <= len(content) for m in members_of(bytes(content)))
