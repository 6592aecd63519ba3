"""Extras: what is missing or too old is told in one line with the command; the lists are pyproject's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from waypost import extras
from waypost.extras import CORE, MissingExtraError, explained, lacks, require


def installed(folder: Path, name: str, version: str, *requirements: str) -> None:
    """Writes the metadata of an installed package."""
    place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir()
    lines = [f"Requires-Dist: {text}" for text in requirements]
    text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    (place / "METADATA").write_text(text + "\n")


@pytest.fixture
def waypost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose core is there; of its extra one package is missing, another is too old."""
    monkeypatch.syspath_prepend(str(tmp_path))
    serve = ("fast-server; extra == 'serve'", "graphs<3,>=2.1; extra == 'serve'")
    other = ("never-there; (sys_platform == 'win95') and extra == 'serve'", "waypost[serve]; extra == 'all'")
    installed(tmp_path, "waypost", "9.0", "core-part>=1", *serve, *other)
    installed(tmp_path, "core-part", "1.5rc1")
    return tmp_path


def test_missing_extra(waypost: Path) -> None:
    """A missing extra is one line with the command; a package for other platforms is not missed."""
    with pytest.raises(MissingExtraError) as caught:
        require("serve", "waypost serve")
    assert str(caught.value) == "waypost serve needs waypost[serve]: pip install 'waypost[serve]'"
    assert (caught.value.hint, caught.value.exit_code) == ("", 1)
    assert [lack.requirement.name for lack in lacks("serve")] == ["fast-server", "graphs"]


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ('{"url": "file:///home/a%20b/waypost/engine", "dir_info": {}}', "'/home/a b/waypost/engine[serve]'"),
        ('{"url": "file:///x/e", "dir_info": {"editable": true}}', "-e '/x/e[serve]'"),
        ('{"url": "https://host/waypost-9.0.whl", "archive_info": {}}', "'waypost[serve]'"),
        ("no JSON", "'waypost[serve]'"),
    ],
)
def test_installed_from_a_folder(waypost: Path, origin: str, command: str) -> None:
    """What was installed from a folder gets its extra from there: the package may be on no index."""
    (waypost / "waypost-9.0.dist-info" / "direct_url.json").write_text(origin)
    with pytest.raises(MissingExtraError) as caught:
        require("serve", "waypost serve")
    assert str(caught.value) == f"waypost serve needs waypost[serve]: pip install {command}"


def test_complete_extra(waypost: Path) -> None:
    """Where all is there, in versions that fit, nobody complains."""
    installed(waypost, "fast-server", "0.1")
    installed(waypost, "graphs", "2.1")
    require("serve", "waypost serve")
    require(CORE, "waypost")
    assert explained("serve", "waypost serve") is None


@pytest.mark.parametrize("version", ["2.0", "3"])
def test_version_that_does_not_fit(waypost: Path, version: str) -> None:
    """A version that is too old, or too new, is named with what is asked for."""
    installed(waypost, "fast-server", "0.1")
    installed(waypost, "graphs", version)
    with pytest.raises(MissingExtraError) as caught:
        require("serve", "--wandb")
    needs = f"--wandb needs graphs<3,>=2.1 (installed: {version})"
    assert str(caught.value) == f"{needs}: pip install 'waypost[serve]'"


def test_broken_core(waypost: Path) -> None:
    """An import that fails is explained by what the core lacks before it is by an extra."""
    (waypost / "core_part-1.5rc1.dist-info" / "METADATA").unlink()
    (waypost / "core_part-1.5rc1.dist-info").rmdir()
    error = explained("serve", "waypost serve")
    assert str(error) == "waypost serve needs core-part: pip install waypost"
    assert str(explained(CORE, "waypost lock")) == "waypost lock needs core-part: pip install waypost"


def test_source_says_what_metadata_says() -> None:
    """Where Waypost runs from its source, pyproject.toml gives the same lists."""
    from packaging.requirements import Requirement

    project = tomllib.loads(Path(extras.__file__).parents[2].joinpath("pyproject.toml").read_text())[
        "project"
    ]
    read = [Requirement(text) for text in extras._in_source()]
    for extra in (CORE, *project["optional-dependencies"]):
        known = {
            r.name for r in extras.requirements() if (not r.marker or r.marker.evaluate({"extra": extra}))
        }
        found = {r.name for r in read if not r.marker or r.marker.evaluate({"extra": extra})}
        assert found - {"waypost"} == known
        assert lacks(extra) == []
