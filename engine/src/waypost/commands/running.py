"""The work of `waypost run`, for a run that has something to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from waypost.commands.options import wanted_on_wandb
from waypost.commands.request import RunRequest
from waypost.commands.run import look_at
from waypost.errors import RemoteError
from waypost.extras import require
from waypost.pins.checkout import checkouts
from waypost.pins.reachability import refuse_unreached
from waypost.pins.verdict import UNREACHABLE
from waypost.pins.verify import verify
from waypost.pins.workspace import FetchedRelease, Workspace, fresh_lock, open_workspace, workspace_of_release
from waypost.release.fetched import fetch_release
from waypost.release.open_bundle import open_bundle
from waypost.release.rerun import kept_by, require_content, run_id_in, workspace_of_run
from waypost.report import runs as report
from waypost.report.closing import write_result
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.report.plan import plan_document, show_plan
from waypost.runs.events import Reporter, RunResult
from waypost.runs.executor import Site
from waypost.runs.local_executor import LocalExecutor
from waypost.runs.no_op import note_current
from waypost.runs.preflight import Options, preflight
from waypost.runs.prepare import Prepared, prepare
from waypost.runs.runner import run
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.system.scratch import scratch


@dataclass(frozen=True)
class Opened:
    """What a request is about: checked, and nothing executed yet."""

    request: RunRequest
    workspace: Workspace
    prepared: Prepared
    options: Options

    @property
    def is_watched(self) -> bool:
        """Tells whether the remotes of its pins are asked while it runs."""
        local = not (self.workspace.release or self.workspace.kept)
        return bool(self.workspace.wanted) and local and not (self.request.offline or self.request.dev)


def execute(request: RunRequest) -> int:
    """Runs what is asked for, shows it, and returns the exit code."""
    with scratch() as temp:
        return _execute(request, temp)


def _execute(request: RunRequest, temp: Path) -> int:
    reporter = report.reporter_for(Console(stderr=request.as_json), explain=request.explain)
    opened = open_request(request, reporter, temp)
    if request.dry_run:
        found = preflight(opened.prepared, opened.options) if request.explain else None
        if request.as_json:
            write_document(sys.stdout, plan_document(opened.prepared.plan, found))
        else:
            show_plan(Console(), opened.prepared.plan, found)
        return 0
    result = run_opened(opened, reporter)
    if request.as_json:
        write_result(result)
    return result.exit_code


def open_request(request: RunRequest, reporter: Reporter, temp: Path) -> Opened:
    """Reads and checks what is asked for; releases and bundles are unpacked below `temp`, which has to stay
    as long as it runs. Raises WaypostError.
    """
    [opened] = open_points(request, [request.changes], reporter, temp)
    return opened


def open_points(
    request: RunRequest, points: Iterable[Sequence[str]], reporter: Reporter, temp: Path
) -> list[Opened]:
    """Reads and checks one pipeline with the changes of each point. Raises as `open_request`."""
    request.refuse_opposites()
    workspace, options = _open(request, _options(request), reporter, temp)
    if request.frozen:
        refuse_unreached(workspace, fresh_lock(workspace))
    if request.verify:
        _ask_now(workspace)
    kept = workspace.kept
    dev = request.dev or bool(kept and kept.facts.dev)
    code = checkouts(workspace, dev=dev)
    opened = []
    for changes in points:
        prepared = prepare(workspace, request.files, changes, dev=dev, found=code)
        if kept:
            require_content(prepared, kept)
        opened.append(Opened(request, workspace, prepared, _chosen(request, options, prepared)))
    return opened


def run_opened(opened: Opened, reporter: Reporter) -> RunResult:
    """Executes what was opened. Raises what `run` raises."""
    request = opened.request
    watched = request.folder if opened.is_watched else None
    result = run(opened.prepared, opened.options, reporter, watched, site_of(request))
    if opened.is_watched and result.current and not request.verify and (look := look_at(request.folder)):
        for text in look.lines(time.time()):
            reporter.say(f"  {text}")
    if request.quick:
        note_current(request.quick, opened.prepared, opened.options)
    return result


def site_of(request: RunRequest) -> Site:
    """Returns where steps execute. Raises MissingExtraError where that takes more than is installed."""
    if not request.on:
        return LocalExecutor
    require("dask", "--on")
    from waypost.cluster.security import Tls
    from waypost.runs.dask_executor import on_cluster

    return on_cluster(Tls(request.tls_ca_file, request.tls_cert, request.tls_key), request.wait)


def _ask_now(workspace: Workspace) -> None:
    """Says what the remotes say of the locked versions. Raises RemoteError where one does not answer."""
    verdict = verify(workspace, here=False)
    for finding in verdict.findings:
        if finding.category == UNREACHABLE:
            raise RemoteError(str(finding))
        workspace.warn(str(finding))
    if not verdict.findings:
        workspace.notify("no tag was moved and nothing was yanked: the remotes were asked just now")


def _options(request: RunRequest) -> Options:
    """Returns the options that can be known before the pipeline is."""
    options = Options(
        resume=request.resume,
        cache=not request.no_cache,
        env=request.env,
        jobs=request.jobs or 0,
        debug=request.debug,
        offline=request.offline,
        on=request.on or "",
        upload=request.upload,
    )
    return replace(options, fork=request.worker == "fork") if request.worker else options


def _chosen(request: RunRequest, options: Options, prepared: Prepared) -> Options:
    """Returns the options with those that name steps, or that the pipeline decides."""
    only, forced = _names(request.steps), _names(request.force)
    return replace(
        options,
        steps=prepared.plan.select(only, request.start) if only or request.start else None,
        force=prepared.plan.select(forced, None) if forced else frozenset(),
        wandb=wanted_on_wandb(prepared.pipeline, request.wandb),
    )


def _open(request: RunRequest, options: Options, reporter: Reporter, temp: Path) -> tuple[Workspace, Options]:
    """Returns the workspace of a folder, a release, a bundle or an earlier run; with the options of those."""
    offline = request.offline
    if request.like:
        kept = kept_by(run_id_in(request.like))
        store = Store(home(), reporter.say)
        workspace = workspace_of_run(kept, store, temp, reporter.say, reporter.warn, offline=offline)
        return workspace, replace(options, env=request.env or kept.facts.env)
    if request.folder.is_file():
        bundle = open_bundle(request.folder, reporter.say, reporter.warn)
        version = bundle.workspace.release.version if bundle.workspace.release else ""
        reporter.say(f"{request.folder}: release {version}, every byte checked")
        return bundle.workspace, replace(options, wheels=bundle.wheels, data=bundle.data)
    if request.target:
        store = Store(home(), reporter.say)
        release = fetch_release(store, request.target, offline=offline)
        place = request.target.at(release.version or request.target.version)
        reporter.say(f"{place}: {release.tag or 'commit'} {release.commit[:12]}, {_word(release)}")
        workspace = workspace_of_release(
            release, store, reporter.say, offline=offline, on_warning=reporter.warn
        )
    else:
        workspace = open_workspace(request.folder, reporter.say, offline=offline, on_warning=reporter.warn)
    if offline and workspace.wanted:
        reporter.say("offline: no remote is asked; what runs is verified by tree")
    return workspace, options


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _word(release: FetchedRelease) -> str:
    if release.is_attested:
        return "verified against its record on the default branch"
    return "which fits the record in its tag" if release.tag and release.record else "which has no record"
