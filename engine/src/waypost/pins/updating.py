"""Updating pins: which move, and what changes for those who use the components."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from packaging.version import InvalidVersion, Version

from waypost import __version__
from waypost.contracts.component import Component
from waypost.contracts.lock import Lock, Pin, Wanted, folders_of, make_lock, selected
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.pipeline import component_name
from waypost.contracts.requirements import PackageMove, package_moves
from waypost.contracts.versions import parse_requirement
from waypost.errors import Finding, IntegrityError, UsageError, did_you_mean
from waypost.interfaces.changelog import lines_between
from waypost.interfaces.interface import Change, interface_changes
from waypost.pins.checkout import Checkout, pinned_checkouts
from waypost.pins.locking import misfits
from waypost.pins.resolver import Resolver
from waypost.pins.workspace import Workspace

State = Literal["moved", "environment only", "same content", "current", "held", "refused"]


@dataclass(frozen=True)
class Move:
    """The update of one component: `new` is the pin that it could have or has now, None where there is none.

    `changes` are those of its interface, None where the old content is not to be had; `packages` those of
    what is installed for it; `waiting` is the newest release that is too young yet, and until when; `beyond`
    the newest release where the pipeline's requirement does not allow it.
    """

    uses: str
    state: State
    old: Pin | None
    new: Pin | None = None
    changes: tuple[Change, ...] | None = ()
    beyond: str = ""
    problems: tuple[Finding, ...] = ()
    packages: tuple[PackageMove, ...] = ()
    waiting: str = ""

    @property
    def goes(self) -> bool:
        """Tells whether it gets another content: of its code, or of what is installed for it."""
        return self.state in ("moved", "environment only")

    @property
    def is_relevant(self) -> bool:
        """Tells whether there is something newer with another content."""
        return self.goes or self.state == "refused"


@dataclass(frozen=True)
class Update:
    """What an update does: the lock afterwards, every component's move, changelog lines by source."""

    lock: Lock
    moves: tuple[Move, ...]
    changelogs: Mapping[str, str] = field(default_factory=dict)


def plan_update(
    workspace: Workspace, lock: Lock, names: Sequence[str] = (), to: str | None = None, *, held: bool = False
) -> Update:
    """Returns where the pins can go: to the newest releases allowed, or to the version `to`.

    A component that is missing at its target, or that does not fit `with:` there, keeps its pin
    (state `refused`); the others go on. With `held`, targets of held ones are looked up as well.
    Raises UsageError for names that the pipeline does not use and versions that it does not ask
    for, RemoteError.
    """
    wants = _asked(workspace, lock, names, to)
    frozen = {u for u, w in wants.items() if workspace.pipeline.components[w.source].holds(w.component)}
    resolver = Resolver(workspace, {pin.commit for pin in lock.components.values()})
    targets = {u: w if to is None else replace(w, requirement=f"=={to}") for u, w in wants.items()}
    found = resolver.pins({u: w for u, w in targets.items() if held or u not in frozen})
    found = {u: p.model_copy(update={"requirement": wants[u].requirement}) for u, p in found.items()}
    before = _old_checkouts(workspace, lock)
    problems = _refused(workspace, found, frozen, {u: c.component for u, c in before.items()}, resolver)
    moves = []
    for uses, want in sorted(wants.items()):
        move = _move(resolver, want, Move(uses, "current", lock.components[uses], found.get(uses)), before)
        if uses in problems:
            move = replace(move, state="refused", problems=tuple(problems[uses]))
        if uses in frozen:
            move = replace(move, state="held")
        waiting = resolver.cooling.waiting.get(want.source, "")
        moves.append(replace(move, beyond=_beyond(resolver, want), waiting=waiting))
    workspace.warn_deprecated({u: c.component for u, c in before.items()} | resolver.contracts)
    goes = {m.uses: m.new for m in moves if m.new and (m.goes or m.state == "same content")}
    return Update(
        make_lock(workspace.pipeline, {**lock.components, **goes}, __version__),
        tuple(moves),
        _changelogs(workspace, (move for move in moves if move.state != "refused")),
    )


