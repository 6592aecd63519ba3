"""What every verb shows: lines, columns, errors, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import IO, Any

from pydantic_core import to_jsonable_python
from rich.text import Text

from waypost.errors import ErrorDocument, Finding, FindingsError, WaypostError
from waypost.report.console import Console, escape
from waypost.texts.escaping import terminal_json
from waypost.texts.json_text import writable

_SHORT = 90  # characters of a problem and its hint that share a line


def line(console: Console, text: str) -> None:
    """Prints markup as one line, however long.

    A foreign text may have several: those that follow are indented, so that none passes for one of ours.
    """
    console.print(text.rstrip("\n").replace("\n", "\n    "), soft_wrap=True, highlight=False)


def columns(console: Console, rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of markup as columns that are as wide as their texts: nothing is ever cut."""
    texts = [[Text.from_markup(cell, emoji=False) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*texts, strict=True)]
    for row in texts:
        padded = [cell + Text(" " * (width - cell.cell_len)) for cell, width in zip(row, widths, strict=True)]
        joined = Text("  ").join(padded)
        joined.rstrip()
        console.print(joined, soft_wrap=True, highlight=False)


def notifier(console: Console) -> Callable[[str], None]:
    """Returns the function by which slow work says what it does."""
    return lambda message: line(console, f"[dim]{escape(message)}[/]")


def warn(console: Console, message: str) -> None:
    """Prints a warning that is not overlooked."""
    line(console, f"[bold yellow]warning:[/] {escape(message)}")


def counted(count: int, noun: str) -> str:
    """Returns `1 component`, `2 components`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def show_error(console: Console, error: WaypostError) -> None:
    """Prints an error as lines that say what, where and what mends it."""
    if isinstance(error, FindingsError):
        for finding in error.findings:
            show_finding(console, finding)
        line(console, f"[bold red]{error.headline}[/]{error.consequence and ', '}{error.consequence}")
        return
    line(console, f"[bold red]error:[/] {escape(str(error))}")
    if error.hint:
        line(console, f"  {escape(error.hint)}")


def show_finding(console: Console, finding: Finding) -> None:
    """Prints where, what, and what mends it."""
    category = f"  [yellow]{finding.category}[/]" if finding.category else ""
    line(console, f"[red]✗[/] [bold]{escape(finding.place)}[/]{category}")
    if len(finding.problem) + len(finding.hint) < _SHORT:
        line(console, f"    {escape('; '.join(filter(None, (finding.problem, finding.hint))))}")
        return
    line(console, f"    {escape(finding.problem)}")
    if finding.hint:
        line(console, f"    [dim]→[/] {escape(finding.hint)}")


def error_document(error: WaypostError) -> str:
    """Returns an error as JSON."""
    findings = error.findings if isinstance(error, FindingsError) else ()
    return _document(asdict(ErrorDocument(str(error), error.hint, findings)))


def write_document(stream: IO[str], content: Any) -> None:
    """Writes values as one JSON document."""
    stream.write(_document(to_jsonable_python(content)) + "\n")


def _document(content: Any) -> str:
    return terminal_json(json.dumps(writable(content), indent=2, ensure_ascii=False, allow_nan=False))
