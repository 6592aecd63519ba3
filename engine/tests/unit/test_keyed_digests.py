"""Digests of secrets: the same on one machine, and nothing that could be tried out on another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from waypost.sources.keyed import keyed_digest


def test_same_here_and_other_elsewhere(tmp_path: Path) -> None:
    """The digest is the cache's own: equal for equal texts, another one in another cache, no plain sha256."""
    here, there = tmp_path / "here", tmp_path / "there"
    assert keyed_digest(here, "secret") == keyed_digest(here, "secret")
    assert keyed_digest(here, "secret") != keyed_digest(here, "other")
    assert keyed_digest(here, "secret") != keyed_digest(there, "secret")
    assert keyed_digest(here, "secret") != hashlib.sha256(b"secret").hexdigest()
    assert len(keyed_digest(here, "\udcff")) == 64


def test_key_is_for_its_user_alone(tmp_path: Path) -> None:
    """The key has 32 random bytes, nobody else may read it, and nothing is left beside it."""
    keyed_digest(tmp_path, "x")
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes()) == 32


def test_damaged_key_is_made_again(tmp_path: Path) -> None:
    """A key that was cut off counts for nothing."""
    (tmp_path / "key").write_bytes(b"short")
    first = keyed_digest(tmp_path, "x")
    assert first == keyed_digest(tmp_path, "x")
    assert len((tmp_path / "key").read_bytes()) == 32


def test_cache_that_cannot_be_written_to(tmp_path: Path) -> None:
    """Then the digest is the same within this process."""
    (tmp_path / "file").touch()
    assert keyed_digest(tmp_path / "file" / "no folder", "x") == keyed_digest(
        tmp_path / "file" / "other", "x"
    )
