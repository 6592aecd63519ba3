"""Imports a package and describes its commands and documents; executed as a file, in a separate process.

It runs in the package's environment, which may not have Waypost: it uses the standard library and the
package's own dependencies (click, pydantic). It reads a request as a JSON document, and writes one as the
answer.
"""

from __future__ import annotations

import enum
import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

# Names of click's classes; whatever is not here is called as click calls it.
_TYPES = {
    "BoolParamType": "boolean",
    "IntParamType": "integer",
    "IntRange": "integer",
    "FloatParamType": "number",
    "FloatRange": "number",
    "StringParamType": "text",
    "Choice": "text",
    "Path": "path",
    "File": "path",
}


class IntrospectionError(Exception):
    """A one-line message about something unreadable."""


def main() -> None:
    """Answers one request; output of the package during its import goes to stderr."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        found = _answer(json.load(sys.stdin))
    except IntrospectionError as error:
        found = {"error": str(error)}
    json.dump(found, answer)
    answer.flush()
    # Threads and exit handlers that the package started are none of our business.
    os._exit(0)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    root = asked["root"]
    commands: dict[str, Any] = {}
    plain = []
    for name, reference in asked["commands"].items():
        command = _command(_object(reference, root))
        if command is None:
            plain.append(name)
        else:
            commands.update(_verbs(command, name, None))
    return {
        "commands": commands,
        "no_commands": plain,
        "exit_codes": {n: _number(n, r, root) for n, r in asked["exit_codes"].items()},
        "reads": {n: _schema(n, r, root, "validation") for n, r in asked["reads"].items()},
        "writes": {n: _schema(n, r, root, "serialization") for n, r in asked["writes"].items()},
    }


def _object(reference: str, root: str) -> Any:
    """Returns the object that `module:object.attribute` names, which must be in the tree below `root`."""
    name, _, attributes = reference.partition(":")
    try:
        found = importlib.import_module(name)
        for attribute in filter(None, attributes.split(".")):
            found = getattr(found, attribute)
    except BaseException as error:  # SystemExit of a script, too
        cause = f"{type(error).__name__}: {error}"
        raise IntrospectionError(f"{reference} cannot be imported: {' '.join(cause.split())}") from error
    top = sys.modules[name.partition(".")[0]]
    place = getattr(top, "__file__", None) or next(iter(top.__path__))
    if os.path.commonpath([os.path.realpath(place), os.path.realpath(root)]) != os.path.realpath(root):
        raise IntrospectionError(f"{reference}: imported from {place}, not from the source in {root}")
    return found


def _number(name: str, value: Any, root: str) -> int:
    found = _object(value, root) if isinstance(value, str) else value
    if not isinstance(found, int):
        raise IntrospectionError(f"exit code {name!r}: {value} is no number")
    return int(found)


def _schema(name: str, reference: str, root: str, mode: Any) -> dict[str, Any]:
    """Returns the JSON Schema of a document: a schema itself, or that of a pydantic type."""
    found = _object(reference, root)
    if isinstance(found, dict):
        return found
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class Written(GenerateJsonSchema):
        """Written documents contain all keys, including those with defaults."""

        def field_is_required(self, field: Any, total: bool) -> bool:
            if self.mode == "serialization" and field["type"] != "typed-dict-field":
                return field.get("serialization_exclude_if") is None
            return super().field_is_required(field, total)

    try:
        return TypeAdapter(found).json_schema(mode=mode, schema_generator=Written)
    except Exception as error:
        cause = " ".join(str(error).split())
        raise IntrospectionError(f"{name}: {reference} has no JSON Schema: {cause}") from error


def _command(found: Any) -> Any:
    """Returns the click command of an object or a Typer app, None for other objects."""
    if hasattr(found, "registered_commands"):
        return importlib.import_module("typer.main").get_command(found)
    return found if hasattr(found, "make_context") and hasattr(found, "params") else None


def _verbs(command: Any, name: str, above: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields a command and its subcommands by full name; groups may load theirs lazily."""
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=above)
    yield (
        name,
        {
            "options": [_option(p, context) for p in command.params if p.param_type_name == "option"],
            "arguments": [_argument(p, context) for p in command.params if p.param_type_name == "argument"],
        },
    )
    if hasattr(command, "list_commands"):
        for each in command.list_commands(context):
            if (below := command.get_command(context, each)) is not None:
                yield from _verbs(below, f"{name} {each}", context)


def _option(parameter: Any, context: Any) -> dict[str, Any]:
    facts = _facts(parameter, context)
    if parameter.is_flag or parameter.count:
        facts["type"] = "flag" if parameter.is_flag else "count"
        facts["limits"] = {}
        if not facts["default"] and not parameter.secondary_opts:
            facts["default"] = None  # a flag that is not given: false, None or nothing, as click has it today
    variables = parameter.envvar or ()
    return {
        **facts,
        "names": [*sorted(parameter.opts, key=len, reverse=True), *parameter.secondary_opts],
        "nargs": parameter.nargs,
        "multiple": bool(parameter.multiple),
        "variables": [variables] if isinstance(variables, str) else list(variables),
    }


def _argument(parameter: Any, context: Any) -> dict[str, Any]:
    return {**_facts(parameter, context), "name": parameter.human_readable_name, "nargs": parameter.nargs}


def _facts(parameter: Any, context: Any) -> dict[str, Any]:
    kind = parameter.type
    classes = [each.__name__ for each in type(kind).__mro__]
    limits = {"minimum": getattr(kind, "min", None), "maximum": getattr(kind, "max", None)}
    is_path = "Path" in classes
    must = ["exist"] if is_path and kind.exists else []
    if is_path and kind.file_okay != kind.dir_okay:
        must.append("be a file" if kind.file_okay else "be a folder")
    return {
        "type": next((_TYPES[name] for name in classes if name in _TYPES), str(kind.name)),
        "required": bool(parameter.required),
        "default": _plain(parameter.get_default(context, call=False)),
        "choices": [str(_plain(choice)) for choice in getattr(kind, "choices", ())],
        "limits": {name: float(limit) for name, limit in limits.items() if limit is not None},
        "must": must,
    }


def _plain(value: Any) -> Any:
    """Returns a value as JSON; a value known only at run time becomes a placeholder."""
    if callable(value) and not isinstance(value, enum.Enum):
        return "(computed)"
    if isinstance(value, enum.Enum):
        # click's own mark of a default that is not set is a member of an enumeration, too.
        return None if type(value).__module__.startswith("click") else value.name
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value] or None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


if __name__ == "__main__":
    main()
