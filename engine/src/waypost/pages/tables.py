"""Tables of a page: they scroll by themselves on a narrow screen, sort by their heads, and long ones
filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from waypost.pages.html import EMPTY, Child, Html, joined, tag
from waypost.pages.numbers import number

_FILTERED = 15  # rows from which on a table can be filtered


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Child]],
    *,
    caption: str,
    numeric: Iterable[int] = (),
    name: str = "",
    wide: bool = True,
) -> Html:
    """Returns a table, nothing where it has no rows. The first cell of a row is its head.

    Args: `caption` says what it is, to those who do not see it, too; `numeric` are the places of columns with
    numbers; what names no link leaves `name` empty. One that is not `wide` has no room of its own to scroll
    in.
    """
    right = frozenset(numeric)
    body = [_row(cells, right) for cells in rows]
    if not body:
        return EMPTY
    marked = [
        tag("th", head, scope="col", class_="n" if at in right else None) for at, head in enumerate(heads)
    ]
    content = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *marked)),
        tag("tbody", *body),
        class_="f" if len(body) >= _FILTERED else None,
        id=name or None,
    )
    if not wide:
        return content
    return tag("div", content, class_="w", role="group", aria_label=caption, tabindex="0")


def _row(cells: Sequence[Child], right: frozenset[int]) -> Html:
    return tag(
        "tr",
        *(
            tag(
                "td" if at else "th",
                number(cell) if isinstance(cell, float) else cell,
                class_="n" if at in right else None,
                scope=None if at else "row",
            )
            for at, cell in enumerate(cells)
        ),
    )


def code(text: str, most: int = 0) -> Html:
    """Returns a text as code; of a digest, the first characters are enough to see, the rest is its title."""
    if most and len(text) > most:
        return tag("code", f"{text[:most]}…", title=text)
    return tag("code", text) if text else EMPTY


def badge(text: str, kind: str = "") -> Html:
    """Returns a word that stands out; its colour says nothing that the word does not."""
    return tag("span", text, class_=f"b {kind}".strip())


def details(summary: Child, *content: Child) -> Html:
    """Returns what is shown when it is asked for, and when the page is printed."""
    return tag("details", tag("summary", summary), *content) if joined(*content) else EMPTY
