"""Markdown of strangers as HTML: text, lists, tables, code, and links to http and https.

Raw HTML stands there as text, an image as its description. A link to anything else, such as `javascript:` or
a file beside it, is text: the page is not where the file was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from waypost.catalogue.markup import Html
from waypost.texts.escaping import terminal_text

_LONGEST = 64 << 10
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_WEB = ("http://", "https://")


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["html_block", "html_inline"])
    # A table that is wider than the page scrolls, also by the keyboard.
    start = '<div class="scroll" tabindex="0" role="region" aria-label="Table">\n<table>\n'
    parser.add_render_rule("table_open", lambda *_: start)
    parser.add_render_rule("table_close", lambda *_: "</table>\n</div>\n")
    return parser


def html_of(source: str, *, below: int = 2) -> Html:
    """Returns HTML whose headings stand below one of the level `below`; a text that is too long is cut."""
    plain = _COMMENT.sub("", terminal_text(source[:_LONGEST]))
    parser = _parser()
    tokens = parser.parse(plain)
    _tame(tokens, below)
    return Html(parser.renderer.render(tokens, parser.options, {}))


def _tame(tokens: Iterable[Token], below: int) -> None:
    """Changes tokens so that what comes of them can neither act nor fetch."""
    open_links: list[bool] = []
    last = below
    for token in tokens:
        if token.type == "heading_open":  # none skips a level: what reads a page aloud goes by them
            last = min(int(token.tag[1:]) + below, last + 1, 6)
            token.tag = f"h{last}"
        elif token.type == "heading_close":
            token.tag = f"h{last}"
        elif token.type == "link_open":
            is_web = str(token.attrs.get("href", "")).lower().startswith(_WEB)
            open_links.append(is_web)
            token.tag = "a" if is_web else "span"
            token.attrs = {"href": token.attrs["href"], "rel": "noopener noreferrer"} if is_web else {}
        elif token.type == "link_close":
            token.tag = "a" if open_links.pop() else "span"
        elif token.type == "image":
            token.type, token.tag, token.content, token.children = "text", "", token.content, None
        if token.children:
            _tame(token.children, below)
