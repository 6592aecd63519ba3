"""The pages that lead to others: the list of components, which is searched, and each library's releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from waypost.catalogue.facts import Entry, Library, Release
from waypost.catalogue.markdown import html_of
from waypost.catalogue.markup import Html, Part, element, table
from waypost.catalogue.shell import page
from waypost.contracts.component import EntryPoint

Paths = Mapping[tuple[str, str], str]
"""The files of components' pages, by (slug of the library, name of the component)."""
_SHORT = 160
_RECORDS = {"verified": "verified", "differs": "differs from the tag", "none": "none"}


def first_page(libraries: Sequence[Library], paths: Paths, site: str) -> str:
    """Returns the list of all components; the search reads it there, and without script it is all there."""
    pairs = [(library, entry) for library in libraries for entry in library.entries]
    items = [
        _item(library, entry, paths[library.slug, entry.name], many=len(libraries) > 1)
        for library, entry in pairs
    ]
    where = [
        element("a", f"{library.name} ({len(library.entries)})", href=f"{library.slug}.html")
        for library in libraries
    ]
    noun = "component" if len(pairs) == 1 else "components"
    return page(
        site,
        element("h1", site),
        element("p", "Releases: ", *(part for link in where for part in (link, " "))),
        _finder(pairs),
        element("p", f"{len(pairs)} {noun}", id="state", role="status", class_="soft"),
        element("h2", "Components", class_="unseen"),
        element("ul", *items, id="components", class_="list"),
        site=site,
        script="search.js",
    )


def _item(library: Library, entry: Entry, path: str, *, many: bool) -> Html:
    facets = _facets(library, entry)
    about = entry.description
    return element(
        "li",
        element("a", entry.name, href=path),
        element(
            "span",
            f" {library.name} {entry.newest.version}" if many else f" {entry.newest.version}",
            class_="soft",
        ),
        element("span", "deprecated", class_="tag bad") if entry.deprecated else None,
        element("p", about if len(about) <= _SHORT else f"{about[:_SHORT]}…") if about else None,
        data_facets=" ".join(facets),
        data_words=_words(entry.main),
    )


def _words(main: EntryPoint | None) -> str | None:
    """Returns what else a component is found by: the names of what it takes and gives."""
    names = [*main.parameters, *main.outputs, *main.metrics] if main else []
    return " ".join(dict.fromkeys(names))[:_SHORT] or None


def _facets(library: Library, entry: Entry) -> dict[str, None]:
    """Returns the facets of a component, in one word each."""
    outputs = entry.main.outputs.values() if entry.main else ()
    found = [f"library:{library.slug}", *(f"gives:{output.type or 'any'}" for output in outputs)]
    found += [f"takes:{p.takes}" for p in (entry.main.parameters.values() if entry.main else ()) if p.takes]
    found += ["state:deprecated"] if entry.deprecated else ["state:current"]
    found += ["state:used"] if entry.uses else []
    found += ["state:verified"] if entry.newest.record == "verified" else []
    return dict.fromkeys(found)


_TITLES = {"library": "Library", "gives": "Gives", "takes": "Takes", "state": "State"}


def _finder(pairs: Sequence[tuple[Library, Entry]]) -> Html:
    """Returns the search and its facets; a facet that parts nothing is not offered. A script shows it."""
    counts: dict[str, int] = {}
    for library, entry in pairs:
        for facet in _facets(library, entry):
            counts[facet] = counts.get(facet, 0) + 1
    names = {library.slug: library.name for library, _ in pairs}
    groups = []
    for key, title in _TITLES.items():
        boxes = [
            element(
                "label",
                element("input", type="checkbox", name=key, value=facet),
                f"{names.get(word, word) if key == 'library' else word} ({count})",
            )
            for facet, count in sorted(counts.items())
            for word in [facet.partition(":")[2]]
            if facet.startswith(f"{key}:") and count < len(pairs)
        ]
        if boxes:
            groups.append(element("fieldset", element("legend", title), *boxes))
    field = element(
        "input",
        id="search",
        class_="search",
        type="search",
        aria_label="Search components",
        placeholder="Search: what it does, takes or gives  ( / )",
        autocomplete="off",
    )
    return element(
        "div", field, element("div", *groups, class_="facets"), id="finder", class_="finder", hidden=True
    )


def library_page(library: Library, paths: Paths, site: str) -> str:
    """Returns a library's page: its releases with records and yanks, and its components."""
    entries = [
        element(
            "li", element("a", entry.name, href=paths[library.slug, entry.name]), f" {entry.newest.version}"
        )
        for entry in (*library.entries, *library.gone)
    ]
    is_web = library.url.startswith(("http://", "https://"))
    address = (
        element("a", library.url, href=library.url, rel="noopener noreferrer") if is_web else library.url
    )
    return page(
        library.name,
        element("h1", library.name),
        element("p", "Repository: ", address) if library.url else None,
        element("h2", "Releases", id="releases"),
        table(
            "Releases, the newest first",
            ("version", "day", "record", "state", "commit"),
            map(_row, library.releases),
        )
        or element("p", "None yet: components are shown as they are now.", class_="soft"),
        *(part for release in library.releases for part in _notes(release)),
        element("h2", "Components", id="components"),
        element("ul", *entries, class_="list"),
        site=site,
    )


def _row(release: Release) -> tuple[Part, ...]:
    state = element("span", f"yanked: {release.yanked}", class_="bad") if release.yanked else "released"
    name = element("a", release.version, href=f"#v{release.version}")
    return name, release.date, _RECORDS[release.record], state, element("code", release.commit[:12])


def _notes(release: Release) -> tuple[Part, ...]:
    title = element(
        "h3", f"{release.version} ", element("span", release.date, class_="soft"), id=f"v{release.version}"
    )
    yanked = element("p", f"Yanked: {release.yanked}", class_="bad") if release.yanked else None
    body = (
        html_of(release.notes, below=3)
        if release.notes
        else element("p", "No entry in the changelog.", class_="soft")
    )
    return title, yanked, body
