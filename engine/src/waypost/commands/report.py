"""`waypost report`: the page of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.errors import UsageError
from waypost.pages.frame import is_ours
from waypost.pages.run_page import run_page
from waypost.report.common import line
from waypost.report.console import Console, escape
from waypost.runs.outcomes import PAGE
from waypost.sources.files import write_text
from waypost.tracking.connection import tracking_errors
from waypost.tracking.registry import Registry
from waypost.tracking.report_facts import report_of
from waypost.tracking.run_facts import run_in, run_named

_FIRST = 4096  # characters of a file that say whether it is a page of ours


@click.command()
@click.argument("run", default="")
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    metavar="FILE",
    help="File to write; `-` is stdout. A file that is no report is never overwritten.",
)
@click.option(
    "--against",
    default="",
    metavar="RUN",
    help="Run or release to compare with. [default: the last release before it, else the run before it]",
)
def report(run: str, output: str, against: str) -> None:
    """Write the page of a run: one HTML file that needs nothing but itself.

    RUN is the ID of a run or a sweep, or a release (1.4.13, URL@1.4.13), of which the newest finished run
    counts; without it, the newest run of a pipeline counts. The page says how the run ended, how good its
    result is and what changed, of which data it is, and how to make it again; then what each step did. Every
    run logs its own page as the artifact report.html, unless its pipeline.yaml says `report: false`.

    \b
    Examples:
      waypost report
      waypost report 0123456789abcdef0123456789abcdef -o /tmp/run.html
      waypost report 1.5.0 --against 1.4.13
    """
    target = None if output == "-" else writable(Path(output))
    with tracking_errors():
        registry = Registry()
        page = _page(registry, run, against)
    write_page(page, target)


def _page(registry: Registry, run: str, against: str) -> str:
    """Returns the page of a pipeline run; that of a sweep is the one that it made at its end."""
    if run and registry.is_sweep(run_id := run_in(registry, run)):
        kept = registry.file(run_id, PAGE)
        if kept is None:
            raise UsageError(f"sweep {run_id} has no page", hint="run the same sweep again: it goes on")
        return kept.read_text(encoding="utf-8")
    run_id = run_named(registry, run) if run else registry.newest_pipeline_run()
    return run_page(report_of(run_id, run_named(registry, against) if against else ""))


def writable(target: Path) -> Path:
    """Returns a file that a page may be written to. Raises UsageError for a file of somebody's."""
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint=f"name a file: -o {target}/report.html")
    if target.exists():
        with target.open(encoding="utf-8", errors="replace") as file:
            if not is_ours(file.read(_FIRST)):
                raise UsageError(f"{target} is there and is no report", hint="name another file: -o FILE")
    return target


def write_page(page: str, target: Path | None) -> None:
    """Writes a page to a file and says so, or to stdout."""
    if target is None:
        sys.stdout.write(page)
        return
    write_text(target, page)
    line(Console(), f"{escape(str(target))}: {len(page.encode()):,} bytes")
