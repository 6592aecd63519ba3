"""Preflight checks of a release: all obstacles, found before anything is written."""

from __future__ import annotations

from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.pipeline import PARAMETERS_FILE
from waypost.errors import Finding, RemoteError
from waypost.interfaces.changelog import has_unreleased, unreleased
from waypost.interfaces.record import FOLDER
from waypost.pins.verify import verify_locked
from waypost.pins.workspace import open_workspace
from waypost.release.pipeline_conformance import pipeline_release_findings
from waypost.release.pipeline_repository import PipelineRepository
from waypost.release.product import CHANGELOG, Product
from waypost.sources import git, remotes
from waypost.sources.files import read_text
from waypost.sources.waiting import Notify


def findings_before(
    product: Product, version: str, branch: str, notify: Notify, *, offline: bool
) -> list[Finding]:
    """Returns all obstacles to a release."""
    found = [*_tree_findings(product, branch, offline=offline), *_changelog_findings(product, branch)]
    if not product.is_guest:
        found += _tag_findings(product, product.tag(version), offline=offline)
    if (product.folder / FOLDER / f"{version}.json").exists():
        found.append(Finding(f"{FOLDER}/{version}.json", "this version was released already"))
    found += product.findings(product.version)
    if isinstance(product, PipelineRepository):
        found += _ignored_findings(product)
        found += _pin_findings(product, notify, offline=offline)
    return found


def _tree_findings(product: Product, branch: str, *, offline: bool) -> list[Finding]:
    found = []
    if changed := git.git(product.top, "status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:5])
        found.append(Finding("work tree", f"not committed: {names}", "commit or stash it"))
    here = git.object_at(product.top, "HEAD") and git.branch_of(product.top)
    if here != branch:
        hint = f"git switch {branch}, or --branch {here}" if here else f"git switch {branch}"
        found.append(
            Finding("branch", f"{here or 'no branch'} is checked out, releases come from {branch}", hint)
        )
    if offline or not git.has_origin(product.top):
        return found
    try:
        there = remotes.branches_of(git.origin_of(product.top)).get(branch)
    except RemoteError as error:
        return [*found, Finding("origin", str(error), "--offline does not ask it")]
    if there and not git.is_ancestor(product.top, there, "HEAD"):
        found.append(
            Finding("branch", f"{branch} is behind its origin, at {there[:12]}", "git pull --rebase")
        )
    return found


def _changelog_findings(product: Product, branch: str) -> list[Finding]:
    file = product.folder / CHANGELOG
    if not file.is_file():
        return [Finding(CHANGELOG, "there is none", "https://keepachangelog.com")]
    text = read_text(file)
    if not has_unreleased(text):
        hint = "write it, and what changed for users under it: https://keepachangelog.com"
        return [Finding(CHANGELOG, "there is no heading ## [Unreleased]", hint)]
    if not unreleased(text):
        hint = _how_to_publish(product, branch) or "say what changed for users"
        return [Finding(CHANGELOG, "there is nothing under [Unreleased]", hint)]
    return []


def _how_to_publish(product: Product, branch: str) -> str:
    """Returns what publishes the release that HEAD is; empty where HEAD is none, or a guest's."""
    if product.is_guest:
        return ""
    tag = product.tag(product.version)
    here = git.object_at(product.top, "HEAD")
    if not here or git.object_at(product.top, f"refs/tags/{tag}^{{commit}}") != here:
        return ""
    command = f"git push --atomic origin {branch} {tag}"
    return f"this commit is the release {product.version}; to publish it: {command}"


def _tag_findings(product: Product, tag: str, *, offline: bool) -> list[Finding]:
    if git.object_at(product.top, f"refs/tags/{tag}"):
        return [Finding(tag, "the tag already exists", "released versions do not change: cut the next one")]
    if not offline and git.has_origin(product.top):
        try:
            if tag in remotes.tags_of(git.origin_of(product.top)):
                return [Finding(tag, "the tag already exists, on origin", "git fetch --tags")]
        except RemoteError:
            pass  # a finding of the work tree reports it already
    return []


def _ignored_findings(product: PipelineRepository) -> list[Finding]:
    """Returns a finding for each file of a pipeline that git would leave out of the release."""
    there = [name for name in (PIPELINE_FILE, PARAMETERS_FILE, LOCK_FILE) if (product.place / name).is_file()]
    problem = "git ignores it: the release would not have it"
    hint = "take it out of .gitignore, and commit it"
    return [Finding(name, problem, hint) for name in git.ignored_among(product.place, there)]


def _pin_findings(product: PipelineRepository, say: Notify, *, offline: bool) -> list[Finding]:
    workspace = open_workspace(product.place, say, offline=offline)
    found = [*verify_locked(workspace).findings, *pipeline_release_findings(workspace)]
    for name, source in workspace.pipeline.components.items():
        local = workspace.local(name)
        if source.git is None and local is not None and not local.is_relative_to(product.top):
            problem = f"the folder {source.path} is outside of this repository: its content is not released"
            found.append(
                Finding(f"{PIPELINE_FILE}: components.{name}", problem, "give it `git` and `version`")
            )
    return found
