"""Drawings as files of their own, which bring their colours along."""

from __future__ import annotations

from waypost.pages.frame import own
from waypost.pages.html import Child, Html, tag


def image(title: str, width: float, height: float, *parts: Child, styles: str = "") -> str:
    """Returns an SVG file of this size in pixels; `styles` are CSS rules in addition to those of charts."""
    content = tag(
        "svg",
        tag("title", title),
        tag("style", own("charts.css"), Html(styles)),
        tag("rect", width="100%", height="100%", style="fill:var(--bg)"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        font_family="system-ui,sans-serif",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
    )
    return f"{content}\n"
