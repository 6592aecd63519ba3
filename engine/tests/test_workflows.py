"""What the workflows run, run here: the make targets against an origin of our own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import BIN, ROOT, Call
from tests.repositories import (
    Repository,
    edit_contract,
    git_daemon,
    make_library,
    make_pipeline,
    make_repository,
    parameters_of,
)
from tests.test_release import SETTINGS, note, published, releasable

pytestmark = pytest.mark.journey
SCRIPT = ROOT / ".github" / "release.sh"


@pytest.fixture
def origin(workplace: Path) -> Iterator[str]:
    """A released library and a pipeline that is ready for its first release, on a git server."""
    library = releasable(make_library(workplace.parent / "served" / "components"))
    published(library)
    with git_daemon(library.path.parent) as url:
        library.git("remote", "set-url", "origin", f"{url}/components.git")
        yield url


def script(call: Call, folder: Path, *arguments: str) -> str:
    env = {"BUNDLE_OPTIONS": "--env local", "RUN_OPTIONS": "--env local", "PIPELINE": "."}
    result = call("bash", SCRIPT, BIN, *arguments, cwd=folder, env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_release_and_assets(origin: str, workplace: Path, call: Call) -> None:
    """`make release` and `make assets`: commit and tag on origin; record, bundle and checksums in dist."""
    library = Repository(workplace.parent / "served" / "components")
    script(call, library.path, "release", ".", "auto")
    pipeline = releasable(make_pipeline(workplace.parent / "served" / "grades", "../components.git"))
    (pipeline.path / ".gitignore").write_text("dist/\nmlflow.db\nmlruns/\n")
    published(pipeline)
    pipeline.git("remote", "set-url", "origin", f"{origin}/grades.git")
    assert call("python", "-m", "waypost", "lock", pipeline.path).returncode == 0
    pipeline.commit("lock")
    script(call, pipeline.path, "release", ".", "auto")
    script(call, pipeline.path, "record")
    recorded = json.loads(pipeline.git("show", "origin/main:releases/1.0.0.run.json"))
    assert recorded["commit"] == pipeline.git("rev-parse", "v1.0.0^{commit}")
    script(call, pipeline.path, "assets")
    dist = pipeline.path / "dist"
    assert (dist / "tag").read_text() == "v1.0.0\n"
    assert "Everything." in (dist / "notes.md").read_text()
    assert sorted(p.name for p in (dist / "assets").iterdir()) == [
        "SHA256SUMS",
        "bundle-1.0.0.tar",
        "record.json",
    ]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist / "assets", check=True)
    assert pipeline.git("ls-remote", "--tags", "origin", "v1.0.0")
    run = call("python", "-m", "waypost", "run", dist / "assets" / "bundle-1.0.0.tar", "--dry-run")
    assert run.returncode == 0, run.stderr


def test_update_pins(origin: str, workplace: Path, call: Call) -> None:
    """`make update-pins`: nothing relevant, nothing happens; else a branch and a report with the changes."""
    library = Repository(workplace.parent / "served" / "components")
    script(call, library.path, "release", ".", "auto")
    pipeline = make_pipeline(workplace.parent / "served" / "grades", f"{origin}/components.git")
    (pipeline.path / ".gitignore").write_text("dist/\nmlflow.db\nmlruns/\n")
    (pipeline.path / "setup.cfg").write_text(SETTINGS)
    assert call("python", "-m", "waypost", "lock", pipeline.path).returncode == 0
    pipeline.git("config", "user.name", "t")
    pipeline.git("config", "user.email", "t@example.org")
    pipeline.commit("lock")
    published(pipeline)
    assert "nothing relevant is newer" in script(call, pipeline.path, "update-pins")
    assert not (pipeline.path / "dist" / "pins.md").exists()
    edit_contract(library.path, "load", lambda c: parameters_of(c).update(more={"type": "int", "default": 1}))
    note(library, "- load has `more`.")
    script(call, library.path, "release", ".", "auto")
    # The script's report is this repository's own.
    (pipeline.path / ".github").symlink_to(ROOT / ".github")
    script(call, pipeline.path, "update-pins")
    text = (pipeline.path / "dist" / "pins.md").read_text()
    assert "| `core/load` | 1.0.0 | 1.1.0 | **added**: `parameter 'more'` |" in text
    assert "| `core/clean` | 1.0.0 | 1.1.0 | no change: same tree |" in text
    assert "- load has `more`." in text
    assert pipeline.git("branch", "--show-current") == "waypost/update-pins"
    lock = json.loads(pipeline.git("show", "origin/waypost/update-pins:components.lock.json"))
    assert lock["components"]["core/load"]["version"] == "1.1.0"


RESOLVED = "requirements:\n\t@cp wanted.txt lock.txt\n"


def test_update_locks(workplace: Path, call: Call) -> None:
    """`make update-locks`: nothing is newer, nothing happens; else a branch and a report with what moved."""
    repository = releasable(make_repository(workplace.parent / "served" / "grades"))
    files = {
        "Makefile": RESOLVED,
        "lock.txt": "a==1\n",
        "wanted.txt": "a==1\n",
        ".gitignore": "dist/\n.github\n",
    }
    for name, text in files.items():
        (repository.path / name).write_text(text)
    (repository.path / ".github").symlink_to(ROOT / ".github")
    repository.commit("locks")
    published(repository)
    assert "nothing is newer" in script(call, repository.path, "update-locks")
    assert not (repository.path / "dist" / "locks.md").exists()
    (repository.path / "wanted.txt").write_text("a==2\n")
    repository.commit("there is something newer")
    script(call, repository.path, "update-locks")
    assert "| `a` | `1` | `2` | lock.txt |" in (repository.path / "dist" / "locks.md").read_text()
    assert repository.git("show", "origin/waypost/update-locks:lock.txt") == "a==2"
    assert repository.git("diff", "--name-only", "main", "origin/waypost/update-locks") == "lock.txt"
