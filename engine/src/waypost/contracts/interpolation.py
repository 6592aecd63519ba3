"""References in parameters: `${key}` stands for a value, `${oc.env:NAME}` for a declared variable.

The notation is OmegaConf's; its other resolvers are disabled. Referenced values are shared, not copied, and
their size is checked before anything of that size is created: some lines of `b: ${a}${a}` mean more than a
machine can hold. Variables are not read here: the result is sealed (`texts/sealed.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from waypost.contracts.near_keys import near_key
from waypost.errors import Finding
from waypost.texts.expressions import (
    ESCAPE,
    Expression,
    Parts,
    ProblemError,
    child_key,
    has_expression,
    key_names,
    parsed,
)
from waypost.texts.limits import WRITTEN, Limits, shortened
from waypost.texts.scalars import Written, text_of
from waypost.texts.sealed import Sealed, Variable, Variables, sealed, variables_in

Path = tuple[Any, ...]
_MISSING = "???"  # OmegaConf's marker for a mandatory value that is not set yet
NO_VALUE = "no-value"
"""The category for a parameter without a value yet: nothing is wrong, but nothing can run."""
_NAME = re.compile(r"[A-Za-z_]\w*")
_MOST_HINTS = 10


class _Sized(NamedTuple):
    """A value and its size; `is_whole` says whether all of it was resolved, `text` is how it was written, if
    different from Python's notation.
    """

    value: Any
    values: int = 1
    characters: int = 0
    height: int = 0
    is_whole: bool = True
    text: str | None = None


class _ToldError(Exception):
    """The target of a reference has a problem that a finding already reports."""


_NOTHING = _Sized(None, is_whole=False)


class Interpolation:
    """Resolves the references in a tree of parameters, each place once; `findings` are the problems.

    Args: `place_of` names a place in the tree for a finding.
    """

    def __init__(
        self,
        tree: Mapping[str, Any],
        variables: Variables,
        place_of: Callable[[Path], str],
        limits: Limits = WRITTEN,
    ) -> None:
        self.findings: list[Finding] = []
        self._tree = tree
        self._variables = variables
        self._place_of = place_of
        self._limits = limits
        self._known: dict[Path, _Sized] = {}
        self._busy: set[Path] = set()
        self._parsed: dict[str, Parts] = {}
        self._outside = 0
        self._references = 0
        self._made = 0
        self._hints = 0

    def whole(self) -> dict[Any, Any]:
        """Returns the whole tree, resolved; None replaces unresolvable values."""
        found = self._at((), self._tree, 0).value
        return found if isinstance(found, dict) else {}

    def value(self, raw: Any, place: str) -> tuple[Any, bool]:
        """Returns a value of another file, resolved, and whether all of it was; a Written one if it is a
        single value with its own text.
        """
        outside = (_Outside(place),)
        found = self._at(outside, raw, 0)
        self._outside += found.values
        if self._outside > self._limits.values and found.is_whole:
            problem = f"together with the values before it, it has more than {self._limits.values:,} values"
            self.findings.append(Finding(place, problem))
            return None, False
        return found.value if found.text is None else Written(found.value, found.text), found.is_whole

    def target(self, text: str) -> Any:
        """Returns the unresolved target of a text that is one reference; None for any other text."""
        try:
            found = self._target(text, (), 0)
            return None if found is None else self._locate(found, 0)[1]
        except (ProblemError, _ToldError):
            return None

    def _at(self, path: Path, raw: Any, depth: int) -> _Sized:
        """Returns the resolved value at a place; a problem of its own becomes a finding, once."""
        if path in self._known:
            return self._known[path]
        if path in self._busy:
            raise ProblemError("it refers to itself")
        self._busy.add(path)
        try:
            found = self._sized(raw, path, depth)
            self._check(found)
        except _ToldError:
            found = _NOTHING
        except ProblemError as error:
            place = path[0].place if path and isinstance(path[0], _Outside) else self._place_of(path)
            self.findings.append(Finding(place, error.problem, error.hint, error.category))
            found = _NOTHING
        self._busy.discard(path)
        self._known[path] = found
        return found

    def _check(self, found: _Sized) -> None:
        limits = self._limits
        for count, most, noun in (
            (found.values, limits.values, "values"),
            (found.characters, limits.characters, "characters"),
        ):
            if count > most:
                raise ProblemError(f"with its references, it is more than {most:,} {noun}")
        if found.height > limits.depth:
            raise ProblemError(f"with its references, {limits.too_deep}")

    def _sized(self, raw: Any, path: Path, depth: int) -> _Sized:
        if depth > self._limits.depth:
            raise ProblemError(f"with its references, {self._limits.too_deep}")
        if isinstance(raw, str):
            return self._text(raw, path, depth) if has_expression(raw) else _Sized(raw, 1, len(raw))
        if isinstance(raw, dict):
            items = {key: self._child((*path, key), child, depth + 1) for key, child in raw.items()}
            keys = _Sized(None, len(items), sum(len(str(key)) for key in items))
            return _joined({key: found.value for key, found in items.items()}, [keys, *items.values()])
        if isinstance(raw, list):
            members = [self._child((*path, n), child, depth + 1) for n, child in enumerate(raw)]
            return _joined([found.value for found in members], members)
        if isinstance(raw, Written):
            return _Sized(raw.value, 1, len(raw.text), text=raw.text)
        return _Sized(raw, 1, len(str(raw)))

    def _child(self, path: Path, raw: Any, depth: int) -> _Sized:
        if isinstance(raw, (dict, list)) or has_expression(raw):
            return self._at(path, raw, depth)
        return self._sized(raw, path, depth)

    def _text(self, raw: str, path: Path, depth: int) -> _Sized:
        parts = self._parts(raw)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return self._expression(parts[0], path, depth)
        pieces: list[str | Variable] = []
        for part in parts:
            more = [part] if isinstance(part, str) else self._pieces(part, path, depth)
            self._made += sum(len(str(piece)) for piece in more)
            if self._made > self._limits.characters:
                most = self._limits.characters
                raise ProblemError(f"with its references, it is more than {most:,} characters")
            pieces += more
        text = sealed(pieces)
        return _Sized(text, 1, len(text))

    def _parts(self, text: str) -> Parts:
        if text not in self._parsed:
            self._parsed[text] = parsed(text, self._limits)
        return self._parsed[text]

    def _count(self) -> None:
        self._references += 1
        if self._references == self._limits.references + 1:
            raise ProblemError(self._limits.too_many_references)
        if self._references > self._limits.references:
            raise _ToldError

    def _pieces(self, part: Expression, path: Path, depth: int) -> list[str | Variable]:
        """Returns the pieces of an expression within a text."""
        found = self._expression(part, path, depth)
        if isinstance(found.value, Sealed):
            return list(found.value.parts)
        if variables_in(found.value):
            raise ProblemError("a list or mapping with a variable cannot be part of a text")
        return [text_of(found.value) if found.text is None else found.text]

    def _expression(self, expression: Expression, path: Path, depth: int) -> _Sized:
        self._count()
        if resolver := expression.resolver:
            if resolver != "oc.env":
                raise ProblemError(f"${{{resolver}:…}}: the only resolver is ${{oc.env:NAME}}", ESCAPE)
            return self._variable(self._plain(expression, path, depth).partition(":")[2])
        where, raw = self._locate(self._key(expression, path, depth), depth)
        found = self._at(where, raw, depth + 1)
        if not found.is_whole:
            raise _ToldError
        return found

    def _plain(self, expression: Expression, path: Path, depth: int) -> str:
        """Returns the text between the braces, with references in it resolved."""
        if depth > self._limits.depth:
            raise ProblemError(f"with its references, {self._limits.too_deep}")
        texts = []
        for part in expression.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            found = self._expression(part, path, depth + 1)
            if variables_in(found.value) or isinstance(found.value, (dict, list)):
                raise ProblemError("a variable, a list or a mapping cannot be part of a reference")
            texts.append(text_of(found.value) if found.text is None else found.text)
        return "".join(texts)

    def _variable(self, text: str) -> _Sized:
        """Returns the value of `NAME` or `NAME,default`: sealed if the variable is set."""
        name, comma, default = (part.strip() for part in text.partition(","))
        if not _NAME.fullmatch(name):
            raise ProblemError(f"{shortened(name)!r} is not the name of an environment variable")
        if name not in self._variables.declared:
            raise ProblemError(
                f"the environment variable {name} is not declared",
                f"declare it in pipeline.yaml: variables: [{name}]; the steps then get its value,"
                " which is never recorded",
            )
        values = self._variables.values
        if values is None or name in values:
            return _Sized(sealed([Variable(name)]), 1, len(name) + 10)
        if not comma:
            raise ProblemError(f"the environment variable {name} is not set")
        if default == "null":
            return _Sized(None, 1, 4)
        quoted = len(default) > 1 and default[0] == default[-1] and default[0] in "'\""
        return _Sized(default[1:-1] if quoted else default, 1, len(default))

    def _key(self, expression: Expression, path: Path, depth: int) -> Path:
        """Returns the place that an expression names."""
        text = self._plain(expression, path, depth).strip()
        dots, names = key_names(text)
        if not dots:
            return names
        if dots > len(path) or isinstance(path[0], _Outside):
            raise ProblemError(f"{shortened('${' + text + '}')} points outside the parameters")
        return (*path[:-dots], *names)

    def _target(self, text: Any, path: Path, depth: int) -> Path | None:
        """Returns the place that a text names if it is a single reference, None for any other value."""
        if not has_expression(text):
            return None
        parts = self._parts(text)
        if len(parts) == 1 and isinstance(parts[0], Expression) and not parts[0].resolver:
            self._count()
            return self._key(parts[0], path, depth)
        return None

    def _locate(self, path: Path, depth: int) -> tuple[Path, Any]:
        """Returns a place in the tree and its content, following references on the way."""
        node: Any = self._tree
        done: Path = ()
        left = list(path)
        hops = 0
        while left:
            if target := self._target(node, done, depth + 1):
                hops += 1
                if hops > self._limits.depth:
                    raise ProblemError("it refers to itself")
                node, done, left = self._tree, (), [*target, *left]
            found = child_key(node, left)
            if found is None:
                raise self._unknown(path)
            key, count = found
            node, done, left = node[key], (*done, key), left[count:]
        if node == _MISSING:
            name = ".".join(map(str, path))
            problem, hint = f"{shortened(name)} has no value yet", f"set it: {shortened(name)}=…"
            raise ProblemError(problem, hint, NO_VALUE)
        return done, node

    def _unknown(self, path: Path) -> ProblemError:
        name, hint = ".".join(map(str, path)), ""
        self._hints += 1
        if self._hints <= _MOST_HINTS:
            hint = near_key(name, self._tree)
        return ProblemError(f"no parameter {shortened(name)!r}", hint)


@dataclass(frozen=True, eq=False)
class _Outside:
    """The root of a value outside the parameters; `place` is where it is written."""

    place: str


def _joined(value: Any, parts: list[_Sized]) -> _Sized:
    return _Sized(
        value,
        1 + sum(part.values for part in parts),
        sum(part.characters for part in parts),
        1 + max((part.height for part in parts), default=0),
        all(part.is_whole for part in parts),
    )
