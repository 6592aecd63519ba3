"""The forks that tests run are processes like those that a user starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Call
from tests.forks import ALONE, Forks

WAYPOST = ("python", "-m", "waypost")


def test_a_fork_says_what_a_new_interpreter_says(workplace: Path, call: Call) -> None:
    """Output, errors and exit code are the same, also those of usage; so are folder and variables."""
    (workplace / "pipe").mkdir()
    (workplace / "pipe" / "pipeline.yaml").write_text("name: small\nsteps: {a: {uses: parts/a}}\n")
    asked = (
        ["--version"],
        ["--help"],
        ["lok"],
        ["lock", "--nope"],
        ["lock", "pipe"],
        ["lock", "..", "--json"],
    )
    for arguments in asked:
        forked, new = (call(*WAYPOST, *arguments, env=env) for env in ({}, ALONE))
        assert (forked.returncode, forked.stdout, forked.stderr) == (
            new.returncode,
            new.stdout,
            new.stderr,
        )
    inside = call(*WAYPOST, "lock", cwd=workplace / "pipe")
    assert inside.stderr == call(*WAYPOST, "lock", cwd=workplace / "pipe", env=ALONE).stderr


def test_forks_come_from_one_thread(workplace: Path, call: Call, forks: Forks) -> None:
    """No lock is held while a process forks: what is imported for the others has no thread that would."""
    call(*WAYPOST, "info", "models:/nobody@champion")  # imports MLflow
    call(*WAYPOST, "--version")  # from now on it is there
    threads = Path(f"/proc/{forks.process}/task").glob("*/comm")
    names = [file.read_text().strip() for file in threads]
    assert len([name for name in names if name != "jemalloc_bg_thd"]) == 1  # that one is prepared for forks


@pytest.mark.xdist_group("together")
def test_groups_share_a_process(request: pytest.FixtureRequest) -> None:
    """Where tests are spread over processes, those of a group keep together: their names say so."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@together")
