"""`waypost bundle`, `verify-bundle`: a release in one file."""

from __future__ import annotations

from pathlib import Path

import click

from waypost.ci.engine_wheels import bring_engine
from waypost.ci.provenance import Asked, provenance_of, require_proved
from waypost.commands.options import attestation_options, released
from waypost.release import bundle as bundles
from waypost.release.open_bundle import verify_bundle as check
from waypost.report.common import counted, line, notifier
from waypost.report.console import Console, escape

_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("target", metavar="URL[#FOLDER]@VERSION")
@click.option("-o", "--output", "file", required=True, metavar="FILE", type=_file, help="File to write.")
@click.option(
    "--env",
    type=click.Choice(["uv", "local"]),
    default="uv",
    show_default=True,
    help="uv: include the wheels of every environment; local: leave them out, for `run --env local`.",
)
@click.option(
    "--engine",
    is_flag=True,
    help="Include Waypost and what it needs, so that a machine with Python and uv can start.",
)
def bundle(target: str, file: Path, env: str, engine: bool) -> None:
    """Pack a release with everything that it needs to run on a machine without network.

    A bundle holds code, components, lock, data, the wheels of every environment for this platform, and
    checksums. The same content gives the same bytes. If anything is missing, nothing is written.

    \b
    Example:
      waypost bundle https://github.com/org/grades@1.4.13 -o grades.tar
      waypost run grades.tar

    \b
    A machine that has only Python and uv, of a bundle made with --engine:
      tar -xf grades.tar wheels && uv venv
      uv pip install --no-index --find-links wheels --require-hashes -r wheels/waypost.txt
      .venv/bin/waypost run grades.tar
    """
    parsed = released(target)
    console = Console()
    facts = bundles.bundle(
        parsed, file, notifier(console), wheels=env == "uv", bring=bring_engine if engine else None
    )
    size = file.stat().st_size / 1e6
    line(
        console,
        escape(f"{file}: {facts.name} {facts.version}, {counted(len(facts.files), 'file')}, {size:.1f} MB"),
    )


@click.command("verify-bundle")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@attestation_options
def verify_bundle(file: Path, attestation: bool, repository: str, signer_repo: str) -> None:
    """Check a bundle as `run` would: archive, list, every byte and tree, record, lock and plan.

    Nothing is unpacked into the cache. Exit code 4 if anything is missing, differs or is not listed. Where it
    is from, a bundle says itself: --attestation has that proved, --repo says which repository it has to be.

    \b
    Examples:
      waypost verify-bundle grades.tar
      waypost verify-bundle grades.tar --attestation --repo org/grades
    """
    facts = check(file)
    line(
        Console(),
        "[green]✓[/] "
        + escape(f"{file}: {facts.name} {facts.version}, {counted(len(facts.files), 'file')} as listed"),
    )
    if attestation:
        found = provenance_of(file, str(file), facts.url, Asked(repository, signer_repo))
        require_proved(found)
        line(Console(), f"[green]✓[/] made by a workflow, as {escape(found.repository)} attests")
