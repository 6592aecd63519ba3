"""Problems of an entry point itself, independent of the pipelines that use it."""

from __future__ import annotations

from collections.abc import Iterator

from waypost.contracts.argument_values import argument_text
from waypost.contracts.command import command_problems
from waypost.contracts.component import NUMBERS, EntryPoint
from waypost.contracts.fits import parameter_problems
from waypost.errors import did_you_mean


def entry_point_problems(entry_point: EntryPoint) -> list[tuple[str, str, str]]:
    """Returns the problems of an entry point: (key, problem, remedy)."""
    found = [("command", *pair) for pair in command_problems(entry_point.command, entry_point.parameters)]
    for name, parameter in entry_point.parameters.items():
        found += [(f"parameters.{name}.sha256", *pair) for pair in _digest_problems(entry_point, name)]
        found += parameter_problems(entry_point.parameters, name)
        if parameter.schema_ and parameter.type != "path":
            found.append((f"parameters.{name}.schema", f"type {parameter.type} is not a file", "type: path"))
        for key in ("minimum", "maximum"):
            if getattr(parameter, key) is not None and parameter.type not in NUMBERS:
                problem = f"type {parameter.type} is not a number, so it has no range"
                found.append((f"parameters.{name}.{key}", problem, did_you_mean(parameter.type, NUMBERS)))
        if parameter.is_required:
            continue
        try:
            argument_text(parameter, parameter.default)
        except ValueError as error:
            hint = "another default, or another range or choices"
            found.append((f"parameters.{name}.default", str(error), hint))
    return found


def _digest_problems(entry_point: EntryPoint, name: str) -> Iterator[tuple[str, str]]:
    """Yields problems with the `sha256` of a parameter, which names the parameter with its digest."""
    parameter, texts = entry_point.parameters[name], _texts(entry_point)
    if not parameter.sha256:
        return
    if parameter.format != "uri" and parameter.type not in ("path", "uri"):
        yield f"type {parameter.type} has no content to verify", "only an address has: format: uri"
    if parameter.sha256 not in entry_point.parameters:
        yield f"no parameter {parameter.sha256!r}", did_you_mean(parameter.sha256, texts)
    elif parameter.sha256 not in texts or parameter.sha256 == name:
        yield f"{parameter.sha256!r} cannot hold a digest", "name a parameter of type string"


def _texts(entry_point: EntryPoint) -> list[str]:
    return [n for n, p in entry_point.parameters.items() if p.type == "string" and p.format != "uri"]
