"""A whole site as texts by path: it needs no server, no script to be read, and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from waypost.catalogue.component_page import component_page
from waypost.catalogue.document import catalogue_document
from waypost.catalogue.facts import Library, slugs
from waypost.catalogue.feed import feed
from waypost.catalogue.index_pages import first_page, library_page

INDEX = "index.json"


def site(title: str, libraries: Sequence[Library]) -> dict[str, str]:
    """Returns the files of a catalogue; the same libraries give the same bytes."""
    files: dict[str, str] = {}
    paths: dict[tuple[str, str], str] = {}
    for library in libraries:
        entries = (*library.entries, *library.gone)
        for entry, slug in zip(entries, slugs(entry.name for entry in entries), strict=True):
            path = f"{library.slug}/{slug}.html"
            paths[library.slug, entry.name] = quote(path)
            files[path] = component_page(library, entry, title)
    for library in libraries:
        files[f"{library.slug}.html"] = library_page(library, paths, title)
    files["index.html"] = first_page(libraries, paths, title)
    files["feed.xml"] = feed(title, libraries)
    document = catalogue_document(title, libraries, paths)
    files[INDEX] = json.dumps(document.content(), indent=1, ensure_ascii=False) + "\n"
    return files
