"""Opening bundles: all members are checked before the first is written, and hashed before use."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import filelock

from waypost.contracts.bundle import (
    FILE,
    INSIDE,
    MOST_FACTS_BYTES,
    Bundle,
    Member,
    content_problems,
    members_problems,
    parse_bundle,
)
from waypost.contracts.lock import folders_of
from waypost.contracts.plan import Location
from waypost.contracts.tag_names import product_around
from waypost.errors import Finding, FindingsError, IntegrityError, UsageError, WaypostError, redacted
from waypost.pins.workspace import Workspace, fresh_lock, workspace_of_release
from waypost.release.fetched import verified_release
from waypost.runs import environments
from waypost.runs.events import Reporter
from waypost.runs.prepare import prepare
from waypost.sources.files import content_digest, read_text
from waypost.sources.store import Store, top_entries
from waypost.sources.tar import read_members
from waypost.sources.unpack import make_folder, make_link, write_new
from waypost.sources.waiting import Notify, waiting
from waypost.system.places import home
from waypost.system.scratch import remove, scratch

_CHUNK = 1 << 20
_MOST_TOLD = 20
_KEPT = ("data", "wheels")


@dataclass(frozen=True)
class Opened:
    """A bundle unpacked into the cache: workspace, wheels, and data by URL."""

    workspace: Workspace
    wheels: Path
    data: Mapping[str, Path]


def verify_bundle(file: Path) -> Bundle:
    """Returns the content of a bundle, after all checks that a run of it makes.

    Writes only to a temporary folder. Raises IntegrityError with all findings, UsageError.
    """
    with scratch() as temp:
        (temp / "content").mkdir()
        facts, _ = _unpacked(file, temp / "content")
        quiet = Reporter().say
        workspace = _workspace(file, facts, temp / "content", Store(temp / "home", quiet), quiet)
        plan = prepare(workspace, [], []).plan
        arguments = [
            a.text for step in plan.steps for a in step.arguments.values() if isinstance(a, Location)
        ]
        absent = sorted({url for url in arguments if "://" in url} - facts.data.keys())
        _refuse(file, (f"the data behind {redacted(url)} is missing" for url in absent))
    return facts


def is_bundle(file: Path) -> bool:
    """Tells whether a file looks like a bundle; `verify_bundle` checks its content."""
    if not file.is_file():
        return False
    try:
        with file.open("rb") as archive:
            parse_bundle(_facts_text(archive, list(read_members(archive, file.stat().st_size))).decode())
    except (OSError, ValueError, WaypostError):
        return False
    return True


def open_bundle(file: Path, notify: Notify, warn: Notify) -> Opened:
    """Checks a bundle and unpacks it into the cache. Raises IntegrityError, UsageError."""
    with scratch() as temp:
        facts, key = _unpacked(file, temp)
        workspace = _workspace(file, facts, temp, Store(home(), notify), notify, warn)
        kept = _keep(temp, facts, home() / "bundles" / key, notify)
    return Opened(workspace, kept / "wheels", {url: kept / path for url, path in facts.data.items()})


def _unpacked(file: Path, folder: Path) -> tuple[Bundle, str]:
    """Unpacks a bundle into an empty folder; returns its content, and the digest of its bundle.json.

    Raises IntegrityError with all findings, UsageError for a file that is not a bundle for this platform.
    """
    try:
        with file.open("rb") as archive:
            members = list(read_members(archive, file.stat().st_size))
            text = _facts_text(archive, members)
            _refuse(file, members_problems(members))
            facts = _facts(file, text)
            _refuse(file, content_problems(facts, members))
            _refuse(file, _extract(archive, members, facts, folder))
    except ValueError as error:
        raise UsageError(f"{file}: not a bundle, or cut off: {error}") from error
    if facts.platform != (here := environments.platform_tag()):
        raise UsageError(
            f"{file}: made for {facts.platform}, this is {here}", hint="make one on this platform"
        )
    return facts, hashlib.sha256(text).hexdigest()


def _facts_text(archive: IO[bytes], members: Sequence[Member]) -> bytes:
    found = [member for member in members if member.name == FILE and member.kind == "file"]
    if len(found) != 1 or found[0].size > MOST_FACTS_BYTES:
        raise ValueError(f"it has no {FILE}, several, or one of more than {MOST_FACTS_BYTES >> 20} MiB")
    archive.seek(found[0].offset)
    return archive.read(found[0].size)


def _facts(file: Path, text: bytes) -> Bundle:
    try:
        return parse_bundle(text.decode())
    except FindingsError as error:
        raise IntegrityError(
            [Finding(f"{file}: {f.place}", f.problem, f.hint, "bundle-differs") for f in error.findings],
            consequence="nothing was run",
        ) from error


def _refuse(file: Path, problems: Iterable[str]) -> None:
    """Raises IntegrityError if there are problems; shows the first ones."""
    findings = [
        Finding(str(file), problem, "", "bundle-differs")
        for problem in itertools.islice(problems, _MOST_TOLD)
    ]
    if findings:
        raise IntegrityError(findings, consequence="nothing was run")


def _extract(archive: IO[bytes], members: Sequence[Member], facts: Bundle, folder: Path) -> list[str]:
    """Writes an archive's content, links last; returns the files that differ from the list."""
    for name in sorted(member.name for member in members if member.kind == "folder"):
        make_folder(folder / name)
    differing = []
    for member in members:
        if member.kind == "file" and member.name != FILE:
            digest = _written(archive, member, folder / member.name)
            if digest != facts.files[member.name]:
                differing.append(f"{member.name} is not what the list says")
    for member in members:
        if member.kind == "link":
            make_link(folder / member.name, member.target)
    return differing


