"""The command line of a component, generated from its MLproject: the contract is written once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

NOT_GIVEN = "/dev/null"
"""Default of an optional `path` parameter: stock MLflow insists that a path exists."""


class ComponentError(Exception):
    """Something that the user can mend; shown as one line, exit code `code`."""

    code = 1


def load_entry_point(project: Path, name: str = "main") -> dict[str, Any]:
    """Returns the entry point's contract: `parameters`, `outputs`, `metrics`, `command`."""
    contract: dict[str, Any] = yaml.safe_load(project.read_text(encoding="utf-8"))
    return dict(contract["entry_points"][name])


def build_parser(project: Path) -> argparse.ArgumentParser:
    """Returns the parser for the `main` entry point of an MLproject file."""
    entry_point = load_entry_point(project)
    parser = argparse.ArgumentParser(
        prog="run.py", description=entry_point.get("description"), allow_abbrev=False
    )
    for name, parameter in entry_point.get("parameters", {}).items():
        default = parameter.get("default")
        parser.add_argument(
            f"--{name}",
            type=_converter(parameter),
            required=default is None,
            default=default,
            metavar=parameter["type"].upper(),
            help=_help_text(parameter),
        )
    parser.add_argument("--debug", action="store_true", help="show the stack trace of an error")
    return parser


def split_names(value: str) -> list[str]:
    """Splits a comma-separated parameter: `"a, b"` is `["a", "b"]`, `""` is `[]`."""
    return [name.strip() for name in value.split(",") if name.strip()]


def _help_text(parameter: dict[str, Any]) -> str:
    notes = [str(parameter["description"])]
    if choices := parameter.get("choices"):
        notes.append("one of " + ", ".join(map(str, choices)))
    if parameter.get("default") not in (None, "", NOT_GIVEN):
        notes.append(f"default: {parameter['default']}")
    return " · ".join(notes).replace("%", "%%")


def _converter(parameter: dict[str, Any]) -> Callable[[str], Any]:
    convert = _CONVERTERS[parameter["type"]]

    def checked(text: str) -> Any:
        value = convert(text)
        choices = parameter.get("choices")
        if choices and value not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(map(str, choices))}")
        low, high = parameter.get("minimum", value), parameter.get("maximum", value)
        if not low <= value <= high:
            bound = f"less than {low}" if value < low else f"more than {high}"
            raise argparse.ArgumentTypeError(f"{text} is {bound}")
        return value

    checked.__name__ = parameter["type"]  # argparse names it in "invalid int value: 'x'"
    return checked


def _to_bool(text: str) -> bool:
    # MLflow turns YAML's `true` into "True".
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is not a bool: write true or false")
    return words[text.lower()]


_CONVERTERS: dict[str, Callable[[str], Any]] = dict.fromkeys(("path", "uri", "string"), str)
_CONVERTERS |= {"int": int, "float": float, "bool": _to_bool}
