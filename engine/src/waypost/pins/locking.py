"""From what a pipeline asks for to what it gets: resolve, check that it fits, write."""

from __future__ import annotations

from collections.abc import Mapping

from waypost import __version__
from waypost.contracts.component import Component
from waypost.contracts.interpolation import NO_VALUE
from waypost.contracts.lock import FILE, NEWER, Lock, Pin, lock_text, make_lock, requirement_findings
from waypost.contracts.parameters import merged
from waypost.contracts.planning import make_plan
from waypost.errors import Finding, FindingsError, IntegrityError
from waypost.pins.checkout import pinned_checkouts
from waypost.pins.resolver import NOTHING_WRITTEN, Resolver
from waypost.pins.workspace import Workspace, read_lock
from waypost.sources.files import read_component, read_parameters, write_text
from waypost.texts.sealed import Variables


def resolve(workspace: Workspace, old: Lock | None) -> Lock:
    """Returns a lock for the pipeline; pins that still answer what is asked for are kept.

    Raises FindingsError with everything that keeps a lock from being made, RemoteError.
    """
    if findings := requirement_findings(workspace.pipeline):
        raise FindingsError(findings, consequence=NOTHING_WRITTEN)
    kept = {
        uses: pin for uses, pin in (old.components if old else {}).items() if _answers(workspace, uses, pin)
    }
    resolver = Resolver(workspace, {pin.commit for pin in old.components.values()} if old else ())
    new = resolver.pins({uses: want for uses, want in workspace.wanted.items() if uses not in kept})
    contracts = {u: c.component for u, c in pinned_checkouts(workspace, kept).items()} | resolver.contracts
    workspace.warn_deprecated(contracts)
    unfit = misfits(workspace, contracts)
    groups = [*resolver.problems.values(), *unfit.values()]
    findings = [finding for group in groups for finding in group]
    if findings:
        raise FindingsError(dict.fromkeys(findings), consequence=NOTHING_WRITTEN)
    return make_lock(workspace.pipeline, {**kept, **new}, __version__)


def _answers(workspace: Workspace, uses: str, pin: Pin) -> bool:
    want = workspace.wanted.get(uses)
    if want is None:
        return False
    return (want.git, want.folder, want.requirement) == (pin.git, pin.folder, pin.requirement)


def misfits(workspace: Workspace, contracts: Mapping[str, Component]) -> dict[str, list[Finding]]:
    """Returns where the pipeline and the interfaces of its components do not fit, by `uses`; what
    belongs to no component, such as a circle of steps, by the empty text. A value that is still to be given
    fits.

    A component without a contract here has findings of its own already.
    """
    pipeline = workspace.pipeline

    def find(uses: str) -> Component:
        if uses in contracts:
            return contracts[uses]
        source, _, name = uses.partition("/")
        if pipeline.components[source].git is None:
            return read_component(workspace.local(source) or workspace.folder, name, uses)
        raise FindingsError([Finding(uses, "not available")])

    variables = Variables(frozenset(pipeline.variables))
    parameters = merged(read_parameters(workspace.folder), (), variables)
    _, findings = make_plan(pipeline, parameters, find)
    found: dict[str, list[Finding]] = {}
    for finding in dict.fromkeys(finding for finding in findings if finding.category != NO_VALUE):
        name = finding.place.partition("steps.")[2].partition(".")[0]
        step = pipeline.steps.get(name)
        source = pipeline.components.get(step.source) if step else None
        if step is None or step.uses in contracts or source is None or source.git is None:
            found.setdefault(step.uses if step else "", []).append(finding)
    return found


def relock(workspace: Workspace) -> tuple[Lock, bool]:
    """Resolves all requirements again, keeps the pins that still satisfy them, and writes the lock if it
    differs.

    Returns (the lock, whether its file changed). Raises what `resolve` raises.
    """
    old = readable_lock(workspace)
    found = resolve(workspace, old)
    return found, write_lock(workspace, found, old)


def write_lock(workspace: Workspace, lock: Lock, old: Lock | None) -> bool:
    """Writes the lock; tells whether the file changed. One that only another engine wrote stays."""
    if old is not None and (old.requirements, old.digest) == (lock.requirements, lock.digest):
        return False
    return write_text(workspace.folder / FILE, lock_text(lock))


def readable_lock(workspace: Workspace) -> Lock | None:
    """Returns the old lock as a start for the new one, None where it is not there or no good."""
    try:
        return read_lock(workspace)
    except IntegrityError as error:
        if any(finding.category == NEWER for finding in error.findings):
            raise
        workspace.notify(f"{FILE}: {error.findings[0].problem}; resolving everything again")
        return None
