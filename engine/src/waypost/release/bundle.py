"""Bundles: one file with everything needed to run a release without network."""

from __future__ import annotations

import json
import secrets
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

from waypost.contracts.bundle import FILE, Bundle, data_path
from waypost.contracts.plan import Location
from waypost.contracts.target import Target
from waypost.errors import UsageError, WaypostError, redacted
from waypost.pins.workspace import FetchedRelease, workspace_of_release
from waypost.release.fetched import fetch_release
from waypost.release.open_bundle import is_bundle
from waypost.runs import environments
from waypost.runs.prepare import Prepared, prepare
from waypost.sources.files import content_digest, is_stream, read_python_env
from waypost.sources.store import Store
from waypost.sources.waiting import Notify
from waypost.system.liveness import process_name
from waypost.system.places import home
from waypost.system.scratch import scratch
from waypost.texts.sealed import opened

_CHUNK = 1 << 20


Bring = Callable[[Path, Notify], None]
"""Brings more wheels into a folder: those of the engine, which a bundle need not have."""


def bundle(target: Target, file: Path, notify: Notify, *, wheels: bool, bring: Bring | None = None) -> Bundle:
    """Packs a release; the same content gives the same bytes.

    Without `wheels` it runs with `--env local` only. An existing bundle is replaced, other files are not.
    Raises WaypostError if anything is missing.
    """
    if file.exists() and not is_bundle(file):
        raise UsageError(
            f"{file}: not a bundle, so it is not replaced", hint="give another name, or move it away"
        )
    store = Store(home(), notify)
    return pack(fetch_release(store, target), store, file, notify, wheels=wheels, bring=bring)


def pack(
    release: FetchedRelease,
    store: Store,
    file: Path,
    notify: Notify,
    *,
    wheels: bool,
    bring: Bring | None = None,
) -> Bundle:
    """Packs a release from the store, as `bundle` does; an existing file is replaced."""
    workspace = workspace_of_release(release, store, notify)
    prepared = prepare(workspace, [], [])
    with scratch() as temp:
        for checkout in prepared.checkouts.values():
            _copy_tree(checkout.folder.parent, temp / "trees", store)
        _copy_tree(release.root.parent, temp / "trees", store)
        if wheels:
            _collect_wheels(prepared, temp / "wheels", notify)
        if bring:
            (temp / "wheels").mkdir(exist_ok=True)
            bring(temp / "wheels", notify)
        facts = Bundle(
            name=prepared.pipeline.name,
            version=release.version,
            tag=release.tag,
            commit=release.commit,
            url=redacted(release.url),
            folder=release.folder.relative_to(release.root).as_posix(),
            platform=environments.platform_tag(),
            release=release.root.parent.name,
            data=_collect_data(prepared, temp / "data", notify),
            files={p: content_digest(temp / p) for p in _paths(temp)},
        )
        text = json.dumps(facts.model_dump(by_alias=True), indent=2, sort_keys=True) + "\n"
        (temp / FILE).write_text(text, encoding="utf-8")
        _pack(temp, file)
    return facts


def _copy_tree(place: Path, target: Path, store: Store) -> None:
    if place.parent != store.trees:
        raise WaypostError(f"{place}: a folder without a version cannot be bundled")
    if not (target / place.name).exists():
        shutil.copytree(place, target / place.name, symlinks=True)
        for path in (target / place.name).rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        (target / place.name).chmod(0o755)


def _collect_wheels(prepared: Prepared, folder: Path, notify: Notify) -> None:
    folder.mkdir(parents=True)
    done: set[str] = set()
    for checkout in prepared.checkouts.values():
        python_env = environments.to_build(read_python_env(checkout.folder, checkout.component))
        if python_env is None:
            continue
        digest = environments.digest_of(checkout.folder, python_env)
        if digest not in done:
            done.add(digest)
            notify(f"collecting the wheels of environment {digest[:12]}")
            environments.download(checkout.folder, python_env, folder)


def _collect_data(prepared: Prepared, folder: Path, notify: Notify) -> dict[str, str]:
    """Downloads the data that parameters name by URL; returns paths in the bundle by URL."""
    found = {}
    for step in prepared.plan.steps:
        for argument in step.arguments.values():
            if not isinstance(argument, Location):
                continue
            url, address = argument.text, opened(argument.text, prepared.variables)
            if "://" not in address:
                continue
            if not address.startswith(("http://", "https://")):
                raise WaypostError(f"{step.name}: {redacted(url)}: only http(s) can be bundled")
            folder.mkdir(exist_ok=True)
            file = folder.parent / data_path(url)
            notify(f"fetching {redacted(url)}")
            with urlopen(address, timeout=60) as answer, file.open("wb") as sink:  # noqa: S310 (checked above)
                shutil.copyfileobj(answer, sink, _CHUNK)
            found[str(url)] = data_path(url)
    return found


def _paths(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in files if path.name != FILE)


def _pack(folder: Path, file: Path) -> None:
    """Writes a reproducible tar file: names sorted, no times, no owners."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    if is_stream(file):
        raise UsageError(f"{file} is no file: a bundle is written whole, beside its name, and then renamed")
    file = file.resolve() if file.is_symlink() else file
    new = file.with_name(f".{file.name}.{process_name()}-{secrets.token_hex(4)}")
    try:
        with tarfile.open(new, "x", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(folder.rglob("*")):
                archive.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=plain)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
