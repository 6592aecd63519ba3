"""Tables of a page: they scroll by themselves on a narrow screen, sort by their heads, and long ones
filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from waypost.pages.html import EMPTY, Child, Html, joined, tag
from waypost.pages.numbers import number

_FILTERED = 15  # rows from which on a table can be filtered


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[Child]],
    *,
    caption: str,
    numeric: Iterable[int] | Literal[True] = (),
) -> Html:
    """Returns a table, nothing where it has no rows. The first cell of a row is its head.

    Args: `caption` says what it is, to those who do not see it, too; `numeric` are the places of columns with
    numbers, True all but the first.
    """
    after_first = frozenset(range(1, len(heads)))
    right = after_first if numeric is True else frozenset(numeric)
    # The usual case, a name and numbers, needs no word on each cell.
    plain = right == after_first
    body = [_row(cells, right, plain=plain) for cells in rows]
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
        class_=" ".join(filter(None, ("f" * (len(body) >= _FILTERED), "r" * plain))) or None,
    )
    return tag("div", content, class_="w", role="group", aria_label=caption, tabindex="0")


def told_columns(
    heads: Sequence[str], rows: Iterable[Sequence[Child]]
) -> tuple[list[str], list[list[Child]]]:
    """Returns heads and rows without those columns that say nothing in any row."""
    listed = [list(row) for row in rows]
    kept = [at for at, _ in enumerate(heads) if not at or any(_tells(row[at]) for row in listed)]
    return [heads[at] for at in kept], [[row[at] for at in kept] for row in listed]


def _tells(cell: Child) -> bool:
    return joined(cell) not in ("", "–")


def _row(cells: Sequence[Child], right: frozenset[int], *, plain: bool) -> Html:
    """Returns a row without the end tags that HTML does without: there may be thousands."""
    return joined(Html("<tr>"), *(_cell(at, cell, right, plain=plain) for at, cell in enumerate(cells)))


def _cell(at: int, cell: Child, right: frozenset[int], *, plain: bool) -> Html:
    shown = number(cell) if isinstance(cell, float) else cell
    start = "<td" if at else '<th scope="row"'
    return joined(Html(f'{start} class="n">' if at in right and not plain else f"{start}>"), shown)


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
