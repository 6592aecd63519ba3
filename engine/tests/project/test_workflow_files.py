"""The workflows as they are written; what their steps do is run in test_workflows.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import LIBRARY, ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(file for top in (ROOT, LIBRARY) for file in top.glob(".github/workflows/*.yml"))
PINNED = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1",
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "actions/attest-build-provenance": "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32",
}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: f"{file.parents[2].name}-{file.stem}")
def test_workflow_is_tight(file: Path) -> None:
    """Actions by verified commits, least permissions, and no untrusted text inside a script."""
    content = yaml.safe_load(file.read_text())
    makefile = (file.parents[2] / "Makefile").read_text()
    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if "uses" in step:
                name, _, commit = step["uses"].partition("@")
                assert PINNED[name] == commit
            assert "${{" not in step.get("run", "")
            for target in re.findall(r"make ([a-z-]+)", step.get("run", "")):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", ["update-pins", "update-locks"])
def test_pull_request_of_a_workflow_is_checked(name: str) -> None:
    """What a workflow pushes with its token starts no other workflow: so it asks for CI on its branch."""
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    [job] = content["jobs"].values()
    assert job["permissions"]["actions"] == "write"
    [script] = [step["run"] for step in job["steps"] if "gh pr create" in step.get("run", "")]
    assert f"--head waypost/{name} " in script
    assert f"gh workflow run ci.yml --ref waypost/{name}\n" in script
    assert "workflow_dispatch" in triggers(yaml.safe_load((FOLDER / "ci.yml").read_text()))
    assert f"origin waypost/{name}\n" in (ROOT / ".github" / "release.sh").read_text()


def test_the_tests_run_at_both_ends_of_what_is_allowed() -> None:
    """CI runs the tests with the lowest dependencies on the oldest Python, and the newest on the newest."""
    jobs = yaml.safe_load((FOLDER / "ci.yml").read_text())["jobs"]
    pythons = jobs["check"]["strategy"]["matrix"]["python"]
    assert jobs["bounds"]["strategy"]["matrix"]["include"] == [
        {"resolution": "lowest-direct", "python": pythons[0]},
        {"resolution": "highest", "python": pythons[-1]},
    ]


def test_other_files_name_workflows_that_are_there() -> None:
    """A workflow that another file of .github speaks of exists."""
    for file in (ROOT / ".github").glob("*.*"):
        for name in re.findall(r"\b[\w-]+\.yml\b", file.read_text()):
            assert (FOLDER / name).is_file() or (ROOT / ".github" / name).is_file(), f"{file.name}: {name}"


def triggers(content: Any) -> Any:
    """Returns a workflow's `on:`, which YAML 1.1 takes for a truth value."""
    return content.get("on", content.get(True))
