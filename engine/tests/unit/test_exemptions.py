"""What the owner of a product lives with: findings that are ignored, each for a reason."""

from __future__ import annotations

import pytest

from waypost.contracts.exemptions import exemptions, judged
from waypost.contracts.rules import RULES
from waypost.errors import Finding

FOUND = [
    Finding("load/MLproject: entry_points.main.example", "none", "", "example"),
    Finding("load/run.py:12", "a place", "", "paths"),
    Finding("loader", "no tests", "", "tests"),
]


@pytest.mark.parametrize(
    ("key", "left"),
    [
        ("example", 2),
        ("example@load", 2),
        ("example@load/MLproject", 2),
        ("example@entry_points.main", 2),
        ("paths@load/run.py", 2),
        ("paths@load/", 2),
        ("tests@load", 3),  # loader is another one
        ("tests@loader", 2),
        ("paths@run.py", 3),
    ],
)
def test_places(key: str, left: int) -> None:
    """A file, a folder or a key, and what lies below; nothing that only begins alike. What ignores nothing is
    told, so that none outlives its finding.
    """
    findings, ignored = judged(FOUND, exemptions({key: "why"}, "setup.cfg: ignore"))
    idle = [f for f in findings if f.category == "ignore"]
    assert len(findings) - len(idle) == left
    assert [each.reason for each in ignored] == ["why"] * (3 - left)
    assert [str(f) for f in idle] == (
        [f"setup.cfg: ignore.{key}: it ignores nothing; remove the line"] if left == 3 else []
    )


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"exmple": "why"}, "no rule 'exmple'; did you mean 'example'?"),
        ({"example": " "}, "it has no reason; example: WHY"),
        ({"shared": "why"}, "shared cannot be ignored: The component cannot be locked without them."),
    ],
)
def test_exemptions_that_count_for_nothing(entries: dict[str, str], problem: str) -> None:
    """A slip, no reason, what nobody could lock or run: nothing is ignored by it, and it is told."""
    findings, ignored = judged(FOUND, exemptions(entries, "setup.cfg: ignore"))
    assert findings[:3] == tuple(FOUND)
    assert not ignored
    assert problem in str(findings[3])


def test_rules_that_were_not_asked() -> None:
    """An exemption from what was not executed is none too many."""
    exempt = exemptions({"run-tests": "slow"}, "setup.cfg: ignore")
    assert judged([], exempt, ["example"]) == ((), ())
    assert len(judged([], exempt)[0]) == 1


def test_every_rule_says_why() -> None:
    """Ids are words, sentences end; nothing that is always held may pass a release."""
    for name, rule in RULES.items():
        assert name == name.lower().replace("_", "-")
        assert rule.demand.endswith(".")
        assert rule.reason.endswith((".", "?"))
