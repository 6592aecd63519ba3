"""One file with everything that a release needs to run: for machines without network."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from pydantic import Field

from waypost.contracts.parsing import Strict, parse
from waypost.contracts.plan import Location
from waypost.contracts.target import Target
from waypost.errors import Finding, IntegrityError, UsageError, WaypostError, redacted
from waypost.pins.released import INSIDE, Release, fetch_release, verified_record
from waypost.pins.workspace import Workspace, workspace_of_release
from waypost.runs import environments
from waypost.runs.prepare import Prepared, prepare
from waypost.sources.files import content_digest, read_python_env
from waypost.sources.places import home
from waypost.sources.scratch import scratch
from waypost.sources.store import Say, Store, top_entries

_FACTS = "bundle.json"
_CHUNK = 1 << 20


class Bundle(Strict):
    """bundle.json: `files` are sha256 (hex) by path; `release` is the tree that holds the repository,
    `data` files by the URL that they come from.
    """

    schema_: int = Field(default=1, alias="schema")
    name: str
    version: str
    tag: str
    commit: str
    url: str
    folder: str
    platform: str
    release: str
    files: dict[str, str]
    data: dict[str, str]


@dataclass(frozen=True)
class Opened:
    """A bundle that was unpacked into the cache: workspace, wheels, and data by URL."""

    workspace: Workspace
    wheels: Path
    data: Mapping[str, Path]


def bundle(target: Target, file: Path, say: Say, *, wheels: bool) -> Bundle:
    """Packs a release; the same bytes for the same content.

    Without `wheels` it runs with `--env local` only. Raises WaypostError where anything is missing.
    """
    store = Store(home(), say)
    release = fetch_release(store, target)
    workspace = workspace_of_release(release, store, say)
    prepared = prepare(workspace, [], [])
    with scratch() as temp:
        for checkout in prepared.checkouts.values():
            _copy_tree(checkout.folder.parent, temp / "trees", store)
        _copy_tree(release.root.parent, temp / "trees", store)
        if wheels:
            _collect_wheels(prepared, temp / "wheels", say)
        facts = Bundle(
            name=prepared.pipeline.name,
            version=release.version,
            tag=release.tag,
            commit=release.commit,
            url=redacted(release.url),
            folder=release.folder.relative_to(release.root).as_posix(),
            platform=environments.platform_tag(),
            release=release.root.parent.name,
            data=_collect_data(prepared, temp / "data", say),
            files={p: content_digest(temp / p) for p in _paths(temp)},
        )
        text = json.dumps(facts.model_dump(by_alias=True), indent=2, sort_keys=True) + "\n"
        (temp / _FACTS).write_text(text, encoding="utf-8")
        _pack(temp, file)
    return facts


def verify_bundle(file: Path) -> Bundle:
    """Returns what a bundle holds, after a look at every byte. Raises IntegrityError with all findings."""
    with scratch() as temp:
        return _unpack(file, temp)


def open_bundle(file: Path, say: Say, loud: Say) -> Opened:
    """Checks a bundle and unpacks it into the cache. Raises IntegrityError, UsageError."""
    store = Store(home(), say)
    with scratch() as temp:
        facts = _unpack(file, temp)
        for tree in sorted((temp / "trees").iterdir()):
            store.adopt(tree)
        kept = home() / "bundles" / content_digest(temp / _FACTS)
        if not kept.exists():
            new = kept.with_name(f".new-{kept.name}")
            shutil.rmtree(new, ignore_errors=True)
            for name in ("wheels", "data"):
                (temp / name).mkdir(exist_ok=True)
                shutil.copytree(temp / name, new / name)
            with suppress(OSError):  # another process was quicker
                new.rename(kept)
    root = store.trees / facts.release / INSIDE
    record = verified_record(root, facts.version, {n: e.oid for n, e in top_entries(root).items()})
    folder = root / facts.folder
    release = Release(facts.url, facts.version, facts.tag, facts.commit, root, folder, record)
    workspace = workspace_of_release(release, store, say, offline=True, loud=loud)
    data = {url: kept / path for url, path in facts.data.items()}
    return Opened(workspace, kept / "wheels", data)


def _copy_tree(place: Path, target: Path, store: Store) -> None:
    if place.parent != store.trees:
        raise WaypostError(f"{place}: a folder without a version cannot be bundled")
    if not (target / place.name).exists():
        shutil.copytree(place, target / place.name, symlinks=True)
        for path in (target / place.name).rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        (target / place.name).chmod(0o755)


def _collect_wheels(prepared: Prepared, folder: Path, say: Say) -> None:
    folder.mkdir(parents=True)
    done: set[str] = set()
    for checkout in prepared.checkouts.values():
        python_env = read_python_env(checkout.folder, checkout.component)
        if not python_env.dependencies:
            continue
        digest = environments.digest_of(checkout.folder, python_env)
        if digest not in done:
            done.add(digest)
            say(f"collecting the wheels of environment {digest[:12]}")
            environments.download(checkout.folder, python_env, folder)


def _collect_data(prepared: Prepared, folder: Path, say: Say) -> dict[str, str]:
    """Fetches the data that parameters name by URL; returns paths in the bundle by URL."""
    found = {}
    for step in prepared.plan.steps:
        for argument in step.arguments.values():
            if not isinstance(argument, Location) or "://" not in argument.text:
                continue
            url = argument.text
            if not url.startswith(("http://", "https://")):
                raise WaypostError(f"{step.name}: {redacted(url)}: only http(s) can be bundled")
            folder.mkdir(exist_ok=True)
            file = folder / hashlib.sha256(url.encode()).hexdigest()[:16]
            say(f"fetching {redacted(url)}")
            with urlopen(url, timeout=60) as answer, file.open("wb") as sink:  # noqa: S310 (checked above)
                shutil.copyfileobj(answer, sink, _CHUNK)
            found[url] = file.relative_to(folder.parent).as_posix()
    return found


def _paths(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in files if path.name != _FACTS)


def _pack(folder: Path, file: Path) -> None:
    """Writes a tar whose bytes depend on content alone: names sorted, no times, no owners."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    new = file.with_name(f".{file.name}.new")
    with tarfile.open(new, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=plain)
    new.replace(file)


def _unpack(file: Path, folder: Path) -> Bundle:
    try:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")
        facts = parse(Bundle, json.loads((folder / _FACTS).read_text(encoding="utf-8")), _FACTS)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise UsageError(f"{file}: not a bundle, or cut off: {error}") from error
    findings = [Finding(str(file), problem, "", "bundle-differs") for problem in _differences(facts, folder)]
    if findings:
        raise IntegrityError(findings, consequence="nothing was run")
    if facts.platform != environments.platform_tag():
        here = environments.platform_tag()
        raise UsageError(
            f"{file}: made for {facts.platform}, this is {here}", hint="make one on this platform"
        )
    return facts


def _differences(facts: Bundle, folder: Path) -> Iterable[str]:
    there = set(_paths(folder))
    for path, digest in facts.files.items():
        if path not in there:
            yield f"{path} is missing"
        elif content_digest(folder / path) != digest:
            yield f"{path} is not what the list says"
    for path in sorted(there - set(facts.files)):
        yield f"{path} is not on the list"
