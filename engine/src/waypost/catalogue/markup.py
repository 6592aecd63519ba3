"""HTML as values: a text becomes part of a page only escaped, whoever wrote it."""

from __future__ import annotations

import html
from collections.abc import Iterable

from waypost.texts.escaping import terminal_text

_VOID = frozenset({"meta", "link", "input", "br", "hr"})


class Html(str):
    """A text that is HTML already; any other text is escaped where it is put in."""

    __slots__ = ()


Part = str | Html | None
"""None is nothing: a part that is not there."""


def text(value: str) -> Html:
    """Returns a stranger's text for a page: no mark in it means anything, and nothing in it is invisible."""
    return value if isinstance(value, Html) else Html(html.escape(terminal_text(value), quote=True))


def joined(parts: Iterable[Part], between: str = "") -> Html:
    """Returns parts one after the other."""
    return Html(text(between).join(text(part) for part in parts if part is not None))


def element(name: str, /, *parts: Part, **attributes: str | bool | None) -> Html:
    """Returns an element. Of the names of attributes, `_` at the end is left out, and is `-` elsewhere; an
    attribute that is None or false is left out, one that is true has no value.
    """
    given = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()]
    said = "".join(
        f" {key}" if value is True else f' {key}="{text(str(value))}"'
        for key, value in given
        if value is not None and value is not False
    )
    return Html(f"<{name}{said}>") if name in _VOID else Html(f"<{name}{said}>{joined(parts)}</{name}>")


def table(caption: str, head: Iterable[str], rows: Iterable[Iterable[Part]]) -> Html | None:
    """Returns a table that scrolls by itself where it is wider than the page; None without rows."""
    lines = [
        element(
            "tr",
            *(element("td" if n else "th", cell, scope=None if n else "row") for n, cell in enumerate(row)),
        )
        for row in rows
    ]
    if not lines:
        return None
    titles = element("tr", *(element("th", title, scope="col") for title in head))
    body = element("table", element("caption", caption), element("thead", titles), element("tbody", *lines))
    return element("div", body, class_="scroll", tabindex="0", role="region", aria_label=caption)
