"""Untrusted YAML as plain values: within limits, and without duplicate keys.

Some hundred bytes of YAML can mean more than any machine holds, by aliases, or be nested deeper than Python
can follow. All YAML that Waypost reads comes through the one function here. It builds the value from the
parser's events, without recursion. What an alias stands for is counted, not copied: a text that means too
much is refused before anything of that size is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from waypost.errors import Finding, FindingsError
from waypost.texts.limits import WRITTEN, Limits, unreadable
from waypost.texts.scalars import (
    NUMBERS,
    STRING,
    Schema,
    Written,
    core,
    scalar,
    written,
)
from waypost.texts.yaml_builder import Builder, too_long

# The parser in C is ten times as fast; some builds of PyYAML come without it.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTATION = tuple("[{\"'!")


def read_yaml(
    text: str, place: str, limits: Limits = WRITTEN, *, schema: Schema = core, as_written: bool = False
) -> Any:
    """Returns the value that a YAML text means, None for an empty one. Raises FindingsError.

    Args: `place` is what a finding names, with the line after it. With `as_written`, a number that Python
    writes in another way comes with its text, as Written. What occurs twice by an alias is the same object:
    change nothing in it.
    """
    return _built(text, place, Builder(limits, schema, as_written=as_written), has_lines=True)


def read_argument(text: str, place: str, limits: Limits = WRITTEN) -> Any:
    """Returns the value of `key=value`, with its text where that is not Python's. Raises FindingsError.

    What begins with a bracket, a quote or a tag is YAML. Anything else is one scalar as it stands: `#`, `&x`
    or `>5` mean something in a file, and are what they are on a command line.
    """
    if text.lstrip().startswith(_NOTATION):
        try:
            return _built(text, place, Builder(limits, core, as_written=True), has_lines=False)
        except FindingsError as error:
            hint = "quote a text that begins like this: key='\"[a\"'"
            raise FindingsError(replace(found, hint=hint) for found in error.findings) from error
    if problem := unreadable(text, limits):
        raise FindingsError([Finding(place, f"not valid YAML: {problem}")])
    tag = core(text.strip())
    if tag in NUMBERS and len(text) > limits.number:
        raise FindingsError([Finding(place, f"not valid YAML: {too_long(text, limits)}")])
    value = text if tag == STRING else scalar(core, tag, text.strip())
    return Written(None, text) if value is None else written(value, text)


def _built(text: str, place: str, builder: Builder, *, has_lines: bool) -> Any:
    if problem := unreadable(text, builder.limits):
        raise FindingsError([Finding(place, f"not valid YAML: {problem}")])
    try:
        for event in yaml.parse(text, Loader=_Parser):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        where = f"{place}:{mark.line + 1}" if has_lines and mark is not None else place
        raise FindingsError([Finding(where, f"not valid YAML: {problem}")]) from error
    return builder.value
