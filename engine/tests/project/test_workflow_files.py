"""The workflows as they are written; tests/test_workflows.py executes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import LIBRARY, ROOT
from tests.workflows import FOLDER, callers, triggers

WORKFLOWS = sorted(file for top in (ROOT, LIBRARY) for file in top.glob(".github/workflows/*.yml"))
SHARED = ["check", "release", "reproduce", "update-locks", "update-pins"]
PINNED = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1",
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "actions/download-artifact": "70fc10c6e5e1ce46ad2ea6f2b72d43f7d47b13c3",
    "actions/attest-build-provenance": "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32",
}
# Who may write what: a job that is not here reads.
WRITES = {
    ("release", "publish"): {"contents", "pull-requests", "id-token", "attestations"},
    ("update-pins", "publish"): {"contents", "pull-requests"},
    ("update-pins", "report"): {"statuses"},
    ("update-locks", "publish"): {"contents", "pull-requests"},
}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: f"{file.parents[2].name}-{file.stem}")
def test_workflow_is_tight(file: Path) -> None:
    """Actions by verified commits, least permissions, and no untrusted text inside a script."""
    content = yaml.safe_load(file.read_text())
    makefile = (file.parents[2] / "Makefile").read_text()
    assert content["permissions"] == {}
    for target in re.findall(r"make ([a-z-]+)(?![\w-])", re.sub(r"#.*", "", file.read_text())):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name, job in content["jobs"].items():
        assert job["permissions"]
        if "uses" in job:
            assert job["uses"].startswith("$/.github/workflows/")
            continue
        assert job["timeout-minutes"]
        writes = {scope for scope, right in job["permissions"].items() if right == "write"}
        assert writes == WRITES.get((file.stem, name), set())
        for step in job["steps"]:
            if "uses" in step:
                action, _, commit = step["uses"].partition("@")
                assert PINNED[action] == commit
            assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("name", SHARED)
def test_workflow_for_others_is_described(name: str) -> None:
    """Each input says what it is for and has a type; secrets are passed by name; nothing else starts it."""
    on = triggers(yaml.safe_load((FOLDER / f"{name}.yml").read_text()))
    assert set(on) == {"workflow_call"}
    for given in on["workflow_call"]["inputs"].values():
        assert given["description"]
        assert given["type"] in ("string", "boolean")
    for secret in on["workflow_call"]["secrets"].values():
        assert secret["description"]
        assert secret["required"] is False


@pytest.mark.parametrize("name", ["release", "update-pins", "update-locks"])
def test_what_writes_executes_nothing(name: str) -> None:
    """A job that may write sets up and publishes a delivery; code of components runs in another one."""
    jobs = yaml.safe_load((FOLDER / f"{name}.yml").read_text())["jobs"]
    scripts = [step["run"] for step in jobs["publish"]["steps"] if "run" in step]
    assert scripts[0] == 'bash -euo pipefail -c "$SETUP"'
    assert [script.split('"')[0].strip() for script in scripts[1:]] == ["waypost ci publish"]
    assert jobs["publish"]["concurrency"]["cancel-in-progress"] is False


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


def test_the_page_calls_what_is_there() -> None:
    """Each workflow that docs/ci.md shows calls one of ours, with inputs and secrets that it has."""
    called = set()
    for content in callers(ROOT / "docs" / "ci.md"):
        for job in content["jobs"].values():
            name = job["uses"].split("/")[-1].partition("@")[0]
            call = triggers(yaml.safe_load((FOLDER / name).read_text()))["workflow_call"]
            assert set(job.get("with", {})) <= set(call["inputs"])
            assert set(job.get("secrets", {})) <= set(call["secrets"])
            called.add(name.removesuffix(".yml"))
    assert called == set(SHARED) - {"update-locks"}
