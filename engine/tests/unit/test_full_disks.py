"""A full disk is told in one line, with what helps, wherever it is met."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clusters import fill, small_disk
from waypost.cli import _told
from waypost.errors import WaypostError


def test_a_full_disk_ends_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """What helps follows the system's words: room, or another folder for the cache and temporary files."""
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space") as full:
        file.write(b"x")
    assert _told(full.value) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error: [Errno 28] No space left on device make room, or name other folders")
    assert "WAYPOST_HOME" in said
    assert "TMPDIR" in said


def test_what_the_system_refuses_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Other refusals have no such hint, and no secret of an address."""
    assert _told(PermissionError(13, "Permission denied", "https://me:word@host/x")) == 1
    said = capsys.readouterr().err
    assert "Permission denied" in said
    assert "make room" not in said
    assert "word" not in said


def test_the_disk_of_a_result(tmp_path: Path) -> None:
    """Where parts are written, nothing helps but room there."""
    from waypost.batch.sink import Sink

    with small_disk(tmp_path / "disk") as disk:
        sink = Sink(str(disk / "out"))
        work = sink.new_work()
        fill(disk)
        with pytest.raises(WaypostError, match=r"out/part: cannot be read or written: \[Errno 28\]") as told:
            sink.write("part", bytes(8192))
        assert told.value.hint.startswith("make room there")
        with pytest.raises(WaypostError, match="Errno 28") as told:
            sink.put(f"{work}/job.json", bytes(8192))
        assert told.value.hint.startswith("make room there")
