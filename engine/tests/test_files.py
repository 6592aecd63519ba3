"""Files that are written and folders that are read: whole, exclusively, whatever they are called."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from waypost.cli import cli
from waypost.errors import UsageError, WaypostError
from waypost.sources.files import content_digest, write_text


def test_written_whole_and_only_where_it_differs(tmp_path: Path) -> None:
    """A file of the same content is not touched; another, whatever its encoding, is replaced at once."""
    file = tmp_path / "file"
    assert write_text(file, "ä")
    assert not write_text(file, "ä")
    file.write_bytes(b"\xff")
    assert write_text(file, "ä")
    assert file.read_text(encoding="utf-8") == "ä"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_link_stays_a_link(tmp_path: Path) -> None:
    """What a link names is written, in its own folder."""
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other" / "file")
    assert write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "other" / "file").read_text() == "x"


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_what_is_no_file_is_written_to(tmp_path: Path, name: str) -> None:
    """A device such as /dev/null, or a pipe, stays what it is: only a file is replaced, also for root."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_text(tmp_path / name, "x")
        assert os.read(reader, 9) == b"x"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}


def test_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    """What cannot be written is one line, and leaves nothing behind."""
    (tmp_path / "file").mkdir()
    with pytest.raises(WaypostError, match="cannot be written"):
        write_text(tmp_path / "file", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_digest_of_odd_names(tmp_path: Path) -> None:
    """A name that is no text has a digest; one that would pass for two files is refused."""
    (tmp_path / "a").write_text("x")
    before = content_digest(tmp_path)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    odd.write_text("x")
    assert content_digest(tmp_path) != before
    odd.unlink()
    (tmp_path / f"b\n{'0' * 64}  c").write_text("x")
    with pytest.raises(UsageError, match="line break"):
        content_digest(tmp_path)


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One line, not a stack trace."""
    with pytest.raises(UsageError, match="cannot be read"):
        content_digest(tmp_path / "nothing")


@pytest.mark.parametrize(
    "arguments",
    [
        ("bundle", "https://example.invalid/x@1.0.0", "-o", "mine"),
        ("reproduce", "https://example.invalid/x@1.0.0", "--keep", "."),
    ],
)
def test_what_is_there_is_not_written_over(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no bundle, a folder that is not empty: refused before anything is fetched."""
    (tmp_path / "mine").write_text("x")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*arguments])
    assert isinstance(result.exception, (UsageError, SystemExit))
    assert re.search("not a bundle|not empty", f"{result.exception} {result.output}")
    assert (tmp_path / "mine").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
