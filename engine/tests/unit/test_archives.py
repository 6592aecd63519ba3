"""Trees of the store as one file: what arrives is what was packed, or it does not arrive."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from waypost.errors import WaypostError
from waypost.sources.archives import pack, receive
from waypost.sources.store import Store, exact_tree


def made(folder: Path) -> dict[str, str]:
    """Writes a component with a program and a link, and returns its trees."""
    (folder / "part" / "inner").mkdir(parents=True)
    (folder / "part" / "run.py").write_text("print()\n")
    (folder / "part" / "inner" / "go.sh").write_text("#!/bin/sh\n")
    (folder / "part" / "inner" / "go.sh").chmod(0o755)
    (folder / "part" / "link").symlink_to("run.py")
    return {"part": exact_tree(folder / "part")}


def test_what_arrives_is_what_was_packed(tmp_path: Path) -> None:
    """Files, programs and links come to the store of another machine, under the same tree; packed again, the
    bytes are the same.
    """
    trees = made(tmp_path / "here")
    for name in ("a.tar", "b.tar"):
        pack(tmp_path / "here", tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    store = Store(tmp_path / "there", lambda _: None)
    place = receive(store, tmp_path / "a.tar", trees)
    assert store.find(trees) == place
    assert (place / "part" / "link").readlink() == Path("run.py")


@pytest.mark.parametrize("name", ["../out", "/out", "other/file", "part/.git/config"])
def test_what_does_not_belong(tmp_path: Path, name: str) -> None:
    """A name that leads out, or that git would not check out, is refused before a byte is written."""
    trees = made(tmp_path / "here")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    store = Store(tmp_path / "there", lambda _: None)
    with pytest.raises(WaypostError, match="the code of part cannot be unpacked"):
        receive(store, tmp_path / "x.tar", trees)
    assert store.find(trees) is None


def test_other_content_is_refused(tmp_path: Path) -> None:
    """An archive whose content is not what its trees say does not get into the store."""
    trees = made(tmp_path / "here")
    (tmp_path / "here" / "part" / "run.py").write_text("print(1)\n")
    pack(tmp_path / "here", tmp_path / "x.tar")
    store = Store(tmp_path / "there", lambda _: None)
    with pytest.raises(WaypostError, match="does not match its name"):
        receive(store, tmp_path / "x.tar", trees)
    assert store.find(trees) is None
