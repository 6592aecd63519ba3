"""Sweeps: `key=a,b,c other=range(1,4)` as a list of points, the product of all values."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

from waypost.contracts.metrics import DeclaredSide
from waypost.errors import Finding, FindingsError, UsageError

_RANGE = re.compile(r"range\(([^()]*)\)")
_MOST = 10_000


def points(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns each combination of values as overrides `key=value`, in command-line order.

    A value may be `a,b,c` or `range(stop)`, `range(start, stop)`, `range(start, stop, step)`, as in Python,
    also for floats. Commas within brackets or quotes do not separate. Raises FindingsError.
    """
    axes: list[list[str]] = []
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise _wrong(override, "a parameter is of the form key=value or key=a,b,c")
        values = _range(override, text) or _parted(text)
        if len(set(values)) < len(values):
            raise _wrong(override, "a value appears twice")
        axes.append([f"{key}={value}" for value in values])
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > _MOST:
        raise _wrong("command line", f"{count:,} combinations; the limit is {_MOST:,}")
    return list(itertools.product(*axes))


def swept(overrides: Sequence[str]) -> list[str]:
    """Returns the keys with more than one value."""
    return [o.partition("=")[0].removeprefix("+") for o in overrides if len(points([o])) > 1]


def smaller_is_better(metric: str, declared: DeclaredSide, asked: bool | None) -> bool:
    """Returns whether the smallest value of a metric is the best.

    Args: `declared` is the contract's side, `asked` the command line's (None: not given); if neither is
    given, the largest is best. Raises UsageError if they contradict each other.
    """
    if asked is None or not declared or asked == (declared == "lower"):
        return declared == "lower" if asked is None else asked
    option = "--minimize" if asked else "--maximize"
    problem = f"{option}: the contract says that {declared} is better for {metric!r}"
    raise UsageError(problem, hint=f"drop {option}")


def _range(override: str, text: str) -> list[str]:
    hit = _RANGE.fullmatch(text.strip())
    if hit is None:
        return []
    words = [word.strip() for word in hit[1].split(",")]
    try:
        numbers = [float(word) for word in words]
        start, stop, step = {1: (0.0, *numbers, 1.0), 2: (*numbers, 1.0), 3: tuple(numbers)}[len(numbers)]
        # 0.1 + 3 * 0.1 is slightly more than 0.4: rounding errors must not add a step.
        count = math.ceil((stop - start) / step - 1e-9) if step else 0
    except (ValueError, KeyError) as error:
        raise _wrong(
            override, "a range is range(stop), range(start, stop) or range(start, stop, step)"
        ) from error
    if not 0 < count <= _MOST:
        raise _wrong(override, "the range has no value" if count <= 0 else f"the range has {count:,} values")
    whole = all(number.is_integer() for number in (start, step))
    values = [start + index * step for index in range(count)]
    return [str(int(value)) if whole else f"{value:.12g}" for value in values]


def _parted(text: str) -> list[str]:
    """Splits at commas that are not within brackets or quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[{(":
            depth += 1
        elif character in ")}]":
            depth -= 1
        elif character == "," and not depth:
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts]


def _wrong(override: str, problem: str) -> FindingsError:
    return FindingsError([Finding(f"command line: {override}", problem)])
