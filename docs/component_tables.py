"""Writes the tables of the components' READMEs from their MLproject files (`make docs`)."""

import re
import sys
from pathlib import Path

from waypost.contracts.component import Component, Parameter, parse_component
from waypost.contracts.escaping import markdown_code, one_line

LIBRARY = Path(__file__).parents[1] / "components-repo"
_BLOCK = re.compile(r"<!-- contract -->.*<!-- /contract -->", re.DOTALL)


def contract_block(component: Component) -> str:
    """Returns the tables of parameters, outputs and metrics, between their two marks."""
    entry_point = component.entry_points["main"]
    lines = ["<!-- contract -->", "| parameter | type | default | what it is |", "|---|---|---|---|"]
    for name, parameter in entry_point.parameters.items():
        kind, default = _kind(parameter), _default(parameter)
        lines.append(f"| {_code(name)} | {kind} | {default} | {_prose(parameter.description)} |")
    lines += ["", "| output | artifact | what it is |", "|---|---|---|"]
    for name, output in entry_point.outputs.items():
        lines.append(f"| {_code(name)} | {_code(output.path)} | {_prose(output.description)} |")
    lines += ["", "| metric | what it is |", "|---|---|"]
    lines += [f"| {_code(name)} | {_prose(text)} |" for name, text in entry_point.metrics.items()]
    return "\n".join([*lines, "<!-- /contract -->"])


def updated(readme: str, component: Component) -> str:
    """Returns the README with its tables as the contract says."""
    return _BLOCK.sub(lambda _: contract_block(component), readme)


def _kind(parameter: Parameter) -> str:
    notes = [str(parameter.type)]
    if parameter.choices:
        notes.append(" or ".join(_code(str(choice)) for choice in parameter.choices))
    if parameter.minimum is not None and parameter.maximum is not None:
        notes.append(f"{parameter.minimum:g} to {parameter.maximum:g}")
    elif parameter.minimum is not None:
        notes.append(f"at least {parameter.minimum:g}")
    return ", ".join(notes)


def _default(parameter: Parameter) -> str:
    if parameter.is_required:
        return "required"
    if parameter.default in ("", "/dev/null"):
        return "none"
    default = str(parameter.default)
    return _code(default.lower() if parameter.type == "bool" else default)


def _code(text: str) -> str:
    return markdown_code(text, in_table=True)


def _prose(text: str) -> str:
    """Returns a description, which is Markdown itself, for a cell."""
    return one_line(text).replace("|", "\\|")


def main() -> int:
    for project in sorted(LIBRARY.glob("*/MLproject")):
        component = parse_component(project.read_text(encoding="utf-8"), str(project))
        readme = project.with_name("README.md")
        readme.write_text(updated(readme.read_text(encoding="utf-8"), component), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
