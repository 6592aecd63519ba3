"""How runs that nothing needs are shown."""

from __future__ import annotations

import time

from waypost.pins.last_look import age
from waypost.report.common import columns, counted, line
from waypost.report.console import Console, escape
from waypost.runs.garbage import Collected, Unneeded


def show_collected(console: Console, found: Collected) -> None:
    """Prints each run with its bytes, why the others are kept, and the command that comes next."""
    now = time.time()
    if found.unneeded:
        columns(console, [_row(run, now) for run in found.unneeded])
    for why, count in sorted(found.kept.items()):
        line(console, f"kept: {counted(count, 'run')}, {why}")
    total = f"{counted(len(found.unneeded), 'run')} that nothing needs, {_megabytes(found.bytes)}"
    if not found.deleted:
        line(console, f"[bold]{total}[/]{'; nothing was deleted: --yes does that' if found.unneeded else ''}")
        return
    line(console, f"[bold]{total}[/]: deleted")
    if found.unneeded:
        line(console, f"  free their bytes: {escape(found.freeing)}")
        restored = "mlflow runs restore --run-id ID (its models stay deleted)"
        line(console, f"  bring one back before that: {restored}")


def _row(run: Unneeded, now: float) -> tuple[str, ...]:
    noun = "run" if run.kind == "pipeline" else run.kind
    below = f" with {counted(run.runs - 1, 'run')} below it" if run.runs > 1 else ""
    ended = f"{run.status.lower()} {age(now - run.ended)} ago"
    what = f"{noun} of {run.pipeline}" if run.pipeline else noun
    return (run.run_id, escape(what), ended + below, _megabytes(run.bytes).rjust(12))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
