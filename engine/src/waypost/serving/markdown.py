"""Untrusted Markdown as HTML: headings, paragraphs, lists, tables, emphasis, code. Nothing in it is active:
links, images and HTML are shown as text.
"""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt

_LONGEST = 64 << 10
_RULES = ("heading", "list", "table", "fence", "backticks", "emphasis", "escape", "entity", "newline", "hr")


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("zero", {"html": False, "linkify": False}).enable(list(_RULES))


def html_of(text: str) -> str:
    """Returns HTML; a text longer than any card is truncated."""
    return str(_parser().render(text[:_LONGEST]))
