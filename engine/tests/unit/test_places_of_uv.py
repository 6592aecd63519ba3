"""Where uv keeps its files: the user's places, or our cache where there is no home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from waypost.system.process import ProcessError
from waypost.system.uv import places, uv


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache."""
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_home_that_can_be_written(cache: Path, tmp_path: Path) -> None:
    """The user's own cache is uv's, also where its folder is not there yet."""
    assert places({"HOME": str(tmp_path)}) == {}
    assert places({"HOME": os.devnull, "XDG_CACHE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}) == {}


def test_a_home_that_cannot_be_written(cache: Path) -> None:
    """A service or a container often has none: uv keeps its files in our cache, if nobody said where."""
    assert places({"HOME": os.devnull}) == {
        "UV_CACHE_DIR": str(cache / "uv" / "uv_cache_dir"),
        "UV_PYTHON_INSTALL_DIR": str(cache / "uv" / "uv_python_install_dir"),
    }
    assert places({"HOME": os.devnull, "UV_CACHE_DIR": "/mine"}).keys() == {"UV_PYTHON_INSTALL_DIR"}


def test_uv_itself(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv follows, and what it refuses is told in its own words."""
    monkeypatch.setenv("HOME", os.devnull)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "UV_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert uv("cache", "dir").strip() == str(cache / "uv" / "uv_cache_dir")
    with pytest.raises(ProcessError, match="no-such-verb"):
        uv("no-such-verb")
