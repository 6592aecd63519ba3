"""`waypost release`: cut a version, yank one, record its run, check its records and tags."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from waypost.commands.delivering import Told, deliver
from waypost.commands.options import as_json_option, product_option
from waypost.errors import FindingsError, UsageError
from waypost.release import cut, records, tags
from waypost.release.kinds import read_product
from waypost.release.preflight import findings_before
from waypost.release.proving import failing
from waypost.release.recording import RecordRequest, write_run_record
from waypost.report.common import counted, line, notifier, show_finding, write_document
from waypost.report.console import Console, escape
from waypost.report.release import show_next_version, show_rehearsal, show_tags


class _Bumps(click.Group):
    """`waypost release --dry-run` means `waypost release auto --dry-run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["auto", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Bumps)
def release() -> None:
    """Cut a release: check, bump the version, rotate the changelog, write the record, commit, tag.

    The bump defaults to `auto`: the smallest one that the interface changes since the last release demand. A
    smaller one is refused, with the list of breaking changes. If anything fails, the repository stays as it
    was. For the options see `waypost release auto --help`.

    \b
    Examples:
      waypost release --dry-run          what would be released, and why
      waypost release                    the smallest version that the changes allow
      waypost release --run              once tests and examples of all components have passed
      waypost release minor --push       commit and tag, atomically
      waypost release --pull-request     where the branch takes nothing but pull requests
      waypost release -C engine          a Python package, or a library, in a folder of the repository
      waypost release yank 1.2.0 --reason "leaks memory"
      waypost release tags --restore     tags that a clone lacks
    """


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of all bumps."""
    for option in reversed(
        (
            product_option,
            click.option("--dry-run", is_flag=True, help="Check and tell, change nothing."),
            click.option(
                "--run",
                "executes",
                is_flag=True,
                help="Execute tests and examples of the components first, as `waypost check --run` does, and "
                "refuse what fails.",
            ),
            click.option("--push", is_flag=True, help="Push commit and tag to origin, both or none."),
            click.option(
                "--pull-request",
                is_flag=True,
                help="Open a pull request on origin instead, for a protected branch: with the results of the "
                "release's run, as `waypost ci release --pull-request` does. Merged, CI publishes it.",
            ),
            click.option(
                "--env",
                type=click.Choice(["uv", "local"]),
                default="uv",
                show_default=True,
                help="With --pull-request: environments of the release's run.",
            ),
            click.option(
                "--branch", default="main", show_default=True, help="Releases come from this branch."
            ),
            click.option("--offline", is_flag=True, help="Ask neither origin nor the components' remotes."),
            as_json_option,
        )
    ):
        function = option(function)
    return function


def _released(bump: str, pull_request: bool, env: str, executes: bool, **options: Any) -> int:
    """Cuts a release, proposes it, or tells what it would be; returns the exit code."""
    if executes and (failed := failing(options["folder"], notifier(Console(stderr=options["as_json"])))):
        raise FindingsError(failed, consequence="nothing was released")
    if pull_request and not options["dry_run"]:
        if options["push"] or options["offline"]:
            raise UsageError("--pull-request goes to origin by itself: without --push and --offline")
        told = Told(Console(stderr=options["as_json"]), None, options["as_json"])
        wish = {"bump": bump, "branch": options["branch"], "env": env, "new": True}
        deliver(options["folder"], wish, told, pull_request=True)
        return 0
    return _cut(bump, **options)


def _cut(
    bump: str, folder: Path, dry_run: bool, push: bool, branch: str, offline: bool, as_json: bool
) -> int:
    """Cuts a release, or tells what it would be; returns the exit code."""
    console = Console(stderr=as_json)
    product = read_product(folder)
    following = cut.next_version(product, bump)  # type: ignore[arg-type]
    show_next_version(console, product, following)
    for remark in product.remarks():
        notifier(console)(remark)
    findings = findings_before(product, following.version, branch, notifier(console), offline=offline)
    if findings:
        raise FindingsError(findings, consequence="nothing was released")
    if advice := product.advice():
        rules = ", ".join(sorted({finding.category for finding in advice}))
        where = "" if folder == Path() else f" {folder}"
        notifier(console)(
            f"{counted(len(advice), 'finding')} that a release allows ({rules}): waypost check{where}"
        )
    released = cut.cut(
        product, following, branch, notifier(console), push=push, offline=offline, rehearsal=dry_run
    )
    if dry_run:
        show_rehearsal(console, released)
        if as_json:
            rehearsed = cut.Rehearsed(**vars(following), notes=released.notes, files=released.files)
            write_document(sys.stdout, rehearsed)
        line(console, "nothing stands in the way; without --dry-run it would be released")
        return 0
    if as_json:
        write_document(sys.stdout, released)
        return 0
    tag = f"tag {released.tag}" if released.tag else "its tag is made by `waypost components export`"
    line(console, f"[green]✓[/] released [bold]{released.version}[/]: commit {released.commit[:12]}, {tag}")
    line(console, f"  record: {escape(str(released.record))}")
    if released.tag and not released.pushed:
        line(console, f"  publish it: git push --atomic origin {escape(branch)} {released.tag}")
    return 0


def _add(bump: str, text: str) -> None:
    @release.command(bump, help=text)
    @_options
    def command(**options: Any) -> int:
        return _released(bump, **options)


_add("auto", "Bump as the interface changes demand.")
_add("patch", "X.Y.Z+1; refused if something was added, changed or broken.")
_add("minor", "X.Y+1.0; refused if something broke.")
_add("major", "X+1.0.0.")


@release.command()
@click.argument("version")
@click.option("--reason", required=True, help="Why the version should not be used.")
@click.option("--push", is_flag=True, help="Push the commit to origin.")
@product_option
def yank(version: str, reason: str, push: bool, folder: Path) -> None:
    """Withdraw a version: new locks refuse it, runs that have it locked warn.

    The yank is committed, and takes effect once it is on the default branch.

    \b
    Example:
      waypost release yank 1.2.0 --reason "leaks memory" --push
    """
    product = read_product(folder)
    commit = records.yank(product, version, reason, push=push)
    line(Console(), f"[green]✓[/] yanked [bold]{escape(version)}[/]: commit {commit[:12]}")
    if not push:
        line(Console(), "  it counts once it is on the default branch: git push origin HEAD")


@release.command()
@click.argument("version")
@click.option(
    "--run",
    "run_id",
    default="",
    metavar="ID",
    help="ID of the MLflow run, whatever its parameters. [default: the newest run with the "
    "release's own parameters]",
)
@click.option(
    "--tracking-uri",
    "uri",
    default="",
    metavar="URI",
    help="Tracking server of the run. [default: MLFLOW_TRACKING_URI, else where this machine ran "
    "the release]",
)
@click.option("--supersede", default="", metavar="WHY", help="Why the existing run record is wrong.")
@product_option
def record(version: str, folder: Path, **request: str) -> None:
    """Record the results of a release's production run in releases/VERSION.run.json.

    The run must be a complete one of `waypost run URL@VERSION`. The record keeps its parameter overrides;
    `waypost reproduce` applies them and compares the results. Records never change: a wrong one is superseded
    by releases/VERSION.run.2.json, which names it and says why.

    \b
    Examples:
      waypost run https://github.com/org/grades@1.4.13 && waypost release record 1.4.13
      waypost release record 1.4.13 --run 0123456789abcdef0123456789abcdef --supersede "of other data"
    """
    file = write_run_record(read_product(folder), RecordRequest(version, **request))
    line(Console(), escape(f"{file} written; commit and push it"))


@release.command("check-records")
@product_option
def check_records(folder: Path) -> int:
    """Check that no record was ever changed or removed; exit code 4 if one was."""
    console = Console()
    product = read_product(folder)
    found = records.tampered(product)
    for finding in found:
        show_finding(console, finding)
    if not found:
        line(console, f"[green]✓[/] {counted(len(product.records), 'record')} as they were written")
    return 4 if found else 0


@release.command("tags")
@click.option(
    "-C",
    "--folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the product. [default: all products of the current repository]",
)
@click.option("--restore", is_flag=True, help="Restore missing tags: from origin, else from the records.")
@click.option("--push", is_flag=True, help="Push the tags that origin lacks, all or none.")
@click.option("--offline", is_flag=True, help="Do not ask origin which tags it has.")
@as_json_option
def tags_(folder: Path | None, restore: bool, push: bool, offline: bool, as_json: bool) -> int:
    """List the tags of all recorded releases, or restore them.

    A clone may lack tags; the records in releases/ tell which commits they belong to. Every machine makes the
    same tag from a record. An existing tag is never moved.

    Exit code 1 if a tag is missing, 4 if one is at another commit than its record's.

    \b
    Examples:
      waypost release tags                     which are there, which are missing
      waypost release tags --restore           in a clone without tags
      waypost release tags --restore --push    for all others, too
    """
    if push and offline:
        raise UsageError("--push asks origin, --offline does not: one of them")
    products = [read_product(folder)] if folder else tags.products_of(Path())
    found = tags.restore(products, offline=offline) if restore else tags.list_tags(products)
    if push:
        found = tags.push(products, found)
    if as_json:
        write_document(sys.stdout, found)
    else:
        show_tags(Console(), found)
    return found.exit_code
