"""How long a log of predictions is kept, and which files are nobody's log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from waypost.commands.serve import serve
from waypost.errors import UsageError
from waypost.inference.limits import MIB
from waypost.serving.retention import Retention, outlived, remove_outlived

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


def name(day: int, kind: str = "predictions", number: int = 0) -> str:
    return f"{kind}-202605{day:02}T120000-0123abcd-77-{number}.parquet"


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        (Retention(), []),
        (Retention(days=3), [1, 2]),
        (Retention(days=0.5), [1, 2, 8]),
        (Retention(size=4), [1]),
        (Retention(size=5), [1]),
        (Retention(size=7), []),
        (Retention(size=1), [1, 2, 8]),
        (Retention(days=3, size=2), [1, 2]),
    ],
)
def test_the_oldest_go(kept: Retention, gone: list[int]) -> None:
    """What is older than so many days goes, then the oldest until the rest has the size."""
    sizes = {name(8, "feedback"): 1, name(1): 3, name(10): 1, name(2): 2}
    found = outlived(sizes.items(), kept, NOW)
    assert found == [name(day, "feedback" if day == 8 else "predictions") for day in gone]


@pytest.mark.parametrize(
    "other",
    [
        *("notes.txt", "predictions.parquet", f".{name(1)}", f"{name(1)}.bak", f"my-{name(1)}"),
        *(name(1).replace("0123abcd", "zzzz"), name(1).replace("0501T", "0540T")),
        *(name(1).upper(), name(1) + "\n"),
    ],
)
def test_what_is_called_otherwise_stays(other: str) -> None:
    """A file whose name is not the log's is somebody else's, and counts for nothing."""
    assert outlived([(other, 100 * MIB), (name(10), 1)], Retention(days=1, size=10), NOW) == []


@pytest.mark.parametrize("option", ["--log-days", "--log-megabytes"])
def test_there_is_a_log_to_keep(option: str) -> None:
    """How long a log is kept means nothing without a log."""
    result = CliRunner().invoke(serve, ["model", option, "3"])
    assert isinstance(result.exception, UsageError)
    assert "need a log" in str(result.exception)


def test_only_files_in_the_folder_go(tmp_path: Path) -> None:
    """Links, folders and what lies below stay; a folder that is not there is no trouble."""
    (tmp_path / "kept").write_text("x")
    (tmp_path / name(1)).write_text("x")
    (tmp_path / name(2)).symlink_to(tmp_path / "kept")
    (tmp_path / name(3)).mkdir()
    (tmp_path / name(3) / name(4)).write_text("x")
    remove_outlived(tmp_path, Retention(days=0.001))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["kept", name(2), name(3)])
    assert (tmp_path / name(3) / name(4)).exists()
    remove_outlived(tmp_path / "nowhere", Retention(days=1))
