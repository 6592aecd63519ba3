"""What the catalogue says, for programs: index.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from waypost.catalogue.badges import badges_of
from waypost.catalogue.facts import Entry, Library, Version
from waypost.texts.parsing import Strict

SCHEMA = 1


class VersionDocument(Strict):
    """A component in a release, and what is different from the release before."""

    version: str
    state: str
    changes: tuple[str, ...]


class EntryDocument(Strict):
    """A component; `page` is its file beside index.json, empty without a site; `badges` by their subject."""

    library: str
    name: str
    description: str
    version: str
    yanked: str
    deprecated: str
    page: str
    parameters: tuple[str, ...]
    outputs: Mapping[str, str]
    metrics: tuple[str, ...]
    versions: tuple[VersionDocument, ...]
    used_by: tuple[str, ...]
    badges: Mapping[str, str]


class ReleaseDocument(Strict):
    """A release of a library; `record` is verified, differs or none."""

    version: str
    tag: str
    commit: str
    date: str
    record: str
    yanked: str


class LibraryDocument(Strict):
    """A library and its releases, the newest first."""

    name: str
    url: str
    releases: tuple[ReleaseDocument, ...]


class CatalogueDocument(Strict):
    """index.json of a catalogue."""

    schema_: int
    title: str
    libraries: tuple[LibraryDocument, ...]
    components: tuple[EntryDocument, ...]

    def content(self) -> dict[str, Any]:
        """Returns what is written: `schema` is called so there."""
        found = self.model_dump(mode="json")
        return {"schema": found.pop("schema_"), **found}


def catalogue_document(
    title: str, libraries: Sequence[Library], paths: Mapping[tuple[str, str], str]
) -> CatalogueDocument:
    """Returns index.json's content; `paths` are the files of components' pages."""
    return CatalogueDocument(
        schema_=SCHEMA,
        title=title,
        libraries=tuple(_library(library) for library in libraries),
        components=tuple(
            entry_document(library, entry, paths.get((library.slug, entry.name), ""))
            for library in libraries
            for entry in library.entries
        ),
    )


def entry_document(library: Library, entry: Entry, page: str = "") -> EntryDocument:
    """Returns what is said of a component."""
    main = entry.main
    return EntryDocument(
        library=library.name,
        name=entry.name,
        description=entry.description,
        version=entry.newest.version,
        yanked=entry.newest.yanked,
        deprecated=str(entry.deprecated or ""),
        page=page,
        parameters=tuple(main.parameters) if main else (),
        outputs={name: output.type for name, output in main.outputs.items()} if main else {},
        metrics=tuple(main.metrics) if main else (),
        versions=tuple(map(_version, entry.versions)),
        used_by=tuple(use.place for use in entry.uses),
        badges={badge.what: badge.answer for badge in badges_of(entry)},
    )


def _version(version: Version) -> VersionDocument:
    return VersionDocument(
        version=version.release.version, state=version.state, changes=tuple(map(str, version.changes))
    )


def _library(library: Library) -> LibraryDocument:
    releases = tuple(
        ReleaseDocument(
            version=r.version, tag=r.tag, commit=r.commit, date=r.date, record=r.record, yanked=r.yanked
        )
        for r in library.releases
    )
    return LibraryDocument(name=library.name, url=library.url, releases=releases)
