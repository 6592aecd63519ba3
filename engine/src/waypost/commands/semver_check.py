"""`waypost semver-check`: ask which version a change demands."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option, product_option
from waypost.errors import UsageError
from waypost.release.check import semver
from waypost.release.kinds import read_product
from waypost.release.run_record import signature_of_run
from waypost.report.common import notifier, write_document
from waypost.report.console import Console
from waypost.report.release import show_semver


@click.command("semver-check")
@click.argument("base", required=False)
@product_option
@click.option("--base", "named", metavar="VERSION", help="Same as BASE.")
@click.option(
    "--bump",
    "--allow",
    "bump",
    type=click.Choice(["patch", "minor", "major"]),
    help="Bump to judge; exit code 1 if more is demanded.",
)
@click.option("--run", "run_id", metavar="ID", help="ID of a pipeline run whose model is compared, too.")
@as_json_option
def semver_check(
    base: str | None, named: str | None, folder: Path, bump: str | None, run_id: str | None, as_json: bool
) -> int:
    """Compare interfaces with a release (BASE, default: the newest), and tell which bump they demand.

    The changelog sets a floor: Added and Deprecated demand a minor version, Removed and BREAKING a major one.

    Exit code 1 if the current version, or --bump, is too small.

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
    product = read_product(folder)
    signature = signature_of_run(product, run_id) if run_id else None
    verdict = semver(product, base, bump, signature)  # type: ignore[arg-type]
    for remark in product.remarks():
        notifier(console)(remark)
    if as_json:
        write_document(sys.stdout, verdict)
    else:
        show_semver(console, verdict)
    return 0 if verdict.is_enough else 1