def _asked(workspace: Workspace, lock: Lock, names: Sequence[str], to: str | None) -> dict[str, Wanted]:
    uses, unknown = selected(names, lock.components)
    if unknown:
        known = {component_name(u) for u in lock.components} | {u.partition("/")[0] for u in lock.components}
        hint = did_you_mean(unknown[0], known)
        raise UsageError(f"{unknown[0]!r} is not a component or source of this pipeline", hint=hint)
    wants = {u: w for u, w in workspace.wanted.items() if u in uses}
    if to is None:
        return wants
    try:
        version = Version(to)
    except InvalidVersion:
        raise UsageError(f"--to {to}: not a version, such as 1.4.13") from None
    for u, want in wants.items():
        if not parse_requirement(want.requirement).allows(version):
            message = f"{u}: {PIPELINE_FILE} asks for {want.requirement}, which {to} is not"
            raise UsageError(message, hint=f"change it there, then: {workspace.lock_command}")
    return wants


def _old_checkouts(workspace: Workspace, lock: Lock) -> dict[str, Checkout]:
    """Returns the content of the present pins; of what is gone for good, none."""
    pins = dict(lock.components)
    while True:
        try:
            return pinned_checkouts(workspace, pins)
        except IntegrityError as error:
            gone = {finding.place: finding for finding in error.findings if finding.place in pins}
            if not gone:
                raise
            for uses, finding in gone.items():
                workspace.warn(f"{uses}: {finding.problem}; its interface cannot be compared")
                del pins[uses]


def _refused(
    workspace: Workspace,
    found: dict[str, Pin],
    frozen: Iterable[str],
    contracts: Mapping[str, Component],
    resolver: Resolver,
) -> dict[str, Sequence[Finding]]:
    """Returns why components cannot move, by `uses`: missing at the target, or no longer fitting."""
    problems: dict[str, Sequence[Finding]] = dict(resolver.problems)
    while True:
        going = {u for u in found if u not in problems and u not in frozen}
        after = {u: resolver.contracts[u] if u in going else contracts[u] for u in {*contracts, *going}}
        unfit = {u: group for u, group in misfits(workspace, after).items() if u in going}
        if not unfit:
            return problems
        problems |= unfit


def _move(resolver: Resolver, want: Wanted, move: Move, checkouts: Mapping[str, Checkout]) -> Move:
    """Returns a move with what it changes, once it is known from which pin to which it goes."""
    old, new, before = move.old, move.new, checkouts.get(move.uses)
    if old is None or new is None or new == old:
        return move
    same = folders_of(move.uses, new) == folders_of(move.uses, old)
    if before is None:
        return replace(move, state="same content" if same else "moved", changes=None)
    after = resolver.contracts[move.uses]
    changes = interface_changes(before.component, after)
    if same:
        return replace(move, state="same content", changes=changes)
    commit = resolver.commit(resolver.workspace.mirror(want.source), new.commit)
    packages = package_moves(
        before.requirements().values(), commit.requirements(want.component, after).values()
    )
    state: State = "environment only" if before.code == commit.code(want.component, after) else "moved"
    return replace(move, state=state, changes=changes, packages=packages)


def _beyond(resolver: Resolver, want: Wanted) -> str:
    """Returns the newest release where the requirement does not allow it, else an empty text."""
    newest = resolver.newest_of_all(want.source)
    if newest is None or parse_requirement(want.requirement).allows(newest.version):
        return ""
    return str(newest.version)


def _changelogs(workspace: Workspace, moves: Iterable[Move]) -> dict[str, str]:
    """Returns the changelog lines between the oldest old and the newest new version, by source."""
    spans: dict[str, list[tuple[Version, Version, str]]] = {}
    for move in moves:
        if move.old and move.new and move.old.version and move.new.version and move.old != move.new:
            span = (Version(move.old.version), Version(move.new.version), move.new.commit)
            spans.setdefault(move.uses.partition("/")[0], []).append(span)
    found = {}
    for source, group in spans.items():
        newest = max(group, key=lambda span: span[1])
        mirror = workspace.mirror(source)
        text = mirror.text(posixpath.join(mirror.inside, "CHANGELOG.md"), newest[2]) or ""
        if lines := lines_between(text, min(span[0] for span in group), newest[1]):
            found[source] = lines
    return found
