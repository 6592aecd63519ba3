"""`waypost release`, `semver-check`: cut a version, or ask which one a change demands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from waypost.commands.options import as_json_option
from waypost.errors import FindingsError, UsageError
from waypost.release import cut, records, tags
from waypost.release.check import semver
from waypost.release.kinds import read_subject
from waypost.release.recording import Wish, write_run_record
from waypost.release.run_record import signature_of_run
from waypost.report.common import counted, line, sayer, show_finding, write_document
from waypost.report.console import Console, escape
from waypost.report.release import show_semver, show_step, show_tags

_folder = click.option(
    "-C",
    "--folder",
    default=".",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The library, pipeline repository or Python package; default: this folder.",
)


class _Bumps(click.Group):
    """`waypost release --dry-run` means `waypost release auto --dry-run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["auto", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Bumps)
def release() -> None:
    """Cut a release: check, raise the version, rotate the changelog, write the record, commit, tag.

    Without a bump, `auto`: the least one that the interface change since the last release demands.
    Less than that is refused, with the list of what broke. Whatever fails, the repository stays as
    it was. The options are those of `waypost release auto --help`.

    \b
    Examples:
      waypost release --dry-run          what would be released, and why
      waypost release                    the least version that is honest
      waypost release minor --push       push commit and tag, both or none
      waypost release -C engine          a Python package, or a library, in a folder of the repository
      waypost release yank 1.2.0 --reason "leaks memory"
      waypost release tags --restore     the tags of all releases, in a clone without them
    """


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            _folder,
            click.option("--dry-run", is_flag=True, help="Check and tell, change nothing."),
            click.option("--push", is_flag=True, help="Push commit and tag to origin, both or none."),
            click.option(
                "--branch", default="main", show_default=True, help="Releases come from this branch."
            ),
            click.option("--offline", is_flag=True, help="Ask neither origin nor the components' remotes."),
            as_json_option,
        )
    ):
        function = option(function)
    return function


def _cut(
    wish: str, folder: Path, dry_run: bool, push: bool, branch: str, offline: bool, as_json: bool
) -> int:

    console = Console(stderr=as_json)
    subject = read_subject(folder)
    step = cut.next_step(subject, wish)  # type: ignore[arg-type]
    show_step(console, subject, step)
    for remark in subject.remarks():
        sayer(console)(remark)
    findings = cut.obstacles(subject, step.version, branch, sayer(console), offline=offline)
    if findings:
        raise FindingsError(findings, consequence="nothing was released")
    released = cut.cut(subject, step, branch, sayer(console), push=push, offline=offline, rehearsal=dry_run)
    if dry_run:
        if as_json:
            write_document(sys.stdout, step)
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


def _add(wish: str, text: str) -> None:
    @release.command(wish, help=text)
    @_options
    def command(**options: Any) -> int:
        return _cut(wish, **options)


_add("auto", "The least bump that the interface change demands.")
_add("patch", "X.Y.Z+1: refused where something was added, changed or broken.")
_add("minor", "X.Y+1.0: refused where something broke.")
_add("major", "X+1.0.0.")


@release.command()
@click.argument("version")
@click.option("--reason", required=True, help="Why nobody should use it.")
@click.option("--push", is_flag=True, help="Push the commit to origin.")
@_folder
def yank(version: str, reason: str, push: bool, folder: Path) -> None:
    """Say that nobody should start to use a version: new locks refuse it, old runs warn.

    The record is committed; it counts once it is on the default branch.

    \b
    Example:
      waypost release yank 1.2.0 --reason "leaks memory" --push
    """
    subject = read_subject(folder)
    commit = records.yank(subject, version, reason, push=push)
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
    help="The MLflow run, with whatever parameters it had. [default: the newest with the release's own]",
)
@click.option(
    "--tracking-uri",
    "uri",
    default="",
    metavar="URI",
    help="Where the run was made. [default: MLFLOW_TRACKING_URI, else where this machine ran the release]",
)
@click.option("--supersede", default="", metavar="WHY", help="Why the run record that is there is wrong.")
@_folder
def record(version: str, folder: Path, **wish: str) -> None:
    """Record what the production run of a release gave: releases/VERSION.run.json.

    The run must be a whole one of `waypost run URL@VERSION`. Parameters that it was given are kept in
    the record; `waypost reproduce` applies them, and compares with the record. Records do not change: a
    wrong one is superseded by releases/VERSION.run.2.json, which names it and says why.

    \b
    Examples:
      waypost run https://github.com/org/grades@1.4.13 && waypost release record 1.4.13
      waypost release record 1.4.13 --run 0123456789abcdef0123456789abcdef --supersede "of other data"
    """
    file = write_run_record(read_subject(folder), Wish(version, **wish))
    line(Console(), escape(f"{file} written; commit and push it"))


@release.command("check-records")
@_folder
def check_records(folder: Path) -> int:
    """Prove that no record was ever changed or removed; exit code 4 on a finding."""
    console = Console()
    subject = read_subject(folder)
    found = records.tampered(subject)
    for finding in found:
        show_finding(console, finding)
    if not found:
        line(console, f"[green]✓[/] {counted(len(subject.records), 'record')} as they were written")
    return 4 if found else 0


@release.command("tags")
@click.option(
    "-C",
    "--folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Of this product only; default: of all products of the repository here.",
)
@click.option("--restore", is_flag=True, help="Bring the missing ones: from origin, else from the records.")
@click.option("--push", is_flag=True, help="Push those that origin does not have, all or none.")
@click.option("--offline", is_flag=True, help="Do not ask origin which tags it has.")
@as_json_option
def tags_(folder: Path | None, restore: bool, push: bool, offline: bool, as_json: bool) -> int:
    """List the tags of all releases that have a record, or make them again.

    A clone may come without tags; the records in releases/ say which commits they belong to. Every machine
    makes the same tag of a record. A tag that is there is never moved.

    Exit code 1 where a tag is missing, 4 where one is at another commit than its record's.

    \b
    Examples:
      waypost release tags                     which are there, which are missing
      waypost release tags --restore           in a clone without tags
      waypost release tags --restore --push    for all others, too
    """
    if push and offline:
        raise UsageError("--push asks origin, --offline does not: one of them")
    subjects = [read_subject(folder)] if folder else tags.products_of(Path())
    found = tags.restore(subjects, offline=offline) if restore else tags.survey(subjects)
    if push:
        found = tags.push(subjects, found)
    if as_json:
        write_document(sys.stdout, found)
    else:
        show_tags(Console(), found)
    return found.exit_code


@click.command("semver-check")
@click.argument("base", required=False)
@_folder
@click.option("--base", "named", metavar="VERSION", help="The same as BASE.")
@click.option(
    "--bump",
    "--allow",
    "bump",
    type=click.Choice(["patch", "minor", "major"]),
    help="Is this bump enough? Exit code 1 where more is demanded.",
)
@click.option("--run", "run_id", metavar="ID", help="Compare the model of this pipeline run, too.")
@as_json_option
def semver_check(
    base: str | None, named: str | None, folder: Path, bump: str | None, run_id: str | None, as_json: bool
) -> int:
    """Compare interfaces with a release (BASE, default the newest) and tell the bump that they demand.

    What the changelog says is a floor: Added and Deprecated demand a minor version, Removed and BREAKING a
    major one.

    Exit code 1 where the version at hand, or --bump, is too small.

    \b
    Examples:
      waypost semver-check -C components-repo
      waypost semver-check -C engine
      waypost semver-check --base 1.0.0 --allow minor    a gate for pull requests
    """
    if base and named:
        raise UsageError("the release to compare with is named twice: BASE and --base")
    base = base or named
    console = Console(stderr=as_json)
    subject = read_subject(folder)
    signature = signature_of_run(subject, run_id) if run_id else None
    verdict = semver(subject, base, bump, signature)  # type: ignore[arg-type]
    for remark in subject.remarks():
        sayer(console)(remark)
    if as_json:
        write_document(sys.stdout, verdict)
    else:
        show_semver(console, verdict)
    return 0 if verdict.is_enough else 1