def _written(archive: IO[bytes], member: Member, file: Path) -> str:
    """Extracts a file of an archive; returns its sha256 (hex)."""
    hasher = hashlib.sha256()

    def content() -> Iterator[bytes]:
        left = member.size
        while left and (chunk := archive.read(min(left, _CHUNK))):
            left -= len(chunk)
            hasher.update(chunk)
            yield chunk

    archive.seek(member.offset)
    write_new(file, content(), is_program=member.is_program)
    return hasher.hexdigest()


def _workspace(
    file: Path, facts: Bundle, folder: Path, store: Store, notify: Notify, warn: Notify | None = None
) -> Workspace:
    """Adds the trees of an unpacked bundle to the store; returns the release's workspace, which is complete.

    Raises IntegrityError if a tree does not match its name, if the release differs from its record or from
    what this machine knows, if its lock does not match its pipeline, and if trees are missing or superfluous.
    """
    trees = {path.name for path in (folder / "trees").iterdir()}
    for tree in sorted(trees):
        store.adopt(folder / "trees" / tree)
    root = store.trees / facts.release / INSIDE
    inside = _product_of(facts, root)
    memory = Store(home(), notify).mirror(facts.url, inside)
    actual = {n: e.oid for n, e in top_entries(root / inside).items()}
    release = verified_release(facts, root, actual, memory)
    workspace = workspace_of_release(release, store, notify, offline=True, on_warning=warn)
    lock = fresh_lock(workspace)
    pins = lock.components if lock else {}
    needed = {store.place(folders_of(uses, pin)).name: uses for uses, pin in pins.items()}
    missing = (f"the tree of {uses}, {t}, is missing" for t, uses in needed.items() if t not in trees)
    extra = (f"trees/{t} belongs to nothing in it" for t in sorted(trees - {*needed, facts.release}))
    _refuse(file, itertools.chain(missing, extra))
    return workspace


def _product_of(facts: Bundle, root: Path) -> str:
    """Returns the folder of the product of a bundle's pipeline, according to its own files."""

    def text_of(path: str) -> str | None:
        return read_text(root / path) if (root / path).is_file() else None

    return product_around("" if facts.folder == "." else facts.folder, text_of)[0]


def _keep(folder: Path, facts: Bundle, kept: Path, notify: Notify) -> Path:
    """Returns the folder with data and wheels of an unpacked bundle, created atomically if it is missing.

    An existing folder of this name is verified by content.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with waiting(filelock.FileLock(kept.with_suffix(".lock")), notify, "unpacks this bundle"):
        if not _is_kept(facts, kept):
            new = kept.with_name(f".new-{kept.name}")
            for old in (new, kept):
                _remove(old)
            for name in _KEPT:
                (folder / name).mkdir(exist_ok=True)
                shutil.copytree(folder / name, new / name)
            new.rename(kept)
        os.utime(kept)  # when it was used last, for `cache gc`
    return kept


def _is_kept(facts: Bundle, kept: Path) -> bool:
    listed = {path: digest for path, digest in facts.files.items() if path.partition("/")[0] in _KEPT}
    if any(path.is_symlink() or not path.is_dir() for path in (kept, *(kept / name for name in _KEPT))):
        return False
    there = {path.relative_to(kept).as_posix(): path for name in _KEPT for path in (kept / name).rglob("*")}
    return there.keys() == listed.keys() and all(
        path.is_file() and not path.is_symlink() and content_digest(path) == listed[name]
        for name, path in there.items()
    )


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        remove(path)
