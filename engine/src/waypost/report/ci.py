"""How the work of CI is shown: lines in the log, Markdown on the job's page, outputs for later jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from waypost.ci import texts
from waypost.ci.checking import Checked
from waypost.ci.delivery import Delivery
from waypost.ci.publishing import Arrived
from waypost.release.reproduce import Reproduction
from waypost.report.common import columns, line, show_finding
from waypost.report.console import Console, escape

_OUTPUT = "GITHUB_OUTPUT"


def summarise(file: Path | None, text: str) -> None:
    """Adds Markdown to the page of the job, where there is one."""
    if file:
        with file.open("a", encoding="utf-8") as page:
            page.write(text.rstrip("\n") + "\n\n")


def give(outputs: Mapping[str, str]) -> None:
    """Gives later jobs of a workflow their values, where this is one of GitHub's."""
    if file := os.environ.get(_OUTPUT):
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.writelines(f"{name}={' '.join(value.split())}\n" for name, value in outputs.items())


def show_checked(console: Console, found: Checked) -> None:
    """Prints each check, and what it found."""
    marks = {0: "[green]✓[/]", 3: "[yellow]?[/]"}
    for check in found.checks:
        mark = marks.get(check.exit_code, "[red]✗[/]")
        line(console, f"{mark} [bold]{check.name}[/]: {escape(check.word)}")
        for finding in check.findings:
            show_finding(console, finding)


def show_delivery(console: Console, delivery: Delivery, place: Path) -> None:
    """Prints what is ready to be published."""
    line(
        console,
        f"[green]✓[/] {escape(delivery.title)} is ready in {escape(str(place))}",
    )
    columns(console, [(escape(name), f"[dim]{digest[:12]}[/]") for name, digest in delivery.assets.items()])


def show_arrived(console: Console, arrived: Arrived) -> None:
    """Prints how far each step had come, and what is there now."""
    columns(console, [(f"[green]✓[/] {name}", escape(done)) for name, done in arrived.steps])
    if arrived.url:
        line(console, escape(arrived.url))


def delivery_page(delivery: Delivery) -> str:
    """Returns what a job prepared, as Markdown."""
    rows = [(texts.cell(name), f"`{digest[:12]}`") for name, digest in delivery.assets.items()]
    return "\n".join(
        [f"### {texts.cell(delivery.title)}", "", delivery.body, *texts.table(("asset", "sha256"), rows)]
    )


def arrived_page(arrived: Arrived) -> str:
    """Returns what became of a delivery, as Markdown."""
    rows = [(name, texts.cell(done)) for name, done in arrived.steps]
    lines = [f"### {texts.cell(arrived.title)}", *texts.table(("step", "now"), rows)]
    return "\n".join([*lines, "", arrived.url])


def reproduction_page(found: Reproduction) -> str:
    """Returns how a release was reproduced, as Markdown: what is not equal, one by one."""
    rows = [
        (texts.cell(c.what), texts.cell(c.state), texts.cell(c.reason or f"{c.recorded} → {c.found}"))
        for c in found.comparisons
        if c.state != "equal"
    ]
    equal = sum(c.state == "equal" for c in found.comparisons)
    head = f"### {'✓ reproduced' if found.is_equal else '✗ not reproduced'}: {texts.cell(found.what)}"
    return "\n".join([head, "", f"{equal} equal", *texts.table(("what", "state", ""), rows)])
