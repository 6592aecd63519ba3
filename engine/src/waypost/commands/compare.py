"""`waypost compare`: what differs between two runs, and why."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from waypost.batch.changed_predictions import prediction_changes
from waypost.commands.options import as_json_option
from waypost.commands.report import writable, write_page
from waypost.pages.comparison_page import comparison_page
from waypost.report.common import write_document
from waypost.report.comparison import comparison_markdown, show_comparison
from waypost.report.console import Console
from waypost.tracking.connection import tracking_errors
from waypost.tracking.registry import Registry
from waypost.tracking.run_facts import compared, run_facts


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--markdown", "as_markdown", is_flag=True, help="Write Markdown to stdout, for a pull request.")
@click.option("--html", "html", metavar="FILE", help="Write a page to FILE (`-` is stdout).")
@as_json_option
def compare(before: str, after: str, as_markdown: bool, html: str | None, as_json: bool) -> None:
    """Show what differs between two pipeline runs, and why.

    BEFORE and AFTER are IDs of runs, or releases (1.4.13, URL@1.4.13), of which the newest finished run
    counts. Metrics, parameters, data, components with their interfaces, environments and results are
    compared; what is equal is not shown. A metric is better or worse where the component's contract says
    which side is; times are left out. Where a contract declares predictions, their rows are compared one by
    one.

    \b
    Examples:
      waypost compare 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210
      waypost compare 1.4.13 1.5.0
      waypost compare 1.4.13 runs:/0123456789abcdef0123456789abcdef --markdown
      waypost compare 1.4.13 1.5.0 --html comparison.html
    """
    target = writable(Path(html)) if html and html != "-" else None
    with tracking_errors():
        registry = Registry()
        facts = [run_facts(registry, each) for each in (before, after)]
        found = replace(compared(*facts), predictions=prediction_changes(registry, *facts))
    if as_json:
        write_document(sys.stdout, found)
    elif html:
        write_page(comparison_page(found, before, after), target)
    elif as_markdown:
        sys.stdout.write(comparison_markdown(found, before, after))
    else:
        show_comparison(Console(), found, before, after)
