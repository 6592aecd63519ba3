"""The language of filters, derived columns and relations: that of pandas' `query`, but nothing harmful.

A text is parsed, never executed: names are columns, attributes and calls are those listed here.
"""

from __future__ import annotations

import ast
import functools
import io
import operator
import tokenize
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from componentkit.arguments import ComponentError
from componentkit.columns import as_numbers, as_text
from componentkit.tables import near

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OTHER_NAMES = {"weekday": "day_of_week", "dayofweek": "day_of_week", "dayofyear": "day_of_year"}
_DATE_PARTS = _words(
    "year month day hour minute second quarter days weekday day_of_week day_of_year days_in_month dayofweek"
    " dayofyear is_month_start is_month_end is_quarter_start is_quarter_end is_year_start is_year_end"
)
_DATE_CALLS = _words("day_name month_name total_seconds normalize strftime floor ceil round")
_TEXT_CALLS = _words(
    "len lower upper strip lstrip rstrip title contains startswith endswith count slice get"
    " isdigit isalpha isnumeric isupper islower match fullmatch replace casefold"
)
_CALLS = _words(
    "abs round fillna clip isna isnull notna notnull isin between duplicated"
    " min max mean median std sum quantile count nunique astype rank shift diff cumsum cummin cummax replace"
)
_FUNCTIONS = _words("abs sin cos tan exp expm1 log log10 log1p sqrt floor ceil")
_CURRENCY = r"[\s$€£¥₹₩₽¢'’]"
_MOST_CHARACTERS = 10_000


