"""What newcomers read is true: targets, paths, links, owners and Python versions."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import LIBRARY, ROOT
from waypost.commands.verbs import VERBS

TRACKED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split("\0")[:-1]
PAGES = [ROOT / name for name in TRACKED if name.endswith(".md")]
TARGET = re.compile(r"^([a-z][a-z-]*):(?!=).*?(## .+)?$", re.MULTILINE)
TOP = {name.partition("/")[0] for name in TRACKED if "/" in name}


def identity(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def product_of(page: Path) -> Path:
    """Returns the folder in which a page's commands are given."""
    return LIBRARY if page.is_relative_to(LIBRARY) else ROOT


def code_of(page: Path) -> Iterator[str]:
    """Gives what is written as code: spans, indented and fenced lines."""
    text = page.read_text()
    yield from re.findall(r"`([^`\n]+)`", text)
    yield from re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    yield from re.findall(r"^\$ (.+)$", text, re.MULTILINE)


def targets_of(folder: Path) -> set[str]:
    return {hit[1] for hit in TARGET.finditer((folder / "Makefile").read_text())}


@pytest.mark.parametrize("folder", [ROOT, LIBRARY], ids=["root", "library"])
def test_make_lists_every_target(folder: Path) -> None:
    """`make` prints each target with what it does, and none of them is taken for a file."""
    text = (folder / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    command = ["make", "--no-print-directory", "help"]
    printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in printed.splitlines()} == targets_of(folder) == set(phony.split())


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_a_page_speaks_of_what_is_there(page: Path) -> None:
    """Each make target and each link of a page exists, and each path that it gives as code."""
    known = targets_of(product_of(page))
    for code in code_of(page):
        for target in re.findall(r"(?:^|&& |; )make ([a-z][a-z-]*)", code):
            assert target in known, f"make {target}"
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link
    if page.name != "CHANGELOG.md":  # which tells of what was
        for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)+)/?`", page.read_text()):
            assert path.partition("/")[0] not in TOP or (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_a_page_names_verbs_that_are_there(page: Path) -> None:
    """`waypost VERB` in a page's code is a verb of the command line."""
    if page.name == "CHANGELOG.md":
        return
    for code in code_of(page):
        for verb in re.findall(r"(?:^|&& |; )waypost ([a-z][a-z-]+)\b", code):
            assert verb in VERBS, code


def test_every_part_has_an_owner() -> None:
    """Each path of CODEOWNERS exists, and the folders of all products have a line."""
    lines = re.findall(r"^(?:# )?/(\S*)\s+@\S+$", (ROOT / ".github" / "CODEOWNERS").read_text(), re.MULTILINE)
    assert all((ROOT / path).is_dir() for path in lines)
    assert {path.strip("/") for path in lines} >= TOP - {".ci"}


def test_pythons_are_the_same_everywhere() -> None:
    """CONTRIBUTING.md, the package's classifiers and the matrix of each CI name the same Python versions."""
    project = tomllib.loads((ROOT / "engine" / "pyproject.toml").read_text())["project"]
    pythons = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert project["requires-python"] == f">={pythons[0]}"
    assert f"Python {pythons[0]} to {pythons[-1]}," in (ROOT / "CONTRIBUTING.md").read_text()
    for folder in (ROOT, LIBRARY):
        jobs = yaml.safe_load((folder / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
        assert jobs["check"]["strategy"]["matrix"]["python"] == pythons
