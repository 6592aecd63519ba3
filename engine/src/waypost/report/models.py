"""How a registered model is shown."""

from __future__ import annotations

from waypost.contracts.mlmodel import MLmodel
from waypost.report.common import columns, line
from waypost.report.console import Console, escape
from waypost.tracking.registry import ModelVersion


def show_info(console: Console, version: ModelVersion, mlmodel: MLmodel) -> None:
    """Prints where a registered model comes from."""
    aliases = f" ({escape(', '.join(version.aliases))})" if version.aliases else ""
    line(console, f"[bold]{escape(version.name)}/{version.version}[/]{aliases}, made by run {version.run_id}")
    prefix = "waypost."
    tags = {k.removeprefix(prefix): v for k, v in sorted(version.tags.items()) if k.startswith(prefix)}
    rows = [(f"  [dim]{escape(name)}[/]", escape(value)) for name, value in tags.items()]
    kinds = ", ".join(f"{c.name}: {c.type}" for c in mlmodel.outputs) or "not said"
    rows.append(("  [dim]answers[/]", escape(kinds)))
    rows.append(("  [dim]columns[/]", escape(", ".join(f"{c.name}: {c.type}" for c in mlmodel.inputs))))
    columns(console, rows)
