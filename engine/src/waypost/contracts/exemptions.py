"""Findings that the owner of a product lives with: each by its rule, perhaps its place, and a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from waypost.contracts.rules import RULES
from waypost.errors import Finding, did_you_mean


@dataclass(frozen=True)
class Exemption:
    """`RULE[@PLACE]: reason`, as it stands at `where`; without a place it is for all findings of the rule."""

    rule: str
    place: str
    reason: str
    where: str

    def covers(self, finding: Finding) -> bool:
        """Returns whether a finding is meant: its file or key is the place, or lies below it."""
        return finding.category == self.rule and (not self.place or _is_at(finding.place, self.place))


@dataclass(frozen=True)
class Ignored:
    """A finding that is not held against its product, and why."""

    finding: Finding
    reason: str


def exemptions(entries: Mapping[str, str], file: str) -> tuple[Exemption, ...]:
    """Returns what a file exempts. Args: `entries` are `RULE[@PLACE]: reason`, `file` where they stand."""
    found = []
    for key, reason in entries.items():
        rule, _, place = key.partition("@")
        found.append(Exemption(rule.strip(), place.strip().rstrip("/"), reason.strip(), f"{file}.{key}"))
    return tuple(found)


def judged(
    findings: Iterable[Finding], exempt: Sequence[Exemption], looked_at: Iterable[str] = tuple(RULES)
) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
    """Returns what is left of findings, and what is ignored of them; what is wrong with an exemption is a
    finding of its own.

    Args: `looked_at` are the rules that were asked: an exemption from another one may be of use elsewhere.
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
    """Returns why an exemption counts for nothing."""
    rule = RULES.get(exemption.rule)
    if rule is None:
        hint = did_you_mean(exemption.rule, RULES) or "docs/rules.md has the rules"
        return Finding(exemption.where, f"no rule {exemption.rule!r}", hint, "ignore")
    if rule.final:
        problem = f"{exemption.rule} cannot be ignored: {rule.reason}"
        return Finding(exemption.where, problem, "mend what it finds", "ignore")
    if not exemption.reason:
        return Finding(exemption.where, "it says no reason", f"{exemption.rule}: WHY", "ignore")
    return None


def _is_at(place: str, asked: str) -> bool:
    """Returns whether a finding's place (`FILE: KEY`) is at or below a file, folder or key."""
    return any(
        part == asked or part.startswith((f"{asked}/", f"{asked}.", f"{asked}:"))
        for part in place.split(": ")
    )
