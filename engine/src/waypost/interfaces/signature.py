"""Signatures of functions, as Python writes them, and what their changes mean for callers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from waypost.interfaces.changes import Change

Kind = Literal["positional", "normal", "keyword"]


@dataclass(frozen=True)
class Parameter:
    """One parameter: `default` (source text) is None where it is required; `place` counts those that may
    be given by position, and is None for the others.
    """

    kind: Kind
    place: int | None
    annotation: str
    default: str | None


@dataclass(frozen=True)
class Signature:
    """A function's parameters by name, whether it takes more of them (*args, **kwargs), what it returns."""

    parameters: Mapping[str, Parameter]
    more_positional: bool
    more_keywords: bool
    returns: str


def parse_signature(text: str) -> Signature:
    """Returns the signature that a text such as `(a: int, *, b=1) -> str` means. Raises SyntaxError."""
    [function] = ast.parse(f"def f{text}: ...").body
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 (what was parsed begins with def)
    given = function.args
    placed = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(placed) - len(given.defaults)) + list(given.defaults)
    found = {}
    for place, (argument, default) in enumerate(zip(placed, defaults, strict=True)):
        kind: Kind = "positional" if place < len(given.posonlyargs) else "normal"
        found[argument.arg] = Parameter(kind, place, _source(argument.annotation), _optional(default))
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found[argument.arg] = Parameter("keyword", None, _source(argument.annotation), _optional(default))
    return Signature(found, bool(given.vararg), bool(given.kwarg), _source(function.returns))


def signature_changes(old_text: str, new_text: str) -> Iterator[Change]:
    """Yields what changed for those who call a function, from its old signature to its new one."""
    if old_text == new_text:
        return
    old, new = parse_signature(old_text), parse_signature(new_text)
    seen = set()
    for name, before in old.parameters.items():
        match = _match(name, before, new)
        if match is None:
            is_swallowed = new.more_positional if before.kind == "positional" else new.more_keywords
            yield Change("changed" if is_swallowed else "breaking", f"parameter {name!r} was removed")
        else:
            seen.add(match)
            yield from _parameter_changes(f"parameter {name!r}:", before, new.parameters[match])
    for name, parameter in new.parameters.items():
        if name not in seen and parameter.default is None:
            yield Change("breaking", f"required parameter {name!r} was added")
        elif name not in seen:
            yield Change("added", f"parameter {name!r}")
    for what, had, has in (
        ("parameters by position", old.more_positional, new.more_positional),
        ("parameters by name", old.more_keywords, new.more_keywords),
    ):
        if had != has:
            yield Change("added" if has else "breaking", f"it takes {'any' if has else 'no'} more {what}")
    if old.returns != new.returns:
        yield Change("changed", f"its return type {old.returns or 'none'} became {new.returns or 'none'}")


def _match(name: str, before: Parameter, new: Signature) -> str | None:
    """Returns the new name of a parameter: those that are only given by position have no name for callers."""
    if before.kind != "positional":
        return name if name in new.parameters else None
    return next((n for n, p in new.parameters.items() if p.place == before.place), None)


def _parameter_changes(what: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    if old.kind == "normal" and new.kind == "positional":
        yield Change("breaking", f"{what} it cannot be given by name any more")
    if old.kind == "keyword" and new.kind == "positional":
        yield Change("breaking", f"{what} it can only be given by position now")
    if old.place is not None and new.place is None:
        yield Change("breaking", f"{what} it cannot be given by position any more")
    elif old.place is not None and old.place != new.place:
        yield Change("breaking", f"{what} its position moved")
    elif old.kind != new.kind and new.kind == "normal":
        yield Change("changed", f"{what} it can be given by name and by position now")
    if old.default is not None and new.default is None:
        yield Change("breaking", f"{what} it is required now")
    elif old.default is None and new.default is not None:
        yield Change("changed", f"{what} it is optional now, default {new.default}")
    elif old.default != new.default:
        yield Change("changed", f"{what} default {old.default} became {new.default}")
    if old.annotation != new.annotation:
        yield Change("changed", f"{what} type {old.annotation or 'none'} became {new.annotation or 'none'}")


def _source(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _optional(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)
