"""How deployment is shown."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from waypost.batch import scoring
from waypost.batch.job import ScoringRun
from waypost.images.folder import Manifest
from waypost.inference.fetching import FetchedModel
from waypost.promotion.promote import Promotion
from waypost.report.closing import LONGEST_DIFFERENCE
from waypost.report.common import counted, line, warn
from waypost.report.console import Console, escape
from waypost.texts.limits import shortened

_LINE_SECONDS = 10.0


def show_service(console: Console, models: Mapping[str, FetchedModel], address: str) -> None:
    """Prints what is served where, the main model first."""
    main, *others = models.items()
    line(console, f"[green]✓[/] serving [bold]{escape(main[1].label)}[/] at {address}")
    for role, fetched in others:
        line(console, f"  {role}: [bold]{escape(fetched.label)}[/]")
    line(console, f"  try it: {address}/docs")


def show_image(console: Console, manifest: Manifest, folder: Path) -> None:
    """Prints what was written, and what to do with it."""
    model = manifest.model
    answers = "answered by its compiled form" if manifest.is_compiled else "answered by the original"
    line(console, f"[green]✓[/] [bold]{escape(model.label)}[/], {answers}, in {escape(str(folder))}")
    line(console, f"  build it: podman build -t {model.slug}:{model.tag} {escape(shlex.quote(str(folder)))}")


class ScoreBar(scoring.Progress):
    """A bar with rows a second and the time left in a terminal, elsewhere a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.fields[rows]:,} rows"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]:,.0f} rows/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._size = 1
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()

    def starting(self, rows: int | None, size: int) -> None:
        self._size = max(size, 1)
        self._began = self._told = time.monotonic()
        self._bar.start()
        self._bar.add_task("", total=self._size, rows=0, speed=0.0)
        if rows is not None and not self._console.is_terminal:
            line(self._console, f"{counted(rows, 'row')} to score")

    def advanced(self, rows: int, read: int) -> None:
        now = time.monotonic()
        speed = rows / max(now - self._began, 0.001)
        if self._console.is_terminal:
            self._bar.update(self._bar.task_ids[0], completed=read, rows=rows, speed=speed)
        elif now > self._told + _LINE_SECONDS:
            self._told = now
            share = read / self._size
            left = (now - self._began) * (1 - share) / max(share, 0.001)
            line(self._console, f"{rows:,} rows, {share:.0%}, {speed:,.0f} rows/s, {left:.0f} s left")


def show_promotion(console: Console, found: Promotion) -> None:
    """Prints which version an alias names now, and how it answers."""
    version = found.version
    if found.dirty:
        warn(console, f"some of its files were not committed: {found.dirty}; the run keeps the changes")
    for text in found.differing:
        line(console, escape(f"  differs from params.yaml: {shortened(text, LONGEST_DIFFERENCE)}"))
    for name, value in found.shown.items():
        line(console, f"  {escape(name)} {value:.4f}")
    proof = found.proved.proof
    if proof.is_equal:
        rows = proof.rows + proof.probes
        line(
            console,
            f"  compiled, and equal to the original on {rows:,} rows"
            f" (largest difference of a probability: {proof.largest_difference:.1g})",
        )
    else:
        line(console, f"  [yellow]not compiled[/]: {escape(proof.reason)}; the original answers")
    if found.is_current:
        line(console, f"{escape(version.name)}@{escape(found.alias)} is version {version.version} already")
        return
    name = escape(version.name)
    before = f", version {found.before.version} is the one before" if found.before else ""
    line(
        console,
        f"[green]✓[/] {name}@{escape(found.alias)} is version [bold]{version.version}[/]{before}",
    )
    line(console, f"  its card: model_card/{name}-{version.version}.md of run {version.run_id}")
    line(console, f"  serve it: waypost serve models:/{name}@{escape(found.alias)}")


def show_scored(console: Console, done: ScoringRun, output: str) -> None:
    """Prints how scoring went, and where the result is."""
    found = done.scored
    where = escape(output)
    rows = f"{found.rows:,} row{'' if found.rows == 1 else 's'}"
    if found.is_current:
        line(console, f"{where} is current: {rows} by {escape(done.model)}, nothing to do")
        return
    speed = found.rows / max(done.seconds, 0.001)
    line(
        console,
        f"[green]✓[/] {rows} by [bold]{escape(done.model)}[/] in {done.seconds:.1f} s"
        f" ({speed:,.0f} rows/s), {counted(found.parts, 'part')} in {where}",
    )
    if found.resumed:
        line(console, f"  {counted(found.resumed, 'part')} existed already")
    if found.skipped:
        line(console, f"  [yellow]{counted(found.skipped, 'row')} skipped[/]: {where}/_errors says why")
    if done.run_id:
        line(console, f"  MLflow run {done.run_id}")
