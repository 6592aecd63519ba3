"""HTML made of elements: whatever is no `Html` is a text of somebody, and is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from waypost.texts.escaping import terminal_text

_VOID = frozenset({"meta", "img", "input", "br", "hr"})
Child = object
"""An `Html`, or anything that is shown as its text; None and "" are nothing, lists are their members."""


class Html(str):
    """HTML of ours: the only text that is written as it is."""

    __slots__ = ()


EMPTY = Html("")


def escaped(value: object) -> Html:
    """Returns a value as a text of HTML: control characters are signs that do nothing."""
    return Html(html.escape(terminal_text(str(value)).replace("\r", "␍"), quote=True))


def joined(*children: Child) -> Html:
    """Returns children one after another."""
    return Html("".join(_written(child) for child in children))


def _written(child: Child) -> str:
    if isinstance(child, Html):
        return child
    if child is None:
        return ""
    if isinstance(child, Iterable) and not isinstance(child, str):
        return "".join(map(_written, child))
    return escaped(child)


def tag(element: str, /, *children: Child, **attributes: object) -> Html:
    """Returns an element. In names of attributes `_` is `-`, and one at their end is left out; those that are
    None or False are not written.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in _VOID:
        return Html(f"<{element}{written}>")
    return Html(f"<{element}{written}>{joined(*children)}</{element}>")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(value)}"'
