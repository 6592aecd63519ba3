"""Writes the tables of the components' READMEs from their MLproject files (`make docs`)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from componentkit.arguments import NOT_GIVEN, load_entry_point

LIBRARY = Path(__file__).parents[1]
_BLOCK = re.compile(r"<!-- contract -->.*<!-- /contract -->", re.DOTALL)


def contract_block(entry_point: dict[str, Any]) -> str:
    """Returns the tables of parameters, outputs and metrics, between their two marks."""
    lines = ["<!-- contract -->", "| parameter | type | default | what it is |", "|---|---|---|---|"]
    for name, parameter in entry_point.get("parameters", {}).items():
        lines.append(
            f"| `{name}` | {_kind(parameter)} | {_default(parameter)} | {parameter['description']} |"
        )
    lines += ["", "| output | artifact | type | what it is |", "|---|---|---|---|"]
    for name, output in entry_point.get("outputs", {}).items():
        kind = output.get("type", "")
        lines.append(
            f"| {_code(name)} | {_code(output['path'])} | {kind} | {_prose(output['description'])} |"
        )
    lines += ["", "| metric | kind | better | unit | what it is |", "|---|---|---|---|---|"]
    for name, metric in entry_point.get("metrics", {}).items():
        facts = " | ".join(metric.get(key, "") for key in ("kind", "better", "unit"))
        lines.append(f"| {_code(name)} | {facts} | {_prose(metric['description'])} |")
    return "\n".join([*lines, "<!-- /contract -->"])


def updated(readme: str, entry_point: dict[str, Any]) -> str:
    """Returns the README with its tables as the contract says."""
    return _BLOCK.sub(lambda _: contract_block(entry_point), readme)


def _kind(parameter: dict[str, Any]) -> str:
    notes = [str(parameter["type"])]
    if choices := parameter.get("choices"):
        notes.append(" or ".join(_code(choice) for choice in choices))
    low, high = parameter.get("minimum"), parameter.get("maximum")
    if low is not None and high is not None:
        notes.append(f"{low:g} to {high:g}")
    elif low is not None:
        notes.append(f"at least {low:g}")
    elif high is not None:
        notes.append(f"at most {high:g}")
    return ", ".join(notes)


def _default(parameter: dict[str, Any]) -> str:
    default = parameter.get("default")
    if default is None:
        return "required"
    if default in ("", NOT_GIVEN):
        return "none"
    return _code(str(default).lower() if parameter["type"] == "bool" else default)


def _code(value: object) -> str:
    """Returns a value as code in a cell: between more backticks than there are in it."""
    text = _prose(str(value))
    fence = "`" * (max(map(len, re.findall(r"`+", text)), default=0) + 1)
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def _prose(text: str) -> str:
    """Returns a description, which is Markdown itself, for a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Writes the READMEs; with --check only tells which ones are stale, with exit code 1."""
    stale = []
    for project in sorted(LIBRARY.glob("*/MLproject")):
        readme = project.with_name("README.md")
        text = readme.read_text(encoding="utf-8")
        new = updated(text, load_entry_point(project))
        if new != text:
            stale.append(f"{project.parent.name}/README.md")
            if "--check" not in arguments:
                readme.write_text(new, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"not what MLproject says: {', '.join(stale)}; write them anew: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
