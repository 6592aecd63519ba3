"""Findings accepted by the owner of a product: each by rule, optional place, and reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from waypost.contracts.rules import RULES
from waypost.errors import Finding, did_you_mean


@dataclass(frozen=True)
class Exemption:
    """`RULE[@PLACE]: reason`, written at `where`; without a place it covers all findings of the rule."""

    rule: str
    place: str
    reason: str
    where: str

    def covers(self, finding: Finding) -> bool:
        """Returns whether it covers a finding: its file or key is the place, or below it."""
        return finding.category == self.rule and (not self.place or _is_at(finding.place, self.place))


@dataclass(frozen=True)
class Ignored:
    """An ignored finding, and the reason."""

    finding: Finding
    reason: str


def exemptions(entries: Mapping[str, str], file: str) -> tuple[Exemption, ...]:
    """Returns the exemptions of a file. Args: `entries` are `RULE[@PLACE]: reason`, `file` is their file."""
    found = []
    for key, reason in entries.items():
        rule, _, place = key.partition("@")
        found.append(Exemption(rule.strip(), place.strip().rstrip("/"), reason.strip(), f"{file}.{key}"))
    return tuple(found)


def judged(
    findings: Iterable[Finding], exempt: Sequence[Exemption], looked_at: Iterable[str] = tuple(RULES)
) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
    """Returns the remaining findings and the ignored ones; problems with exemptions are findings, too.

    Args: `looked_at` are the rules that were checked: an exemption from another rule may be used elsewhere.
    """
    problems = [_problem(each) for each in exempt]
    valid = [each for each, problem in zip(exempt, problems, strict=True) if not problem]
    left, ignored = [], []
    for finding in findings:
        reason = next((each.reason for each in valid if each.covers(finding)), "")
        if reason:
            ignored.append(Ignored(finding, reason))
        else:
            left.append(finding)
    wrong = [problem for problem in problems if problem]
    asked = set(looked_at)
    idle = [
        Finding(each.where, "it ignores nothing", "remove the line", "ignore")
        for each in valid
        if each.rule in asked and not any(each.covers(found.finding) for found in ignored)
    ]
    return (*left, *wrong, *idle), tuple(ignored)


def _problem(exemption: Exemption) -> Finding | None:
    """Returns a finding if an exemption is not valid."""
    rule = RULES.get(exemption.rule)
    if rule is None:
        hint = did_you_mean(exemption.rule, RULES) or "docs/rules.md has the rules"
        return Finding(exemption.where, f"no rule {exemption.rule!r}", hint, "ignore")
    if rule.final:
        problem = f"{exemption.rule} cannot be ignored: {rule.reason}"
        return Finding(exemption.where, problem, "fix what it finds", "ignore")
    if not exemption.reason:
        return Finding(exemption.where, "it has no reason", f"{exemption.rule}: WHY", "ignore")
    return None


def _is_at(place: str, asked: str) -> bool:
    """Returns whether a finding's place (`FILE: KEY`) is at or below a file, folder or key."""
    return any(
        part == asked or part.startswith((f"{asked}/", f"{asked}.", f"{asked}:"))
        for part in place.split(": ")
    )
