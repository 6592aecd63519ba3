"""What every page has around its content: head, policy, navigation. A page needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from waypost.catalogue.markup import Html, Part, element

_TEMPLATES = Path(__file__).with_name("templates")


@cache
def _template(name: str) -> Html:
    return Html((_TEMPLATES / name).read_text(encoding="utf-8"))


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _policy(script: str) -> str:
    """Returns what the page may do: its own style and script by their digests, nothing else at all.

    By digests, not by 'self': what that is differs from browser to browser for a file, and on a shared host
    it is everybody's.
    """
    scripts = f"script-src 'sha256-{_digest(_template(script))}'; " if script else ""
    style = f"style-src 'sha256-{_digest(_template('site.css'))}'; "
    return f"default-src 'none'; {scripts}{style}img-src data:; base-uri 'none'; form-action 'none'"


def page(
    title: str, *parts: Part, site: str, root: str = "", script: str = "copy.js", place: Part = None
) -> str:
    """Returns a page.

    Args: `root` is the way to the top of the site, such as `../`; `place` what stands beside the site's name.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title if title == site else f"{title} · {site}"),
        element("link", rel="icon", href="data:,"),
        element(
            "link",
            rel="alternate",
            type="application/atom+xml",
            title=f"{site}: releases",
            href=f"{root}feed.xml",
        ),
        element("style", _template("site.css")),
    )
    top = element(
        "header",
        element("a", site, href=f"{root}index.html", class_="title"),
        place,
        element("a", "Feed", href=f"{root}feed.xml"),
        element("a", "JSON", href=f"{root}index.json"),
        class_="top",
    )
    body = element(
        "body",
        element("a", "Skip to content", href="#content", class_="skip"),
        top,
        element("main", *parts, id="content"),
        element("footer", element("p", "Made by waypost components site from the libraries' repositories.")),
        element("script", _template(script)) if script else None,
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def code_block(content: str) -> Html:
    """Returns a text to copy."""
    return element("div", element("pre", element("code", content)), class_="copied")
