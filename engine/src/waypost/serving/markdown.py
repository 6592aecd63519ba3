"""Untrusted Markdown as HTML: headings, paragraphs, lists, tables, emphasis, code. Nothing of it can act:
links, images and HTML stand there as text.
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
    """Returns HTML; a text that is longer than any card is cut."""
    return str(_parser().render(text[:_LONGEST]))
