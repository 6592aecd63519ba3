"""The frame of a page: one file that asks nobody for anything, with its style and script by their digests."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

from waypost.pages.html import Child, Html, joined, tag

GENERATOR = "waypost report"
"""By this a page of ours is told from a file of somebody's."""


@functools.cache
def own(name: str) -> Html:
    """Returns the content of a file of ours beside this one."""
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8").strip())


def _allowed(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def frame(title: str, head: Child, parts: Sequence[tuple[str, str, Html]], foot: Child = None) -> str:
    """Returns the page. Its `parts` are (id, heading, content); those without content are left out."""
    shown = [part for part in parts if part[2]]
    style, script = joined(own("charts.css"), "\n", own("style.css")), own("script.js")
    policy = f"default-src 'none'; style-src {_allowed(style)}; script-src {_allowed(script)}; img-src data:"
    links = tag("ul", *(tag("li", tag("a", name, href=f"#{id_}")) for id_, name, _ in shown))
    sections = [
        tag("section", tag("h2", name, id=f"{id_}-h"), content, id=id_, aria_labelledby=f"{id_}-h")
        for id_, name, content in shown
    ]
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
            tag("meta", name="generator", content=GENERATOR),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", title),
            tag("style", style),
        ),
        "\n",
        tag(
            "body",
            tag("header", head),
            tag("nav", links, aria_label="Parts of this page"),
            tag("main", *sections),
            tag("footer", foot) if foot else None,
            tag("script", script),
        ),
        lang="en",
    )
    return str(joined(Html("<!doctype html>\n"), page, "\n"))


def is_ours(text: str) -> bool:
    """Tells whether the start of a file is that of a page made here."""
    return f'<meta name="generator" content="{GENERATOR}">' in text
