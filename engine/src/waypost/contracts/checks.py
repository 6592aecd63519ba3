"""What is wrong with a contract in itself, whoever uses it."""

from __future__ import annotations

from waypost.contracts.command import command_problems
from waypost.contracts.component import FILE, Component, EntryPoint, argument_text
from waypost.errors import Finding


def contract_findings(component: Component, place: str) -> list[Finding]:
    """Returns what is wrong in any entry point of a component; `place` is its folder."""
    return [
        Finding(f"{place}/{FILE}: entry_points.{name}.{key}", problem, hint)
        for name, entry_point in component.entry_points.items()
        for key, problem, hint in entry_point_problems(entry_point)
    ]


def entry_point_problems(entry_point: EntryPoint) -> list[tuple[str, str, str]]:
    """Returns what is wrong with an entry point: (key, problem, what mends it)."""
    found = [("command", *pair) for pair in command_problems(entry_point.command, entry_point.parameters)]
    for name, parameter in entry_point.parameters.items():
        if parameter.is_required:
            continue
        try:
            argument_text(parameter, parameter.default)
        except ValueError as error:
            found.append((f"parameters.{name}.default", str(error), ""))
    return found
