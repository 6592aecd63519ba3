"""What the workflows write into pull requests."""

from __future__ import annotations

import runpy

from tests.conftest import ROOT

SCRIPTS = ROOT / ".github"


def test_a_hostile_library_in_a_pull_request() -> None:
    """What others changed stands in the report as code: no link, no mention, no cell more."""
    bad = "a|b @team #1 <img src=x> [x](javascript:y)"
    report = runpy.run_path(str(SCRIPTS / "pins_report.py"))["report"]
    move = {
        "uses": f"core/{bad}",
        "state": "moved",
        "old": {"version": "1.0.0"},
        "new": {"version": "1.1.0"},
        "changes": [{"kind": "added", "text": bad}],
        "problems": [],
        "packages": [{"name": bad, "old": "1", "new": ""}],
    }
    run = {"steps": [{"name": "one", "metrics": {bad: 1.0}}]}
    text = report({"moves": [move], "changelogs": {"core": f"{bad}\n```\n{bad}"}}, run, run)
    cell = "`a\\|b @team #1 <img src=x> [x](javascript:y)`"
    assert f"| 1.0.0 | 1.1.0 | **added**: {cell} |" in text
    assert f"| {cell} | `1` |  |" in text
    assert f"| {cell.replace('a', 'one/a', 1)} | 1.0 | 1.0 |" in text
    assert f"````\n{bad}\n```\n{bad}\n````" in text


def test_locks_that_moved() -> None:
    """A package stands in one row with all the locks that have it; hashes alone are told in a line."""
    report = runpy.run_path(str(SCRIPTS / "locks_report.py"))["report"]
    old, new = "a==1 --hash=sha256:aa\nb==2\n", "a==1.1 --hash=sha256:bb\nc==3\n"
    text = report({"x.txt": (old, new), "y/z.txt": ("a==1\n", "a==1.1\n")})
    assert text.splitlines()[2:] == [
        "| `a` | `1` | `1.1` | x.txt, y/z.txt |",
        "| `b` | `2` |  | x.txt |",
        "| `c` |  | `3` | x.txt |",
    ]
    assert report({"x.txt": (old, old.replace("aa", "bb"))}).startswith("The versions are the same")
