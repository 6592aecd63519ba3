"""The fuzzer itself: it sees what it is for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fuzzing import fuzz
from waypost.errors import WaypostError


def attempt(number: int, folder: Path) -> str:
    """What a case may do, and what it may not, by its number."""
    kind = os.environ.get("FUZZED", "")
    if number != 3:
        (folder / "file").write_text("inside is free", encoding="utf-8")
        if number % 2:
            raise WaypostError("no")
        return "taken"
    if kind == "raises":
        raise KeyError("a bug")
    if kind == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hangs":
        time.sleep(60)
    if kind == "grows":
        _ = b"x" * (1100 << 20)
    if kind == "writes":
        (folder / "../../canary/a/new").write_text("outside", encoding="utf-8")
    if kind == "links":
        (folder / "link").symlink_to(folder.parents[1] / "canary")
        (folder / "link" / "new").write_text("outside", encoding="utf-8")
    if kind == "starts":
        subprocess.run(["touch", str(folder.parents[1] / "canary/a/new")], check=True)
    return "taken"


def test_taken_and_refused_cases_are_counted(tmp_path: Path) -> None:
    """Each case has an outcome; a WaypostError is a refusal."""
    assert fuzz(__name__, 10, tmp_path) == {"taken": 6, "refused": 4}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("raises", "case 3: .*KeyError: 'a bug'"),
        ("crashes", "case 3: exit code -11"),
        ("hangs", "case 3: no end within 2 s"),
        ("grows", "case 3: the process has grown"),
        ("writes", "case 3: .*a write to .*canary/a/new"),
        ("links", "case 3: .*a write to .*canary/new"),
        ("starts", "something was written outside: .*canary/a/new"),
    ],
)
def test_faults_are_seen(kind: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that raises, crashes, hangs, grows or writes elsewhere is named by its number."""
    monkeypatch.setenv("FUZZED", kind)
    with pytest.raises(AssertionError, match=f"(?s){words}"):
        fuzz(__name__, 6, tmp_path, seconds=2 if kind == "hangs" else 60)
