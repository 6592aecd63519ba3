"""The notation of references: `${key}`, also within a text, and within another one: `${a.${b}}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from waypost.texts.limits import Limits, shortened

ESCAPE = r"write a literal ${ as \${"
_KEY = re.compile(r"(\.*)((?:[^.\[\]]+|\[[^.\[\]]+\])(?:\.[^.\[\]]+|\[[^.\[\]]+\])*)")
_MARK = re.compile(r"(\\*)\$\{|\}")
_MOST_DOTS = 10  # in one key of a mapping
_RESOLVER = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:")


class ProblemError(Exception):
    """A problem of a reference, with its remedy, and its category, if it has one."""

    def __init__(self, problem: str, hint: str = "", category: str = "") -> None:
        super().__init__(problem)
        self.problem, self.hint, self.category = problem, hint, category


@dataclass(frozen=True)
class Expression:
    """The content between `${` and `}`."""

    parts: Parts

    @property
    def resolver(self) -> str:
        """The name of the resolver that it calls (`oc.env` in `oc.env:NAME`), empty for a reference."""
        first = next((part for part in self.parts if part), "")
        hit = _RESOLVER.match(first) if isinstance(first, str) else None
        return hit[1] if hit else ""


Parts = tuple[str | Expression, ...]


def has_expression(value: object) -> bool:
    """Tells whether a value is a text with expressions."""
    return isinstance(value, str) and "${" in value


def parsed(text: str, limits: Limits) -> Parts:
    r"""Returns the parts of a text. Raises ProblemError.

    `\${` is `${` as it stands, and of two backslashes before an expression one stays.
    """
    if text.count("${") > limits.references:
        raise ProblemError(limits.too_many_references)
    open_ones: list[list[str | Expression]] = [[]]
    position = 0
    for mark in _MARK.finditer(text):
        if mark[0] == "}":
            if len(open_ones) > 1:
                inner = Expression((*open_ones.pop(), text[position : mark.start()]))
                open_ones[-1].append(inner)
                position = mark.end()
            continue
        backslashes = len(mark[1])
        is_escaped = backslashes % 2 == 1
        before = text[position : mark.start()] + "\\" * (backslashes // 2)
        open_ones[-1].append(before + ("${" if is_escaped else ""))
        position = mark.end()
        if not is_escaped:
            open_ones.append([])
        if len(open_ones) > limits.depth:
            raise ProblemError(limits.too_deep)
    if len(open_ones) > 1:
        raise ProblemError(f"{shortened(text)!r}: a ${{ without a closing }}", ESCAPE)
    return tuple(part for part in [*open_ones[0], text[position:]] if part)


def key_names(text: str) -> tuple[int, tuple[str, ...]]:
    """Returns how many dots a reference begins with, and the names in it: of `..a.b[0]` 2 and a, b, 0.

    Raises ProblemError.
    """
    hit = _KEY.fullmatch(text)
    if hit is None:
        raise ProblemError(f"{shortened('${' + text + '}')} names no parameter")
    return len(hit[1]), tuple(name.strip("]") for name in re.split(r"[.\[]", hit[2]) if name)


def child_key(node: Any, names: Sequence[Any]) -> tuple[Any, int] | None:
    """Returns the key by which a list or mapping has what the first of `names` call, and how many these are;
    None where it has no such thing. `a.b` may be one key: the shortest that is there counts.
    """
    if (key := key_of(node, names[0])) is not None:
        return key, 1
    if isinstance(node, dict):
        for count in range(2, min(len(names), _MOST_DOTS) + 1):
            if (name := ".".join(map(str, names[:count]))) in node:
                return name, count
    return None


def key_of(node: Any, name: Any) -> Any:
    """Returns the key by which a list or mapping has what a name calls, None where it has no such thing."""
    if isinstance(node, dict) and name in node:
        return name
    number = int(name) if isinstance(name, str) and re.fullmatch(r"\d{1,9}", name) else None
    if isinstance(node, dict):
        return number if number in node else None
    return number if isinstance(node, list) and number is not None and number < len(node) else None
