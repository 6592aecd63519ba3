"""`waypost ci`: what workflows call."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from waypost.ci import settings as github
from waypost.ci.checking import check as check_product
from waypost.ci.hosting import is_slug, slug_of
from waypost.ci.preparing import Wish
from waypost.ci.updates import Prepared
from waypost.ci.updates import update_locks as prepare_locks
from waypost.ci.updates import update_pins as prepare_pins
from waypost.commands.delivering import Told, arrive, deliver, prepared, ready
from waypost.commands.documents import ReproductionDocument
from waypost.commands.options import as_json_option, env_option, pipeline_argument, product_option
from waypost.contracts.target import parse_target
from waypost.errors import UsageError, redacted
from waypost.release.check_logs import write_log
from waypost.release.kinds import read_product
from waypost.release.reproduce import reproduce as execute
from waypost.report import ci as report
from waypost.report import runs
from waypost.report.common import line, notifier, write_document
from waypost.report.console import Console, escape
from waypost.report.release import show_reproduction
from waypost.sources import git
from waypost.system.scratch import scratch

_place = click.option(
    "-o",
    "--output",
    "place",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the delivery, empty and outside of the work tree.",
)
_branch = click.option("--branch", default="main", show_default=True, help="Branch that it goes to.")
_summary = click.option(
    "--summary",
    envvar="GITHUB_STEP_SUMMARY",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to add a Markdown summary to. [default: GITHUB_STEP_SUMMARY]",
)
_bump = click.argument("bump", default="auto", type=click.Choice(["auto", "patch", "minor", "major"]))
_to = click.option(
    "--to", default="", metavar="URL", help="A library's own repository, which gets the release, too."
)
_pull_request = click.option(
    "--pull-request", is_flag=True, help="Open a pull request instead of pushing to the branch."
)


@click.group()
def ci() -> None:
    """Check, release, reproduce and update in CI, in any repository and on any service.

    `prepare` and `update-*` execute code of components and write a delivery to a folder; `publish` publishes
    it, and executes nothing. So only `publish` needs a token with write access.

    \b
    Tokens for git, each given to its own address alone:
      WAYPOST_TOKEN      for origin
      COMPONENTS_TOKEN   for COMPONENTS_URL (default: the host of origin)
      LIBRARY_TOKEN      for the URL of --to
    `gh` finds its own in GH_TOKEN. The workflows that call these verbs: docs/ci.md.
    """


@ci.command()
@product_option
@click.option(
    "--allow",
    "allowed",
    type=click.Choice(["patch", "minor", "major"]),
    help="Largest bump that the changes may demand. [default: any]",
)
@click.option(
    "--sarif",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the findings to FILE as SARIF 2.1.0, too.",
)
@_summary
@as_json_option
def check(folder: Path, allowed: str | None, sarif: Path | None, summary: Path | None, as_json: bool) -> int:
    """Check the product in a folder: a library, a pipeline or a package.

    For libraries and pipelines: the checks of `waypost check`. For pipelines: the lock, the remotes and the
    fetched content of all pins. For all: records are unchanged, and the version matches the changes. Exit
    code 1 on findings, 3 if a remote does not answer, 4 if content has changed.

    \b
    Examples:
      waypost ci check
      waypost ci check -C components-repo --allow minor
    """
    ready(folder)
    console = Console(stderr=as_json)
    found = check_product(read_product(folder), allowed, notifier(console))  # type: ignore[arg-type]
    report.summarise(summary, found.summary)
    if sarif:
        write_log(sarif, folder, found.findings, found.ignored)
    if as_json:
        write_document(sys.stdout, found)
    else:
        report.show_checked(console, found)
    return found.exit_code


def _release_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            _bump,
            product_option,
            _branch,
            env_option,
            _to,
            click.option("--recorded", is_flag=True, help="Only resume a release that has its record."),
            click.option(
                "--new", is_flag=True, help="Cut a new version although the last one is not published."
            ),
            _summary,
            as_json_option,
        )
    ):
        function = option(function)
    return function


@ci.command()
@_release_options
@_place
def prepare(folder: Path, place: Path, summary: Path | None, as_json: bool, **wish: Any) -> int:
    """Prepare the next release, or resume one that was not published.

    The version is cut in a clone, the pipeline is executed at this commit, its results are recorded, and all
    assets are made: records, bundle, SBOM, packages, checksums. Nothing is public before `publish`. A release
    with a record on the branch, but without a tag or a published release, is resumed.

    \b
    Examples:
      waypost ci prepare -o /tmp/delivery
      waypost ci prepare minor -C components-repo --to https://github.com/org/components -o /tmp/delivery
      waypost ci prepare --recorded -o /tmp/delivery     after the pull request was merged
    """
    delivery = prepared(folder, Wish(place, **wish), Console(stderr=as_json))
    if delivery:
        report.summarise(summary, report.delivery_page(delivery))
    if as_json:
        write_document(sys.stdout, delivery)
    return 0


@ci.command()
@click.argument("place", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@product_option
@_to
@_pull_request
@_summary
@as_json_option
def publish(
    place: Path, folder: Path, to: str, pull_request: bool, summary: Path | None, as_json: bool
) -> int:
    """Publish a delivery: a release, or a pull request.

    Steps of a release: its commits are pushed to the branch, a draft gets all assets, the tag is created, the
    draft is published, and the result is checked. Each step detects what an earlier attempt has done: after a
    failure, start it again. Without `gh`, or on another service, the tag is the release.

    A person's commits on the branch of a pull request are never overwritten.

    \b
    Examples:
      waypost ci publish /tmp/delivery
      waypost ci publish /tmp/delivery --pull-request     for a protected branch
      waypost ci publish /tmp/delivery --to https://github.com/org/components     as it was prepared
    """
    told = Told(Console(stderr=as_json), summary, as_json)
    arrive(ready(folder, to), place, told, to=to, pull_request=pull_request)
    return 0


@ci.command()
@_release_options
@_pull_request
def release(folder: Path, pull_request: bool, summary: Path | None, as_json: bool, **wish: Any) -> int:
    """Prepare a release and publish it, in one go.

    The same as `prepare` and `publish`, for a CI without jobs of different permissions.

    \b
    Examples:
      waypost ci release
      waypost ci release --pull-request
    """
    deliver(folder, wish, Told(Console(stderr=as_json), summary, as_json), pull_request=pull_request)
    return 0


@ci.command()
@click.argument("version", default="latest")
@product_option
@env_option
@_summary
@as_json_option
def reproduce(version: str, folder: Path, env: str, summary: Path | None, as_json: bool) -> int:
    """Execute a release of this repository from its tag in a clean folder, and compare the results.

    As `waypost reproduce ORIGIN[#FOLDER]@VERSION` does. Exit code 1 if anything differs.
    """
    top = ready(folder)
    console = Console(stderr=as_json)
    place = read_product(folder).place_of_tags
    target = parse_target(f"{git.origin_of(top)}{place and '#'}{place}@{version}", str(top))
    if target is None:
        raise UsageError(f"{git.origin_of(top)}: releases are reproduced from the URL of their repository")
    with scratch() as temp:
        here = Path.cwd()
        try:
            found = execute(target, temp, runs.reporter_for(console), record=None, env=env)
        finally:
            os.chdir(here)
    report.summarise(summary, report.reproduction_page(found))
    if as_json:
        write_document(sys.stdout, ReproductionDocument(found.is_equal, found.comparisons))
    else:
        show_reproduction(console, found)
    return 0 if found.is_equal else 1


@ci.command("update-pins")
@pipeline_argument
@_place
@_branch
@env_option
@_summary
@as_json_option
def update_pins(folder: Path, place: Path, branch: str, env: str, summary: Path | None, as_json: bool) -> int:
    """Prepare the pull request that moves a pipeline's pins, with changes and metrics before and after.

    Exit code 0: nothing is newer, the pull request already says so, or a delivery is ready. 1: a component
    keeps its pin because the new version does not fit, or the pipeline does not run with the new ones; the
    rest is ready. 3: a remote does not answer. 4: a tag or its content differs from the lock.

    \b
    Example:
      waypost ci update-pins pipeline -o /tmp/delivery && waypost ci publish /tmp/delivery
    """
    ready(folder)
    console = Console(stderr=as_json)
    found = prepare_pins(folder, place, branch, runs.reporter_for(console), env=env)
    return _told(found, place, console, summary, as_json=as_json)


@ci.command("update-locks")
@click.argument("command")
@product_option
@_place
@_branch
@_summary
@as_json_option
def update_locks(
    command: str, folder: Path, place: Path, branch: str, summary: Path | None, as_json: bool
) -> int:
    """Prepare the pull request with the changes of COMMAND, such as updated locks.

    \b
    Example:
      waypost ci update-locks "make requirements" -o /tmp/delivery && waypost ci publish /tmp/delivery
    """
    top = ready(folder)
    found = prepare_locks(top, place, branch, command)
    return _told(found, place, Console(stderr=as_json), summary, as_json=as_json)


def _told(found: Prepared, place: Path, console: Console, summary: Path | None, *, as_json: bool) -> int:
    line(console, escape(found.why))
    report.give({"delivery": str(found.delivery is not None).lower()})
    if found.delivery:
        report.show_delivery(console, found.delivery, place)
        report.summarise(summary, report.delivery_page(found.delivery))
    if as_json:
        write_document(sys.stdout, found)
    return 0 if found.is_sound else 1


@ci.command()
@click.argument("repository", metavar="[OWNER/NAME]", default="")
@_branch
@click.option("--tags", default="v*", show_default=True, help="Pattern of the release tags.")
@click.option(
    "--check", "check_name", default="check / check", show_default=True, help="Name of the required check."
)
@click.option("--package", is_flag=True, help="Add the environment from which a package goes to PyPI.")
@click.option("--print", "_", is_flag=True, help="Print the script: the default, and all that is ever done.")
def settings(repository: str, branch: str, tags: str, check_name: str, package: bool, _: bool) -> None:
    """Print the script that sets a repository on GitHub up: rules, environment, immutable releases.

    The repository is that of origin unless it is named. Nothing is changed: read the script, then run it.

    \b
    Example:
      waypost ci settings org/grades > settings.sh
    """
    origin = git.origin_of(Path())
    place = repository or slug_of(origin)
    if not is_slug(place):
        raise UsageError(
            f"{redacted(place or origin)} is no repository on GitHub", hint="name it: OWNER/NAME"
        )
    text = github.script(place, branch=branch, tags=tags, check=check_name, is_package=package)
    click.echo(text, nl=False)
