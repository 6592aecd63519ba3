"""`waypost run`: execute a pipeline."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from waypost.contracts.target import Target
    from waypost.pins.released import Release


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] [KEY=VALUE]…")
@click.option(
    "--params",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameter file merged on top of params.yaml; may be given several times.",
)
@click.option(
    "--steps",
    default="",
    metavar="A,B",
    help="Execute these steps only; take the rest from earlier runs.",
)
@click.option("--from", "start", metavar="STEP", help="Execute this step and all that depend on it.")
@click.option("--resume", is_flag=True, help="Go on where the last failed or interrupted run stopped.")
@click.option(
    "--dev",
    is_flag=True,
    help="Take local component folders as they are, and branches as they are now; the run is marked so.",
)
@click.option("--offline", is_flag=True, help="Ask no remote; what is in the cache or in folders runs.")
@click.option("--frozen", is_flag=True, help="Locked content only, as CI wants it: refuses --dev.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the plan, run nothing.")
@click.option(
    "--env",
    type=click.Choice(["uv", "local"]),
    default="uv",
    show_default=True,
    help="uv: each component in the environment that it asks for; local: in the engine's own.",
)
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
    dev: bool,
    offline: bool,
    frozen: bool,
    dry_run: bool,
    env: str,
    overrides: str,
    as_json: bool,
    debug: bool,
) -> int:
    """Run the pipeline in the folder PIPELINE (default: this folder), or a release of one.

    PIPELINE may be URL[#FOLDER]@VERSION: a version, a specifier (~=1.4), `latest` or a commit; or
    a file that `waypost bundle` made.

    KEY=VALUE overrides a parameter of params.yaml, +KEY=VALUE adds one. Everything is checked
    before the first step starts.

    \b
    Examples:
      waypost run pipeline
      waypost run pipeline model.max_depth=8 split.seed=7
      waypost run pipeline --params pipeline/examples/wine.yaml
      waypost run pipeline --from train model.n_estimators=50
      waypost run pipeline --resume
      waypost run https://github.com/org/grades@1.4.13
      waypost run pipeline --dev                    with the component folders as they are now
    """
    from rich.console import Console

    from waypost.errors import UsageError
    from waypost.pins.released import fetch_release
    from waypost.pins.watch import Watch
    from waypost.pins.workspace import open_workspace, workspace_of_release
    from waypost.report import runs as report
    from waypost.runs.prepare import prepare
    from waypost.sources.files import home
    from waypost.sources.store import Store

    target, folder, changes = _parted(arguments)
    if resume and (steps or start):
        raise UsageError("--resume goes without --steps and --from")
    if frozen and dev:
        raise UsageError("--frozen runs locked content, --dev does not: give one of them")
    console = Console(stderr=as_json)
    reporter = report.reporter_for(console)
    opened = None
    if folder.is_file():
        from waypost.release.bundle import open_bundle

        opened = open_bundle(folder, reporter.say, reporter.warn)
        workspace = opened.workspace
        reporter.say(
            f"{folder}: release {workspace.release.version if workspace.release else ''}, every byte checked"
        )
    elif target:
        store = Store(home(), reporter.say)
        release = fetch_release(store, target, offline=offline)
        reporter.say(f"{target}: {release.tag or 'commit'} {release.commit[:12]}, {_word(release)}")
        workspace = workspace_of_release(release, store, reporter.say, offline=offline, loud=reporter.warn)
    else:
        workspace = open_workspace(folder, reporter.say, offline=offline, loud=reporter.warn)
    with contextlib.ExitStack() as stack:
        watch = None
        if workspace.wanted and not (offline or dev or dry_run or target or opened):
            # Started first, so that the answer is mostly there before step 1.
            watch = stack.enter_context(Watch(folder))
        if offline and workspace.wanted:
            reporter.say("offline: no remote is asked; what runs is verified by tree")
        prepared = prepare(workspace, files, [*changes, *shlex.split(overrides)], dev=dev)
        only = [name for name in steps.split(",") if name]
        selected = prepared.plan.select(only, start) if only or start else None
        if dry_run:
            report.show_plan(Console(), prepared.plan)
            return 0
        from waypost.runs import runner

        options = runner.Options(steps=selected, resume=resume, env=env, debug=debug)
        if opened:
            options = replace(options, wheels=opened.wheels, data=opened.data)
        result = runner.run(prepared, options, reporter, watch)
    if as_json:
        report.write_json(sys.stdout, result)
    return result.exit_code


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
