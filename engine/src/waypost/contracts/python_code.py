"""Facts about a Python file found without executing it: imports, command-line options, strings."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One file: the top-level names of its imports, and its `texts` (string constants).

    `options` are those declared to argparse or click as constants, `required` the mandatory ones; `is_open`
    says that there may be others: options that are computed, or read in another way.
    """

    imports: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    is_open: bool = False


def read_code(text: str | bytes) -> Code | None:
    """Returns facts about a file, None if it is not valid Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    added = [call for call in calls if _called(call) in ("add_argument", "option")]
    names = {name for call in added for name in _names(call)}
    return Code(
        frozenset(_imports(tree)),
        frozenset(_texts(tree)),
        frozenset(names),
        frozenset(name for call in added if _is_required(call) for name in list(_names(call))[:1]),
        is_open=_is_open(tree, calls, added),
    )


def together(parts: Iterable[Code]) -> Code:
    """Returns the facts of several files as one."""
    found = list(parts)
    return Code(
        frozenset().union(*(part.imports for part in found)),
        frozenset().union(*(part.texts for part in found)),
        frozenset().union(*(part.options for part in found)),
        frozenset().union(*(part.required for part in found)),
        is_open=any(part.is_open for part in found),
    )


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _names(call: ast.Call) -> Iterator[str]:
    """Yields the constant names of an option: `-d`, `--data`."""
    for argument in call.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            # click: "--on/--off"
            yield from (part for part in argument.value.split("/") if part.startswith("-"))


def _is_required(call: ast.Call) -> bool:
    return any(
        word.arg == "required" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in call.keywords
    )


def _is_open(tree: ast.AST, calls: list[ast.Call], added: list[ast.Call]) -> bool:
    """Returns whether options may be read that are not constants."""
    computed = any(not isinstance(argument, ast.Constant) for call in added for argument in call.args)
    lenient = any(_called(call) in ("parse_known_args", "parse_known_intermixed_args") for call in calls)
    by_hand = any(
        isinstance(node, ast.Attribute) and node.attr == "argv" and getattr(node.value, "id", "") == "sys"
        for node in ast.walk(tree)
    )
    return computed or lenient or by_hand or any(word.arg is None for call in added for word in call.keywords)
