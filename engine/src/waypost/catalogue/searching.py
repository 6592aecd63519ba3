"""Search for components by words, best match first."""

from __future__ import annotations

from collections.abc import Sequence

from waypost.catalogue.facts import Entry, Library


def search(libraries: Sequence[Library], words: Sequence[str]) -> list[tuple[Library, Entry]]:
    """Returns the components with all words in names, descriptions, parameters or outputs."""
    lowered = [word.lower() for text in words for word in text.split()]
    found = []
    for library in libraries:
        for entry in library.entries:
            weights = [_weight(entry, word) for word in lowered]
            if all(weights):
                found.append((-sum(weights), library.name, entry.name, library, entry))
    return [(library, entry) for _, _, _, library, entry in sorted(found, key=lambda each: each[:3])]


def _weight(entry: Entry, word: str) -> int:
    name = entry.name.lower()
    if name == word:
        return 8
    if name.startswith(word):
        return 4
    if word in name:
        return 2
    return int(word in _text(entry))


def _text(entry: Entry) -> str:
    if not entry.main:
        return ""
    parts = [entry.description, *(f"{n} {p.description}" for n, p in entry.main.parameters.items())]
    parts += [f"{n} {o.type} {o.description}" for n, o in entry.main.outputs.items()]
    parts += [f"{n} {m.description}" for n, m in entry.main.metrics.items()]
    return " ".join(parts).lower()
