"""Findings as SARIF 2.1.0, which code hosts show next to the lines of a pull request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from waypost.contracts.exemptions import Ignored
from waypost.contracts.rules import RULES
from waypost.errors import Finding
from waypost.texts.digests import digest_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PLACE = re.compile(r"(?P<file>[^:]+)(?::(?P<line>\d+))?(?:: (?P<key>.+))?", re.DOTALL)
_NOT_PLAIN = re.compile(r"[^\w./~-]", re.ASCII)

Locate = Callable[[str, str], tuple[str, int]]
"""Returns the file and line for a finding's place and key; line 1 if unknown."""


def sarif(
    findings: Iterable[Finding], ignored: Iterable[Ignored], version: str, locate: Locate
) -> dict[str, Any]:
    """Returns the log of one check. Args: `version` is Waypost's."""
    results = [_result(finding, locate) for finding in findings]
    results += [
        {
            **_result(each.finding, locate),
            "suppressions": [{"kind": "external", "status": "accepted", "justification": each.reason}],
        }
        for each in ignored
    ]
    used = sorted({result["ruleId"] for result in results})
    driver = {"name": "Waypost", "version": version, "rules": [_rule(name) for name in used]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    rule = RULES.get(name)
    if rule is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": rule.demand},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.demand} {rule.reason}"},
        "defaultConfiguration": {"level": _level(name)},
    }


def _level(name: str) -> str:
    """Returns the severity of a finding: error if a release is refused for it, or if it is not from a
    rule.
    """
    return "error" if name not in RULES or RULES[name].refuses or RULES[name].final else "warning"


def _result(finding: Finding, locate: Locate) -> dict[str, Any]:
    found = _PLACE.fullmatch(finding.place)
    name, line, key = (found["file"], found["line"], found["key"]) if found else (finding.place, None, None)
    text = f"{finding.problem}; {finding.hint}" if finding.hint else finding.problem
    rule = finding.category or "plan"
    file, found_line = locate(name, key or "")
    return {
        "ruleId": rule,
        "level": _level(rule),
        "message": {"text": f"{key}: {text}" if key else text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(file or "README.md")},
                    "region": {"startLine": int(line) if line else found_line},
                }
            }
        ],
        "partialFingerprints": {"waypost/v1": digest_of([rule, name, key, finding.problem])},
    }


def _uri(path: str) -> str:
    """Returns a path as a relative reference, with special characters escaped."""
    return _NOT_PLAIN.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), path)
