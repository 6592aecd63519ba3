"""docs/security.md names what is there."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [row.split(" | ") for row in PAGE.splitlines() if row.startswith("| ") and "---" not in row][1:]


def test_every_line_has_its_holder_and_its_test() -> None:
    """Each row names modules that hold the line and tests that show it; both exist."""
    assert len(ROWS) > 10
    for _, _, held, seen in ROWS:
        modules = re.findall(r"`([\w/]+\.py)`", held)
        tests = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", seen)
        assert modules, held
        assert tests, seen
        for module in modules:
            assert (ROOT / "engine" / "src" / "waypost" / module).is_file(), module
        for file, name in tests:
            text = (ROOT / "engine" / "tests" / file).read_text()
            assert not name or f"def {name}(" in text, name
