"""The work of `waypost run`, for a run that has something to do."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from waypost.commands.options import wanted_on_wandb
from waypost.commands.run import Wish, look_at
from waypost.errors import RemoteError, UsageError
from waypost.pins.reach import refuse_unreached
from waypost.pins.released import Release, fetch_release
from waypost.pins.verify import UNREACHABLE, verify
from waypost.pins.workspace import Workspace, fresh_lock, open_workspace, workspace_of_release
from waypost.release.opening import open_bundle
from waypost.release.remaking import kept_by, require_content, run_id_in, workspace_of_run
from waypost.report import runs as report
from waypost.report.closing import write_result
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.report.plan import plan_document, show_plan
from waypost.runs.events import Reporter
from waypost.runs.prepare import Prepared, prepare
from waypost.runs.runner import run
from waypost.runs.shortcut import remember
from waypost.runs.survey import Options, survey
from waypost.sources.places import home
from waypost.sources.scratch import scratch
from waypost.sources.store import Store


def execute(wish: Wish) -> int:
    """Runs what is asked for, shows it, and returns the exit code."""
    _refuse_opposites(wish)
    with scratch() as temp:
        return _execute(wish, temp)


def _execute(wish: Wish, temp: Path) -> int:
    reporter = report.reporter_for(Console(stderr=wish.as_json), explain=wish.explain)
    workspace, options = _open(wish, _options(wish), reporter, temp)
    if wish.frozen:
        refuse_unreached(workspace, fresh_lock(workspace))
    if wish.verify:
        _ask_now(workspace)
    kept = workspace.kept
    prepared = prepare(workspace, wish.files, wish.changes, dev=wish.dev or bool(kept and kept.facts.dev))
    if kept:
        require_content(prepared, kept)
    options = _chosen(wish, options, prepared)
    if wish.dry_run:
        found = survey(prepared, options) if wish.explain else None
        if wish.as_json:
            write_document(sys.stdout, plan_document(prepared.plan, found))
        else:
            show_plan(Console(), prepared.plan, found)
        return 0
    is_watched = workspace.wanted and not (wish.offline or wish.dev or workspace.release or kept)
    result = run(prepared, options, reporter, wish.folder if is_watched else None)
    if is_watched and result.current and not wish.verify and (look := look_at(wish.folder)):
        for text in look.lines(time.time()):
            reporter.say(f"  {text}")
    if wish.request:
        remember(wish.request, prepared, options)
    if wish.as_json:
        write_result(result)
    return result.exit_code


def _refuse_opposites(wish: Wish) -> None:
    """Raises UsageError where two options ask for opposite things."""
    if wish.resume and (wish.steps or wish.start):
        raise UsageError("--resume goes without --steps and --from")
    if wish.verify and wish.offline:
        raise UsageError("--verify asks the remotes, --offline does not: give one of them")
    if wish.frozen and wish.dev:
        raise UsageError("--frozen runs locked content, --dev does not: give one of them")


def _ask_now(workspace: Workspace) -> None:
    """Says what the remotes say of the locked versions. Raises RemoteError where one does not answer."""
    verdict = verify(workspace, here=False)
    for finding in verdict.findings:
        if finding.category == UNREACHABLE:
            raise RemoteError(str(finding))
        workspace.warn(str(finding))
    if not verdict.findings:
        workspace.say("no tag was moved and nothing was yanked: the remotes were asked just now")


def _options(wish: Wish) -> Options:
    """Returns the options that can be known before the pipeline is."""
    options = Options(
        resume=wish.resume,
        cache=not wish.no_cache,
        env=wish.env,
        jobs=wish.jobs or 0,
        debug=wish.debug,
        offline=wish.offline,
    )
    return replace(options, fork=wish.worker == "fork") if wish.worker else options


def _chosen(wish: Wish, options: Options, prepared: Prepared) -> Options:
    """Returns the options with those that name steps, or that the pipeline decides."""
    only, forced = _names(wish.steps), _names(wish.force)
    return replace(
        options,
        steps=prepared.plan.select(only, wish.start) if only or wish.start else None,
        force=prepared.plan.select(forced, None) if forced else frozenset(),
        wandb=wanted_on_wandb(prepared.pipeline, wish.wandb),
    )


def _open(wish: Wish, options: Options, reporter: Reporter, temp: Path) -> tuple[Workspace, Options]:
    """Returns the workspace of a folder, a release, a bundle or an earlier run; with the options of those."""
    offline = wish.offline
    if wish.like:
        kept = kept_by(run_id_in(wish.like))
        store = Store(home(), reporter.say)
        workspace = workspace_of_run(kept, store, temp, reporter.say, reporter.warn, offline=offline)
        return workspace, replace(options, env=wish.env or kept.facts.env)
    if wish.folder.is_file():
        bundle = open_bundle(wish.folder, reporter.say, reporter.warn)
        version = bundle.workspace.release.version if bundle.workspace.release else ""
        reporter.say(f"{wish.folder}: release {version}, every byte checked")
        return bundle.workspace, replace(options, wheels=bundle.wheels, data=bundle.data)
    if wish.target:
        store = Store(home(), reporter.say)
        release = fetch_release(store, wish.target, offline=offline)
        place = wish.target.at(release.version or wish.target.version)
        reporter.say(f"{place}: {release.tag or 'commit'} {release.commit[:12]}, {_word(release)}")
        workspace = workspace_of_release(release, store, reporter.say, offline=offline, loud=reporter.warn)
    else:
        workspace = open_workspace(wish.folder, reporter.say, offline=offline, loud=reporter.warn)
    if offline and workspace.wanted:
        reporter.say("offline: no remote is asked; what runs is verified by tree")
    return workspace, options


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _word(release: Release) -> str:
    if release.is_attested:
        return "verified against its record on the default branch"
    return "which fits the record in its tag" if release.tag and release.record else "which has no record"
