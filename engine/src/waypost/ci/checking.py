"""Checks for pull requests, depending on the kind of product: library, pipeline or package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from waypost.ci import texts
from waypost.contracts.exemptions import Ignored
from waypost.contracts.lock import FILE
from waypost.errors import Finding, FindingsError, WaypostError
from waypost.interfaces.semver import BUMPS, Bump
from waypost.pins.verdict import UNREACHABLE
from waypost.pins.verify import verify_locked
from waypost.pins.workspace import open_workspace
from waypost.release.check import semver
from waypost.release.conformance import check_library
from waypost.release.library import Library
from waypost.release.pipeline_conformance import check_pipeline, pipeline_at
from waypost.release.pipeline_repository import PipelineRepository
from waypost.release.product import Product
from waypost.release.records import tampered
from waypost.sources.waiting import Notify


@dataclass(frozen=True)
class Check:
    """One check: its findings, or its summary `word` if there are none; `exit_code` is 0 then."""

    name: str
    findings: tuple[Finding, ...]
    exit_code: int
    word: str
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True)
class Checked:
    """All checks of a product. The exit code is the highest: 4 content, 3 remotes, 1 other findings."""

    product: str
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        return max(check.exit_code for check in self.checks)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def ignored(self) -> tuple[Ignored, ...]:
        return tuple(each for check in self.checks for each in check.ignored)

    @property
    def summary(self) -> str:
        """The job summary, as Markdown."""
        marks = {0: "✓", 3: "?"}
        rows = [(f"{marks.get(c.exit_code, '✗')} {c.name}", texts.cell(c.word)) for c in self.checks]
        lines = [f"### {texts.cell(self.product)}", *texts.table(("check", "result"), rows)]
        return "\n".join([*lines, *texts.findings_table(self.findings)]) + "\n"


def check(product: Product, allowed: Bump | None, say: Notify) -> Checked:
    """Runs all checks; a failing one does not stop the others.

    Args: `allowed` is the largest bump that the changes may require; None: any.
    """
    steps: list[tuple[str, Callable[[], Check]]] = []
    if isinstance(product, Library):
        steps.append(("components", lambda: _components(product)))
    if isinstance(product, PipelineRepository):
        steps.append(("pipeline", lambda: _pipeline(product.place, say)))
        steps.append(("pins", lambda: _pins(product.place, say)))
    steps += [("records", lambda: _records(product)), ("version", lambda: _version(product, allowed))]
    return Checked(f"{product.kind} {product.name}", tuple(_tried(name, step) for name, step in steps))


def _tried(name: str, step: Callable[[], Check]) -> Check:
    try:
        return step()
    except FindingsError as error:
        return Check(name, error.findings, error.exit_code, error.headline)
    except WaypostError as error:
        return Check(name, (Finding(name, str(error), error.hint),), error.exit_code, "could not be checked")


def _components(product: Library) -> Check:
    found = check_library(product.folder)
    word = f"{len(found.components)} as users may expect"
    return replace(_judged("components", list(found.findings), word), ignored=found.ignored)


def _pipeline(folder: Path, say: Notify) -> Check:
    found = check_pipeline(pipeline_at(folder, say))
    return replace(_judged("pipeline", list(found.findings), "as users may expect"), ignored=found.ignored)


def _pins(folder: Path, say: Notify) -> Check:
    """Compares the lock with pipeline.yaml, the remotes and the fetched content."""
    verdict = verify_locked(open_workspace(folder, say))
    unchecked = [
        Finding(FILE, f"{uses} could not be looked at", "", UNREACHABLE) for uses in verdict.unchecked
    ]
    word = f"{len(verdict.asked)} remotes were asked; content, tags and lock are the same"
    findings = (*verdict.findings, *unchecked)
    return Check("pins", findings, verdict.exit_code, word if not findings else f"{len(findings)} findings")


def _records(product: Product) -> Check:
    found = tampered(product)
    return _judged("records", found, f"{len(product.records)} as they were written", code=4)


def _version(product: Product, allowed: Bump | None) -> Check:
    """Compares the interface with the last release: the current or allowed bump must suffice."""
    if not product.records:
        return Check("version", (), 0, "there is no release to compare with")
    verdict = semver(product, None, None)
    word = f"since {verdict.base}: a {verdict.demanded} release is demanded, {verdict.least} at least"
    found = []
    if not verdict.is_enough:
        found.append(Finding("setup.cfg", f"{verdict.version} is only a {verdict.at_hand} release: {word}"))
    if allowed and BUMPS.index(verdict.demanded) > BUMPS.index(allowed):
        changes = [f"{name}: {change}" for name, group in verdict.changes.items() for change in group]
        found += [Finding("interface", change, f"only a {allowed} change is allowed") for change in changes]
    return _judged("version", found, word)


def _judged(name: str, findings: list[Finding], word: str, *, code: int = 1) -> Check:
    count = len(findings)
    return Check(name, tuple(findings), code if findings else 0, f"{count} findings" if findings else word)
