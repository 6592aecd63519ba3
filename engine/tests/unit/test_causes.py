"""What a step's log says of why it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.runs.logs import exit_cause

TRACE = "Traceback (most recent call last):\n  File 'x', line 1, in f\n    g()\n"


@pytest.mark.parametrize(
    ("log", "code", "cause"),
    [
        ("reading\nerror: no column 'a'\n", 1, "no column 'a'"),
        ("run.py: error: unrecognized arguments\n", 2, "unrecognized arguments"),
        (f"{TRACE}ValueError: no\n", 1, "ValueError: no"),
        (f"{TRACE}a.b.Error: first\n\n- more of it\nand more\n", 1, "a.b.Error: first"),
        (f"{TRACE}KeyError: 1\n\nDuring handling …:\n\n{TRACE}a.Error: 2\nmore\n", 1, "a.Error: 2"),
        (f"{TRACE}{'    h()' * 40}\nValueError: deep\n", 1, "ValueError: deep"),
        ("Traceback (most recent call last):\n" + "  frame\n" * 50 + "E: x\nmore\n", 1, "E: x"),
        ("words\n\n", 3, "words"),
        ("", 3, "exit code 3"),
        ("words\n", -9, "killed by SIGKILL (out of memory?)"),
        ("words\n", 143, "killed by SIGTERM"),
    ],
)
def test_the_cause_that_a_log_tells(tmp_path: Path, log: str, code: int, cause: str) -> None:
    """The component's own word, else the exception that ended it, not the last line of its message."""
    (tmp_path / "log").write_text(log)
    assert exit_cause(code, tmp_path / "log") == cause
