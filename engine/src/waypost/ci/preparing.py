"""Preparation of a release, before anything is public: cut or resume, execute, record, pack a delivery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from packaging.version import Version

from waypost.ci import texts
from waypost.ci.assets import add_records, make_assets
from waypost.ci.branches import commit_ours
from waypost.ci.delivery import ASSETS, Delivery, digests_of, write_delivery
from waypost.ci.hosting import Host
from waypost.ci.runs import production_run, tracked
from waypost.contracts.target import Target
from waypost.errors import FindingsError, UsageError
from waypost.interfaces.record import FOLDER, Record, next_run_record, record_text, run_record_of
from waypost.interfaces.semver import Bump
from waypost.pins.recorded_releases import described
from waypost.pins.workspace import FetchedRelease
from waypost.release import cut
from waypost.release.fetched import candidate
from waypost.release.kinds import read_product
from waypost.release.pipeline_repository import PipelineRepository
from waypost.release.preflight import findings_before
from waypost.release.product import Product
from waypost.runs.events import Reporter
from waypost.sources import git, remotes
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.system.scratch import scratch

_NOT_AGAIN = "another commit was the candidate: the branch it came by was not merged as it was"


@dataclass(frozen=True)
class Wish:
    """A request: `bump` of a new version; `recorded` only resumes a release that has its record, `new` always
    cuts a new version; `to` is the URL of a library's own repository.
    """

    place: Path
    bump: Bump | Literal["auto"] = "auto"
    branch: str = "main"
    env: str = "uv"
    to: str = ""
    recorded: bool = False
    new: bool = False


@dataclass(frozen=True)
class Started:
    """A release in a clone of its repository: `commit` is released, `base` is the head of origin's branch;
    `product` is the product in the clone, `source` the product at `commit`, `why` explains the version.
    """

    product: Product
    source: Product
    record: Record
    base: str
    commit: str
    why: str


def prepare(product: Product, wish: Wish, host: Host | None, reporter: Reporter) -> Delivery | None:
    """Makes the delivery of the next release, or of one that an earlier attempt did not finish; None if there
    is nothing to do. Nothing is public yet.

    Raises FindingsError with all obstacles, UsageError, RemoteError, WaypostError.
    """
    if git.is_shallow(product.top):
        raise UsageError(
            "this clone has no history", hint="git fetch --unshallow; actions/checkout: fetch-depth: 0"
        )
    wish = replace(wish, place=wish.place.absolute())
    _refuse_used(wish.place)
    with scratch() as temp, tracked(temp), cut.whole_or_nothing():
        open_one = None if wish.new else unfinished(product, wish, host)
        if open_one is None and wish.recorded:
            return None
        started = _gone_on_with(product, open_one, temp) if open_one else _cut(product, wish, temp, reporter)
        store = Store(home(), reporter.say)
        release = _as_release(started, store, git.origin_of(product.top))
        head = _recorded(started, release, store, wish.env, reporter)
        assets = wish.place / ASSETS
        make_assets(started.source, release, store, assets, reporter.say, wheels=wish.env == "uv")
        add_records(started.product, started.record.version, assets)
        delivery = _delivery(started, head, wish, assets)
        write_delivery(delivery, started.product.top, wish.place)
    return delivery


def unfinished(product: Product, wish: Wish, host: Host | None) -> Record | None:
    """Returns the record of the newest release if it is not tagged or not published, else None.

    Raises RemoteError.
    """
    newest = next(iter(product.records.values()), None)
    if newest is None or (product.is_guest and not wish.to):
        return None
    tag = tag_of(product, newest.version)
    url = wish.to or git.origin_of(product.top)
    if tag not in remotes.tags_of(url):
        return newest
    return None if host is None or host.is_published(tag) else newest


def tag_of(product: Product, version: str) -> str:
    """Returns the tag of a release; a guest's tags are in its own repository."""
    return f"v{version}" if product.is_guest else product.tag(version)


def _refuse_used(place: Path) -> None:
    if place.exists() and any(place.iterdir()):
        raise UsageError(f"{place}: not empty", hint="give an empty folder outside of the work tree")


def _cut(product: Product, wish: Wish, temp: Path, reporter: Reporter) -> Started:
    """Cuts the next version in a clone. Raises FindingsError with all obstacles."""
    following = cut.next_version(product, wish.bump)
    if findings := findings_before(product, following.version, wish.branch, reporter.say, offline=False):
        raise FindingsError(findings, consequence="nothing was released")
    made = cut.make(product, following, temp, reporter.say, offline=False, signs=True, commit=commit_ours)
    there = read_product(made.clone / product.prefix)
    return Started(
        there,
        there,
        there.records[Version(following.version)],
        made.base,
        made.commit,
        texts.reasons(following),
    )


def _gone_on_with(product: Product, record: Record, temp: Path) -> Started:
    """Resumes a release that has its record. Raises FindingsError if no commit matches the record."""
    clone = cut.clone_of(product.top, temp)
    there, base = read_product(clone / product.prefix), git.head_of(product.top) or ""
    releases, findings = described(clone, "HEAD", product.prefix)
    for release in releases:
        if release.record.version == record.version:
            source = temp / "source"
            git.git(
                clone, "clone", "--quiet", "--shared", "--no-checkout", "--no-tags", str(clone), str(source)
            )
            git.git(source, "checkout", "--quiet", "--detach", release.commit)
            if not (source / product.prefix).is_dir():
                message = f"{record.version} is not published, and at its commit there is no {product.prefix}"
                raise UsageError(f"{message}: it cannot be resumed", hint="cut a new version: --new")
            return Started(there, read_product(source / product.prefix), record, base, release.commit, "")
    raise FindingsError(findings, consequence="nothing was released")


def _as_release(started: Started, store: Store, url: str) -> FetchedRelease | None:
    """Returns the release as users will get it, of a pipeline with tags in this repository; else None."""
    product, version = started.product, started.record.version
    if not isinstance(product, PipelineRepository) or product.is_guest:
        return None
    target = Target(url, product.place_of_tags, version)
    return candidate(store, target, product.tag(version), started.commit, product.top)


def _recorded(started: Started, release: FetchedRelease | None, store: Store, env: str, say: Reporter) -> str:
    """Executes the release unless a run of its commit is recorded; returns the commit with the record."""
    product, version = started.product, started.record.version
    earlier = product.run_record(version)
    if release is not None and (earlier is None or earlier.commit != started.commit):
        say.say(f"the production run of {version}, commit {started.commit[:12]}")
        run = production_run(release, store, say, env=env)
        names = product.record_names()
        if old := run_record_of(version, names):
            run = run.model_copy(update={"supersedes": old, "reason": _NOT_AGAIN})
        file = product.folder / FOLDER / next_run_record(version, names)
        file.write_text(record_text(run), encoding="utf-8")
        git.add(product.top, file)
        commit_ours(product.top, f"Record the run of {version}")
    return git.head_of(product.top) or ""


def _delivery(started: Started, head: str, wish: Wish, assets: Path) -> Delivery:
    product, record = started.product, started.record
    tag = tag_of(product, record.version)
    run = product.run_record(record.version)
    return Delivery(
        kind="release",
        title=product.title(record.version),
        body=texts.release_body(record, started.why, run),
        branch=wish.branch,
        source=f"waypost/release-{tag}"
        if not product.is_guest
        else f"waypost/release-{product.prefix}-{tag}",
        base=started.base,
        head=head,
        folder=product.prefix,
        version=record.version,
        tag=tag,
        commit=started.commit,
        notes=record.notes,
        to=wish.to,
        assets=digests_of(assets),
    )
