"""The workflows as they are written; tests/test_workflows.py executes them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import BIN, LIBRARY, ROOT
from tests.workflows import FOLDER, callers, triggers
from waypost.ci import settings

WORKFLOWS = sorted(file for top in (ROOT, LIBRARY) for file in top.glob(".github/workflows/*.yml"))
SHARED = ["check", "findings", "release", "reproduce", "update-locks", "update-pins"]
PINNED = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1",
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "actions/download-artifact": "70fc10c6e5e1ce46ad2ea6f2b72d43f7d47b13c3",
    "actions/deploy-pages": "cd2ce8fcbc39b97be8ca5fce6e763baed58fa128",
    "actions/attest-build-provenance": "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32",
    "github/codeql-action/upload-sarif": "8aad20d150bbac5944a9f9d289da16a4b0d87c1e",
    "pypa/gh-action-pypi-publish": "ed0c53931b1dc9bd32cbe73a98c7f6766f8a527e",
}
# Who may write what: a job that is not here reads.
WRITES = {
    ("findings", "show"): {"security-events"},
    ("release", "publish"): {"contents", "pull-requests", "id-token", "attestations"},
    ("update-pins", "publish"): {"contents", "pull-requests"},
    ("reported-check", "report"): {"statuses"},
    ("update-locks", "publish"): {"contents", "pull-requests"},
    ("engine-release", "package"): {"actions"},
    ("pages", "publish"): {"pages", "id-token"},
    ("engine-package", "pypi"): {"id-token"},
    ("engine-package", "image"): {"packages", "id-token", "attestations"},
}
BEHIND = {
    ("release", "publish"),
    ("engine-package", "pypi"),
    ("engine-package", "image"),
    ("pages", "publish"),
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
        assert ("environment" in job) == ((file.stem, name) in BEHIND)
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


def test_the_page_lists_what_each_job_may() -> None:
    """docs/ci.md has a row for each job of each workflow, with its permissions and its environment."""
    rows = []
    for file in sorted(FOLDER.glob("*.yml")):
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            may = ", ".join(f"`{scope}: {right}`" for scope, right in job["permissions"].items())
            calls = job.get("uses", "").rpartition("/")[2].removesuffix(".yml")
            behind = job.get("environment", "")
            place = behind["name"] if isinstance(behind, dict) else behind
            place = re.sub(r"\$\{\{ inputs\.(\w+) \}\}", r"`\1`", place)
            rows.append(f"| {file.stem} | {name} | {may} | {calls} | {place} |")
    page = (ROOT / "docs" / "ci.md").read_text().partition("## What each job may")[2]
    listed = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert listed == rows


def scripts() -> Iterator[tuple[str, str]]:
    """Gives each shell script of CI: the steps of workflows, of GitLab's jobs, files."""
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            for number, step in enumerate(job.get("steps", [])):
                if "run" in step:
                    yield f"{file.parents[2].name}-{file.stem}-{name}-{number}", step["run"]
    for name, job in yaml.safe_load((ROOT / ".gitlab" / "waypost.yml").read_text()).items():
        for part in ("before_script", "script"):
            if isinstance(job, dict) and part in job:
                yield f"gitlab-{name}-{part}", "\n".join(job[part])
    yield "ci-settings", settings.script("team/x", branch="main", tags="v*", check="check", is_package=True)


def test_scripts_are_sound(tmp_path: Path) -> None:
    """shellcheck finds nothing in the steps of our workflows, nor in the script that sets a repository up."""
    for name, text in scripts():
        (tmp_path / f"{name}.sh").write_text(f"#!/usr/bin/env bash\nset -eo pipefail\n{text}\n")
    done = subprocess.run(
        # A step's variables are its `env`: SC2153 takes them for misspelt.
        [BIN / "shellcheck", "--exclude=SC2153", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
