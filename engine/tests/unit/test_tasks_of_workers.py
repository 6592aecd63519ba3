"""Tasks of workers: what fails comes back as JSON, and says what failed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from waypost.cluster.tasks import FailedError, execute, result_of
from waypost.errors import RemoteError
from waypost.sources.refusals import of_system


def test_what_the_system_refuses_on_a_worker_comes_back() -> None:
    """An OSError is told in its own words: raised in a task, it would count as a worker that is gone."""
    with pytest.raises(FailedError, match=r"^\[Errno 2\] No such file or directory: '/no/such/folder'$"):
        result_of(execute("os", "listdir", '"/no/such/folder"', {}))


def test_a_bug_is_raised() -> None:
    """Any other exception keeps its type and its stack trace."""
    with pytest.raises(TypeError):
        execute("os", "listdir", "{}", {})


def test_a_full_disk_has_a_hint() -> None:
    """What helps is named where a disk or a quota is full, and nowhere else."""
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space") as full:
        file.write(b"x")
    assert "WAYPOST_HOME" in of_system(full.value).hint
    assert not of_system(OSError(errno.EACCES, "Permission denied")).hint


def test_an_error_names_its_worker() -> None:
    """What one machine lacks, others may have: an error of a step says which one it was, once."""
    from waypost.runs.on_worker import named

    told = named(RemoteError("no network", hint="try again"), "node7")
    assert (str(told), told.hint, told.exit_code) == ("worker node7: no network", "try again", 3)
    assert named(told, "node7") is told
