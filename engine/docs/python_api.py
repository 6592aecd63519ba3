# ruff: noqa: E501 (paragraphs are lines)
"""Writes docs/python-api.md, the public names of the package (`make docs`); with --check it only says if it is so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import waypost
from docs.generated import keep

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"
_ANNOTATION = re.compile(r"""(: |-> )(["'])(.*?)\2""")
_COMMA = re.compile(r", (?![^\[]*\])")  # not those within brackets
_LONGEST = 90
_HEAD = """# Python API
The public names of the package `waypost`, from their docstrings; `make docs` writes this page. [Waypost from Python](python.md) shows how they are used. What is not here is private, and changes without notice."""


def page() -> str:
    """Returns the page: each name with its signature and what it does."""
    names = sorted((name for name in waypost.__all__ if not name.startswith("_")), key=str.lower)
    return "\n\n".join([_HEAD, *(_entry(name, getattr(waypost, name)) for name in names), ""])


def _entry(name: str, thing: Any) -> str:
    parts = [f"## {name}", _signature(name, thing), _words(thing)]
    if inspect.isclass(thing):
        parts += [part for member in _members(thing) for part in member]
    return "\n\n".join(part for part in parts if part)


def _members(thing: type) -> Iterator[tuple[str, str, str]]:
    for name, member in vars(thing).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"### {thing.__name__}.{name}", "", _words(member)
        elif inspect.isfunction(member):
            yield f"### {thing.__name__}.{name}", _signature(name, member), _words(member)


def _signature(name: str, thing: Any) -> str:
    if inspect.isclass(thing):  # made by the functions, not by callers
        return ""
    text = _ANNOTATION.sub(r"\1\3", str(inspect.signature(thing))).replace("'", '"')
    if len(text) > _LONGEST:
        opening, closing = text.index("("), text.rindex(")")
        members = _COMMA.split(text[opening + 1 : closing])
        text = "(\n    " + ",\n    ".join(members) + f",\n{text[closing:]}"
    return f"```python\n{name}{text}\n```"


def _words(thing: Any) -> str:
    """Returns a docstring as paragraphs."""
    return "\n".join(line.strip() for line in inspect.cleandoc(thing.__doc__ or "").splitlines())


if __name__ == "__main__":
    keep(PAGE, page(), "the docstrings say")