def evaluated(text: str, table: pd.DataFrame, *, purpose: str) -> Any:
    """Returns the value of an expression over a table's columns: a column, or one value for all rows.

    A name in backticks may have any letters. Raises ComponentError that begins with `purpose`.
    """
    try:
        tree, quoted = _parsed(text)
        return _Evaluation(table, quoted).of(tree)
    except ComponentError as error:
        raise ComponentError(f"{purpose}: {error}") from error
    except (SyntaxError, tokenize.TokenError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ComponentError(f"{purpose}: this is no expression: {reason}") from error
    except Exception as error:  # pandas raises whatever the values raise
        raise ComponentError(f"{purpose}: {' '.join(str(error).split())}") from error


def rows_for(text: str, table: pd.DataFrame, *, purpose: str) -> pd.Series:
    """Returns for each row whether an expression holds; where a value is missing it does not."""
    found = evaluated(text, table, purpose=purpose)
    if not isinstance(found, pd.Series):
        found = pd.Series(found, index=table.index)
    if found.dtype == "object":
        found = found.where(found.notna(), False).infer_objects()  # noqa: FBT003 (the value of a cell)
    if not pd.api.types.is_bool_dtype(found.dtype):
        raise ComponentError(f"{purpose}: this is {found.dtype}, no condition: compare it with something")
    return found.fillna(False).astype("bool")  # noqa: FBT003 (the value of a cell)


def names_in(text: str) -> list[str]:
    """Returns the names in an expression that can be parsed, each once."""
    tree, quoted = _parsed(text)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    return list(dict.fromkeys(quoted.get(name, name) for name in names))


def _parsed(text: str) -> tuple[ast.expr, dict[str, str]]:
    """Returns an expression and the names that stood in backticks, by the names in their place."""
    if len(text) > _MOST_CHARACTERS:
        raise ComponentError(f"it has more than {_MOST_CHARACTERS:,} characters")
    quoted: dict[str, str] = {}
    pieces = text.strip().split("`")
    if len(pieces) % 2 == 0:
        raise ComponentError("a backtick is not closed")
    for at in range(1, len(pieces), 2):
        name = f"quoted_{at}_"
        quoted[name] = pieces[at]
        pieces[at] = f" {name} "
    return ast.parse(_with_words("".join(pieces)), mode="eval").body, quoted


def _with_words(text: str) -> str:
    """Returns an expression with `and`, `or`, `not` for `&`, `|`, `~`: as in pandas, they bind like words."""
    words = {"&": "and", "|": "or", "~": "not"}
    tokens = list(tokenize.generate_tokens(io.StringIO(text.replace("\n", " ")).readline))
    return " ".join(
        words.get(t.string, t.string) if t.type == tokenize.OP else t.string for t in tokens
    ).strip()


class _Evaluation:
    def __init__(self, table: pd.DataFrame, quoted: dict[str, str]) -> None:
        self._table = table
        self._quoted = quoted

    def of(self, node: ast.expr) -> Any:  # noqa: PLR0911 (one for each kind)
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._column(node.id)
            case ast.List() | ast.Tuple() | ast.Set():
                return [self.of(each) for each in node.elts]
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp() if type(node.op) in _BINARY:
                return self._binary(node)
            case ast.BoolOp():
                join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
                return functools.reduce(join, map(self._condition, node.values))
            case ast.Compare():
                return self._compared(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._called(node)
            case _:
                raise ComponentError(f"{type(node).__name__.lower()} is not part of the language")

    def _column(self, name: str) -> Any:
        name = self._quoted.get(name, name)
        if name in self._table.columns:
            return self._table[name]
        if name == "index":
            return self._table.index.to_series()
        raise ComponentError(
            f"name {name!r} is not defined: there is no such column{near(name, self._table.columns)}"
        )

    def _condition(self, node: ast.expr) -> Any:
        found = self.of(node)
        return found.fillna(False).astype("bool") if isinstance(found, pd.Series) and found.hasnans else found  # noqa: FBT003

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self._condition(node.operand) if isinstance(node.op, ast.Not) else self.of(node.operand)
        if isinstance(node.op, ast.Not):
            return ~value if isinstance(value, pd.Series) else not value
        return -value if isinstance(node.op, ast.USub) else +value

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.of(node.left), self.of(node.right)
        if isinstance(node.op, (ast.Pow, ast.Mult)) and not any(
            isinstance(v, pd.Series) for v in (left, right)
        ):
            left, right = float(left), float(right)  # 9**9**9 would keep a machine busy, "x" * 10**9 fill it
        if isinstance(node.op, ast.Mult) and any(
            isinstance(v, pd.Series) and _is_text(v) for v in (left, right)
        ):
            raise ComponentError("a text cannot be multiplied")
        return _BINARY[type(node.op)](left, right)

    def _compared(self, node: ast.Compare) -> Any:
        found: Any = None
        left = self.of(node.left)
        for kind, each in zip(node.ops, node.comparators, strict=True):
            right = self.of(each)
            one = _comparison(kind, left, right)
            found = one if found is None else found & one
            left = right
        return found

    def _attribute(self, node: ast.Attribute) -> Any:
        if _is_accessor(node.value, "dt") and node.attr in _DATE_PARTS:
            column = self.of(node.value.value)  # type: ignore[attr-defined]
            return getattr(column.dt, _OTHER_NAMES.get(node.attr, node.attr))
        known = _listed(_DATE_PARTS)
        raise ComponentError(f".{node.attr} is not part of the language; behind .dt there are {known}")

    def _called(self, node: ast.Call) -> Any:
        given = [self.of(each) for each in node.args]
        named = {each.arg: self.of(each.value) for each in node.keywords if each.arg}
        if len(named) < len(node.keywords):
            raise ComponentError("** is not part of the language")
        what = node.func
        if isinstance(what, ast.Name):
            if what.id == "number":
                return _number(*given, **named)
            if what.id in _FUNCTIONS:
                return getattr(np, what.id)(*given)
            raise ComponentError(
                f"{what.id}() is not part of the language; there are number, {_listed(_FUNCTIONS)}"
            )
        if isinstance(what, ast.Attribute):
            return self._method(what, given, named)
        raise ComponentError("this call is not part of the language")

    def _method(self, what: ast.Attribute, given: list[Any], named: dict[str, Any]) -> Any:
        for accessor, calls in (("str", _TEXT_CALLS), ("dt", _DATE_CALLS)):
            if _is_accessor(what.value, accessor):
                if what.attr not in calls:
                    raise ComponentError(
                        f".{accessor}.{what.attr}() is not part of the language; there are {_listed(calls)}"
                    )
                column = self.of(what.value.value)  # type: ignore[attr-defined]
                return getattr(getattr(column, accessor), what.attr)(*given, **named)
        if what.attr not in _CALLS:
            raise ComponentError(f".{what.attr}() is not part of the language; there are {_listed(_CALLS)}")
        return getattr(self.of(what.value), what.attr)(*given, **named)


def _is_text(column: pd.Series) -> bool:
    return column.dtype == "object" or isinstance(column.dtype, pd.StringDtype)


def _is_accessor(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name


def _comparison(kind: ast.cmpop, left: Any, right: Any) -> Any:
    """Returns whether two values compare so; a list beside == or != asks for any of its values."""
    if isinstance(kind, (ast.In, ast.NotIn)) or isinstance(left, list) or isinstance(right, list):
        column, values = (left, right) if isinstance(right, list) else (right, left)
        if not isinstance(column, pd.Series) or not isinstance(values, list):
            raise ComponentError("`in` asks whether a column's values are in a list: kind in ['a', 'b']")
        found = column.isin(values)
        return ~found if isinstance(kind, (ast.NotIn, ast.NotEq)) else found
    if type(kind) not in _COMPARED:
        raise ComponentError("`is` is not part of the language: for missing values there is .isna()")
    return _COMPARED[type(kind)](left, right)


def _number(column: Any, decimal: str = ".") -> Any:
    """Returns texts such as "$1,200.50" as numbers, without signs of currencies, blanks and thousands."""
    if not isinstance(column, pd.Series) or decimal not in (".", ","):
        raise ComponentError("number() takes a column of texts, and decimal, which is '.' or ','")
    texts = as_text(column).str.replace(_CURRENCY, "", regex=True)
    texts = texts.str.replace("," if decimal == "." else ".", "", regex=False).str.replace(
        ",", ".", regex=False
    )
    return as_numbers(texts)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
