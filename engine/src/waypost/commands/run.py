"""`waypost run`: execute a pipeline."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.commands.options import env_option, jobs_option, params_option, wandb_option, wanted_on_wandb
from waypost.runs.shortcut import Request, recall, remember

if TYPE_CHECKING:
    from waypost.contracts.target import Target
    from waypost.pins.released import Release
    from waypost.pins.workspace import Workspace
    from waypost.runs.events import Reporter, RunResult
    from waypost.runs.survey import Options


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] [KEY=VALUE]…")
@params_option
@click.option(
    "--steps",
    default="",
    metavar="A,B",
    help="Execute these steps only; take the rest from earlier runs.",
)
@click.option("--from", "start", metavar="STEP", help="Execute this step and all that depend on it.")
@click.option(
    "--resume", is_flag=True, help="Take over from the last failed or interrupted run, in any case."
)
@click.option("--no-cache", is_flag=True, help="Take nothing over: execute every step.")
@click.option("--force", default="", metavar="A,B", help="Execute these steps, whatever is known of them.")
@click.option("--explain", is_flag=True, help="Say of each step why it runs, or why it need not.")
@jobs_option
@click.option(
    "--worker",
    type=click.Choice(["fork", "process"]),
    help="fork: steps start in some milliseconds from a process that has imported what they need;"
    " process: each in a new interpreter. [default: fork on Linux, else process]",
)
@click.option(
    "--dev",
    is_flag=True,
    help="Take local component folders as they are, and branches as they are now; the run is marked so.",
)
@click.option("--offline", is_flag=True, help="Ask no remote; what is in the cache or in folders runs.")
@click.option("--frozen", is_flag=True, help="Locked content only, as CI wants it: refuses --dev.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the plan, run nothing.")
@wandb_option
@env_option
@click.option(
    "--overrides",
    default="",
    hidden=True,
    help="All KEY=VALUE in one argument, as stock MLflow passes them.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write the result as JSON to stdout, progress to stderr.",
)
@click.option("--debug", is_flag=True, help="Show the stack trace of a component's error.")
def run(
    arguments: tuple[str, ...],
    files: tuple[Path, ...],
    steps: str,
    start: str | None,
    resume: bool,
    no_cache: bool,
    force: str,
    explain: bool,
    jobs: int | None,
    worker: str | None,
    dev: bool,
    offline: bool,
    frozen: bool,
    dry_run: bool,
    wandb: bool | None,
    env: str,
    overrides: str,
    as_json: bool,
    debug: bool,
) -> int:
    """Run the pipeline in the folder PIPELINE (default: this folder), or a release of one.

    PIPELINE may be URL[#FOLDER]@VERSION: a version, a specifier (~=1.4), `latest` or a commit; or
    a file that `waypost bundle` made.

    KEY=VALUE overrides a parameter of params.yaml, +KEY=VALUE adds one. Everything is checked
    before the first step starts. A step whose code, parameters, inputs and environment are those of
    an earlier one is not executed again.

    \b
    Examples:
      waypost run pipeline
      waypost run pipeline model.max_depth=8 split.seed=7
      waypost run pipeline --params pipeline/examples/wine.yaml
      waypost run pipeline --from train model.n_estimators=50
      waypost run pipeline --explain --dry-run      what would run, and why
      waypost run pipeline --force train            that step, and what its result changes
      waypost run https://github.com/org/grades@1.4.13
      waypost run pipeline --dev                    with the component folders as they are now
      waypost run pipeline --wandb                  show it on Weights & Biases, too
    """
    target, folder, changes = _parted(arguments)
    changes += shlex.split(overrides)
    is_plain = not (target or folder.is_file() or dry_run or explain or offline or frozen or dev or debug)
    is_plain = is_plain and wandb is None and not (steps or start or resume or no_cache or force)
    request = Request(folder, files, changes, env)
    if is_plain and (current := recall(request)):
        _show_current(current, as_json)
        return 0
    from waypost.errors import UsageError

    if resume and (steps or start):
        raise UsageError("--resume goes without --steps and --from")
    if frozen and dev:
        raise UsageError("--frozen runs locked content, --dev does not: give one of them")
    from waypost.report import runs as report
    from waypost.report.console import Console
    from waypost.runs.prepare import prepare
    from waypost.runs.survey import Options, survey

    reporter = report.reporter_for(Console(stderr=as_json), explain=explain)
    options = Options(
        resume=resume, cache=not no_cache, env=env, jobs=jobs or 0, debug=debug, offline=offline
    )
    options = replace(options, fork=worker == "fork") if worker else options
    workspace, options = _open(target, folder, options, reporter)
    prepared = prepare(workspace, files, changes, dev=dev)
    only, forced = _names(steps), _names(force)
    options = replace(
        options,
        steps=prepared.plan.select(only, start) if only or start else None,
        force=prepared.plan.select(forced, None) if forced else frozenset(),
        wandb=wanted_on_wandb(prepared.pipeline, wandb),
    )
    if dry_run:
        report.show_plan(Console(), prepared.plan, survey(prepared, options) if explain else None)
        return 0
    from waypost.runs.runner import run as execute

    is_watched = workspace.wanted and not (offline or dev or workspace.release)
    result = execute(prepared, options, reporter, folder if is_watched else None)
    if is_plain:
        remember(request, prepared, options)
    if as_json:
        _write_json(result)
    return result.exit_code


def _open(
    target: Target | None, folder: Path, options: Options, reporter: Reporter
) -> tuple[Workspace, Options]:
    """Returns the workspace of a folder, a release or a bundle; with a bundle's options."""
    from waypost.pins.workspace import open_workspace, workspace_of_release

    offline = options.offline
    if folder.is_file():
        from waypost.release.opening import open_bundle

        bundle = open_bundle(folder, reporter.say, reporter.warn)
        version = bundle.workspace.release.version if bundle.workspace.release else ""
        reporter.say(f"{folder}: release {version}, every byte checked")
        return bundle.workspace, replace(options, wheels=bundle.wheels, data=bundle.data)
    if target:
        from waypost.pins.released import fetch_release
        from waypost.sources.places import home
        from waypost.sources.store import Store

        store = Store(home(), reporter.say)
        release = fetch_release(store, target, offline=offline)
        reporter.say(f"{target}: {release.tag or 'commit'} {release.commit[:12]}, {_word(release)}")
        workspace = workspace_of_release(release, store, reporter.say, offline=offline, loud=reporter.warn)
    else:
        workspace = open_workspace(folder, reporter.say, offline=offline, loud=reporter.warn)
    if offline and workspace.wanted:
        reporter.say("offline: no remote is asked; what runs is verified by tree")
    return workspace, options


def _show_current(result: RunResult, as_json: bool) -> None:
    from waypost.report.closing import show_current

    show_current(result, sys.stderr if as_json else sys.stdout)
    if as_json:
        _write_json(result)


def _write_json(result: RunResult) -> None:
    json.dump(asdict(result), sys.stdout, indent=2)
    print()


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _parted(arguments: tuple[str, ...]) -> tuple[Target | None, Path, list[str]]:
    """Returns (release, folder, overrides): the first argument is one of the first two unless it
    looks like k=v.
    """
    from waypost.contracts.target import parse_target

    if not arguments or Path(arguments[0]).exists():
        return None, Path(arguments[0] if arguments else "."), list(arguments[1:])
    if re.match(r"^\+?[\w.$-]+=", arguments[0]):
        return None, Path(), list(arguments)
    return parse_target(arguments[0], str(Path.cwd())), Path(arguments[0]), list(arguments[1:])


def _word(release: Release) -> str:
    return "verified against its record" if release.record else "which has no record"
