"""The files that are published with a release: record, bundle, wheels, SBOM, checksums."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from waypost.ci.delivery import digests_of
from waypost.ci.engine_wheels import bring_engine
from waypost.contracts.component import Component
from waypost.contracts.sbom import Part, packages_in, sbom
from waypost.interfaces.record import FOLDER, run_record_of
from waypost.pins.workspace import FetchedRelease, workspace_of_release
from waypost.release.build import build_package
from waypost.release.bundle import pack
from waypost.release.library import Library
from waypost.release.package import Package
from waypost.release.product import Product
from waypost.runs.prepare import prepare
from waypost.sources.files import read_python_env, read_requirements
from waypost.sources.store import Store
from waypost.sources.waiting import Notify
from waypost.texts.pretty_json import json_text

SUMS = "SHA256SUMS"


def make_assets(
    source: Product, release: FetchedRelease | None, store: Store, folder: Path, say: Notify, *, wheels: bool
) -> None:
    """Writes the assets of a release's commit; the same content gives the same bytes.

    Args: `source` is the product at that commit, `release` the fetched pipeline, `wheels` includes the wheels
    of its environments and of the engine. Raises WaypostError if anything is missing.
    """
    folder.mkdir(parents=True)
    version = str(source.version)
    if release:
        say("packing the bundle")
        bring = bring_engine if wheels else None
        pack(release, store, folder / f"bundle-{version}.tar", say, wheels=wheels, bring=bring)
    if isinstance(source, Package):
        say("building the package")
        build_package(source, folder)
    if parts := list(_parts(source, release, store, say)):
        text = json_text(sbom(source.name, version, parts))
        (folder / f"sbom-{version}.cdx.json").write_text(f"{text}\n", encoding="utf-8")


def add_records(product: Product, version: str, folder: Path) -> None:
    """Adds the records of a release to its assets, and finally the checksums of all files."""
    for name in filter(None, (f"{version}.json", run_record_of(version, product.record_names()))):
        shutil.copyfile(product.folder / FOLDER / name, folder / f"record-{name}")
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests_of(folder).items())
    (folder / SUMS).write_text(lines, encoding="utf-8")


def _parts(source: Product, release: FetchedRelease | None, store: Store, say: Notify) -> Iterator[Part]:
    """Yields the parts of a release: components with commits, packages with the hashes of their locks."""
    texts: dict[str, None] = {}
    if isinstance(source, Library):
        for name, contract in source.components.items():
            texts |= dict.fromkeys(_locks(source.folder / name, contract))
    if release:
        pins = release.record.pins if release.record else {}
        yield from (Part(uses, pin.version, commit=pin.commit) for uses, pin in pins.items())
        prepared = prepare(workspace_of_release(release, store, say), [], [])
        for checkout in prepared.checkouts.values():
            texts |= dict.fromkeys(_locks(checkout.folder, checkout.component))
    yield from packages_in(texts)


def _locks(folder: Path, contract: Component) -> list[str]:
    return list(read_requirements(folder, read_python_env(folder, contract)).values())
