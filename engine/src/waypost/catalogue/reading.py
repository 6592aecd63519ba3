"""Reading of a library's repository for a catalogue: every release, every contract once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from waypost.catalogue.environments import pinned
from waypost.catalogue.facts import UNRELEASED, Entry, Library, Release, State, Version, mentions
from waypost.catalogue.opening import Opened
from waypost.catalogue.releases import days, read_releases
from waypost.catalogue.texts import Contract, Texts
from waypost.contracts.component import FILE, Component, contract_in
from waypost.contracts.component_folder import is_component
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.urls import name_of
from waypost.interfaces.interface import interface_changes
from waypost.interfaces.record import CheckedComponent
from waypost.sources.memo import Memo

_README = "README.md"


@dataclass(frozen=True)
class _Snapshot:
    """A library at a release: the trees of its folders by name, and its components: name to the id of the
    file with its contract. `whole` is the name of the one that is all of the repository, if it is one.
    """

    release: Release
    folders: Mapping[str, str]
    components: Mapping[str, str]
    whole: str = ""


Contracts = Mapping[str, Contract]
"""By the ids of their files."""


def read_library(opened: Opened, slug: str, memo: Memo) -> Library:
    """Returns a library. Raises RemoteError, WaypostError."""
    with Texts(opened, memo) as texts:
        releases = read_releases(texts)
        shots = _snapshots(texts, releases)
        trees = dict.fromkeys(shot.folders[name] for shot in shots for name in shot.components)
        files = [oid for shot in shots for oid in shot.components.values()]
        entries = _entries(shots, dict(texts.contracts(list(trees), files)))
        newest = next((shot for shot in shots if not shot.release.yanked), next(iter(shots), None))
        there = [entry for entry in entries if newest and entry.name in newest.components]
        current = _with_files(texts, newest, there) if newest else []
    names = {entry.name for entry in current}
    return Library(
        name=opened.name,
        slug=slug,
        url=opened.url,
        releases=tuple(releases),
        entries=tuple(current),
        gone=tuple(entry for entry in entries if entry.name not in names),
        folder=opened.prefix if opened.url else "",
    )


def _snapshots(texts: Texts, releases: Sequence[Release]) -> list[_Snapshot]:
    """Returns the library at its releases, newest first; if it has none, its current state."""
    opened = texts.opened
    shown = list(releases)
    if not shown and opened.head:
        shown = [Release(UNRELEASED, "", opened.head, days(opened, [opened.head]).get(opened.head, ""))]
    trees = {release.commit: opened.tree_of(release.commit) for release in shown}
    texts.look(tree for tree in trees.values() if tree)
    found = []
    for release in shown:
        tree = trees[release.commit]
        top = texts.entries(tree) if tree else {}
        folders = {name: entry.oid for name, entry in top.items() if entry.kind == "tree"}
        texts.look(folders.values())
        name = name_of(opened.prefix or opened.url or opened.name) if is_component(top) else ""
        whole = "" if name in folders else name
        folders |= {whole: tree} if whole and tree else {}
        contracts = {
            name: texts.file(oid, contract_in(texts.entries(oid)) or FILE) for name, oid in folders.items()
        }
        components = {
            name: file
            for name, file in contracts.items()
            if file and PIPELINE_FILE not in texts.entries(folders[name])
        }
        found.append(_Snapshot(release, folders, components, whole))
    return found


def _entries(shots: Sequence[_Snapshot], contracts: Contracts) -> list[Entry]:
    """Returns the components of all releases by name, each with its versions."""
    names = sorted({name for shot in shots for name in shot.components})
    noted = {shot.release.version: mentions(shot.release.notes, set(names)) for shot in shots}
    found = []
    for name in names:
        having = [shot for shot in shots if name in shot.components]
        versions = [
            replace(version, notes=noted[version.release.version].get(name, ()))
            for shot, before in zip(having, [*having[1:], None], strict=True)
            for version in [_version(name, shot, before, contracts)]
        ]
        sound = next((shot for shot in having if not shot.release.yanked), having[0])
        contract = contracts[sound.components[name]]
        known = contract if isinstance(contract, Component) else None
        found.append(Entry(name, known, tuple(versions), is_whole=name == sound.whole))
    return found


def _version(name: str, shot: _Snapshot, before: _Snapshot | None, contracts: Contracts) -> Version:
    """Returns a component in a release, compared with its previous release."""
    now = contracts[shot.components[name]]
    was = contracts[before.components[name]] if before else None
    tree, state = shot.folders[name], _state(name, shot, before, now)
    if isinstance(now, str):
        return Version(shot.release, tree, state, problem=now)
    is_comparable = isinstance(was, Component) and was is not now
    changes = interface_changes(was, now) if is_comparable and isinstance(was, Component) else ()
    return Version(shot.release, tree, "interface" if changes else state, changes)


def _state(name: str, shot: _Snapshot, before: _Snapshot | None, contract: Contract) -> State:
    """Returns whether the content of the component's own folder, or of a shared one, changed."""
    if before is None:
        return "new"
    folders = [name, *(contract.shared if isinstance(contract, Component) else ())]
    return "same" if all(shot.folders.get(n) == before.folders.get(n) for n in folders) else "content"


def _checked(shot: _Snapshot, name: str) -> CheckedComponent | None:
    """Returns the recorded results of a component if the record is for exactly its content."""
    found = shot.release.checked.get(name)
    if found is None or shot.folders.get(name) != found.tree:
        return None
    return found if all(shot.folders.get(n) == tree for n, tree in found.shared.items()) else None


def _with_files(texts: Texts, shot: _Snapshot, entries: Sequence[Entry]) -> list[Entry]:
    """Returns components with facts from their folders: README, whether their packages are pinned."""
    trees = {entry.name: shot.folders[entry.name] for entry in entries}
    files = {name: texts.file(tree, _README) for name, tree in trees.items()}
    readmes = texts.read(list(trees.values()), list(files.values()))
    contracts = {entry.name: entry.contract for entry in entries if entry.contract}
    verdicts = pinned(texts, shot.folders, contracts)
    return [
        replace(
            entry,
            readme=readmes.get(files[entry.name], ""),
            is_pinned=verdicts.get(entry.name),
            checked=_checked(shot, entry.name),
        )
        for entry in entries
    ]
