"""Commands of entry points: the ones that are plain Python need no shell, and no process made for them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

# What a shell reads as it stands; with anything else in it, only a shell knows what is meant.
_PLAIN = re.compile(r"[\w@%+=:,./ -]*")
_PLACEHOLDER = re.compile(r"\{\w+\}")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class PythonCommand:
    """`[VARIABLE=…] python FILE|-m MODULE ARGUMENT…`: one of `file` and `module` is given."""

    arguments: tuple[str, ...]
    file: str = ""
    module: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


def python_command(template: str, values: Mapping[str, str]) -> PythonCommand | None:
    """Returns an entry point's command with its `{parameter}`s filled in, None where it takes a shell."""
    if not _PLAIN.fullmatch(_PLACEHOLDER.sub("", template)):
        return None
    words = shlex.split(template)
    variables = {}
    while words and _VARIABLE.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value.format(**values)
    program, *rest = words or [""]
    if program not in ("python", "python3") or not rest:
        return None
    filled = tuple(word.format(**values) for word in rest)
    if rest[0] == "-m" and len(rest) > 1:
        return PythonCommand(filled[2:], module=filled[1], variables=variables)
    if rest[0].startswith("-"):
        return None
    return PythonCommand(filled[1:], file=filled[0], variables=variables)
