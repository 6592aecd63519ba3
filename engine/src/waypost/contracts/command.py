"""Commands of entry points: how values are inserted, and which commands need no shell.

A command is a `str.format` template of Python's, as for stock MLflow. It comes from others: only whole
parameter values are inserted, no attribute, no index, no nested format.
"""

from __future__ import annotations

import itertools
import re
import shlex
import string
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from waypost.errors import did_you_mean
from waypost.texts.limits import shortened

# Characters without special meaning in a shell; a command with any other needs one.
_PLAIN = re.compile(r"[\w@%+=:,./ -]*")
_PLACEHOLDER = re.compile(r"\{\w+\}")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
_CONVERSIONS: dict[str | None, Callable[[str], str]] = {None: str, "": str, "s": str, "r": repr, "a": ascii}
_SPEC = re.compile(r"(?:.?[<>=^])?0?\d{0,3}(?:\.\d{1,3})?s?", re.DOTALL)
_INTERPRETERS = ("python", "python3", "bash", "sh", "Rscript", "julia")
_SCRIPT = re.compile(r"[\w.][\w./-]*")
_BRACE = "write a literal brace twice: {{ or }}"


@dataclass(frozen=True)
class PythonCommand:
    """`[VARIABLE=…] python FILE|-m MODULE ARGUMENT…`: either `file` or `module` is given."""

    arguments: tuple[str, ...]
    file: str = ""
    module: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Placeholder:
    """`{name!conversion:spec}`; `conversion` and `spec` are usually absent."""

    name: str
    conversion: str | None
    spec: str

    def __str__(self) -> str:
        conversion = f"!{self.conversion}" if self.conversion else ""
        return shortened(f"{{{self.name}{conversion}{self.spec and ':'}{self.spec}}}")

    def problem(self, names: Collection[str]) -> tuple[str, str]:
        """Returns why it cannot be filled in, and the remedy; two empty texts if it can."""
        if not self.name or self.name.isdecimal():
            return f"{self} names no parameter", _BRACE
        if "." in self.name or "[" in self.name:
            return f"{self} asks for part of a value: only whole values can be inserted", _BRACE
        if self.name not in names:
            return f"{self} is not a parameter", did_you_mean(self.name, names) or _BRACE
        if self.conversion not in _CONVERSIONS or not _is_format(self.spec):
            return f"{self}: not a format for texts", "the name alone is enough"
        return "", ""

    def filled(self, values: Mapping[str, str]) -> str:
        return format(_CONVERSIONS[self.conversion](values[self.name]), self.spec)


def command_problems(template: str, names: Collection[str]) -> list[tuple[str, str]]:
    """Returns why a command cannot be filled in, as pairs of problem and hint.

    Args: `names` are the entry point's parameters.
    """
    try:
        parts = list(_parts(template))
    except ValueError:
        return [("an unmatched { or }", _BRACE)]
    problems = [part.problem(names) for part in parts if isinstance(part, _Placeholder)]
    return [found for found in dict.fromkeys(problems) if found[0]]


def parameters_in(template: str) -> set[str]:
    """Returns the names of the parameters in a command, none if it cannot be parsed."""
    try:
        return {part.name for part in _parts(template) if isinstance(part, _Placeholder)}
    except ValueError:
        return set()


def programs_in(template: str) -> list[str]:
    """Returns the files that a command passes to a known interpreter: `run.py` in `python run.py`."""
    try:
        words = shlex.split(template)
    except ValueError:
        return []
    if "cd" in words:  # paths are then relative to another folder
        return []
    following = itertools.pairwise(words)
    return [file for word, file in following if word in _INTERPRETERS and _SCRIPT.fullmatch(file)]


def filled(template: str, values: Mapping[str, str]) -> str:
    """Returns a command with its placeholders filled in. Raises ValueError if that fails."""
    if problems := command_problems(template, values):
        raise ValueError(problems[0][0])
    return "".join(part if isinstance(part, str) else part.filled(values) for part in _parts(template))


def python_command(template: str, values: Mapping[str, str]) -> PythonCommand | None:
    """Returns an entry point's command with its `{parameter}`s filled in, None if it needs a shell."""
    if not _PLAIN.fullmatch(_PLACEHOLDER.sub("", template)):
        return None
    words = shlex.split(template)
    variables = {}
    while words and _VARIABLE.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = filled(value, values)
    program, *rest = words or [""]
    if program not in ("python", "python3") or not rest:
        return None
    arguments = tuple(filled(word, values) for word in rest)
    if rest[0] == "-m" and len(rest) > 1:
        return PythonCommand(arguments[2:], module=arguments[1], variables=variables)
    if arguments[0].startswith("-"):
        return None
    return PythonCommand(arguments[1:], file=arguments[0], variables=variables)


def _parts(template: str) -> Iterator[str | _Placeholder]:
    """Yields a template's texts and placeholders, in order. Raises ValueError for unmatched braces."""
    for text, name, spec, conversion in string.Formatter().parse(template):
        yield text
        if name is not None:
            yield _Placeholder(name, conversion, spec or "")


def _is_format(spec: str) -> bool:
    if not _SPEC.fullmatch(spec):
        return False
    try:
        format("", spec)
    except ValueError:
        return False
    return True
