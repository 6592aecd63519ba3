"""The releases of libraries as an Atom feed (RFC 4287)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from waypost.catalogue.facts import Library, Release
from waypost.catalogue.markup import Html, element, joined, text

_MOST = 100
_NEVER = "1970-01-01"


def feed(title: str, libraries: Sequence[Library]) -> str:
    """Returns the feed: the newest releases of all libraries first. The same facts give the same bytes."""
    found = sorted(
        ((release, library) for library in libraries for release in library.releases),
        key=lambda pair: pair[0].date,
        reverse=True,
    )[:_MOST]
    newest = max((release.date for release, _ in found), default="")
    parts = [
        element("title", title),
        element("id", f"urn:waypost:catalogue:{quote(title)}"),
        element("updated", _moment(newest)),
        element("author", element("name", title)),
        Html('<link rel="alternate" type="text/html" href="index.html"/>'),
        *(_entry(release, library) for release, library in found),
    ]
    body = joined(parts, "\n")
    return f'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n{body}\n</feed>\n'


def _entry(release: Release, library: Library) -> Html:
    page = text(f"{library.slug}.html#v{release.version}")
    yanked = f" (yanked: {release.yanked})" if release.yanked else ""
    return element(
        "entry",
        element("title", f"{library.name} {release.version}{yanked}"),
        element("id", f"urn:git:{release.commit}"),
        element("updated", _moment(release.date)),
        Html(f'<link rel="alternate" type="text/html" href="{page}"/>'),
        element("content", release.notes or "no entry in the changelog", type="text"),
    )


def _moment(day: str) -> str:
    return f"{day or _NEVER}T00:00:00Z"
