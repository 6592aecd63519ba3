"""Limits for untrusted text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most that a text may hold, with what YAML's aliases or references make of it: characters, values
    (keys count), levels of nesting, references. A `key` and a `number` are limited in characters.
    """

    characters: int = 4_000_000
    values: int = 100_000
    depth: int = 100
    references: int = 10_000
    key: int = 1_000
    number: int = 1_000

    @property
    def too_deep(self) -> str:
        return f"it is nested more than {self.depth} levels deep"

    @property
    def too_many_references(self) -> str:
        return f"more than {self.references:,} references up to here"


WRITTEN = Limits()
"""For what people write: parameters, pipelines, contracts."""
GENERATED = Limits(characters=64_000_000, values=2_000_000)
"""For what programs write: records, lists of files, the signature of a wide model."""
HALF_A_CHARACTER = "half of a surrogate pair, which is no character"


def unreadable(text: str, limits: Limits) -> str:
    """Returns why a text is refused, empty if it is not."""
    if len(text) > limits.characters:
        return f"{len(text):,} characters, more than {limits.characters:,}"
    return "" if is_unicode(text) else HALF_A_CHARACTER


def is_unicode(text: str) -> bool:
    """Tells whether a text can be encoded: Python's may hold halves of surrogate pairs."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def shortened(text: object, most: int = 60) -> str:
    """Returns the start of a text, for a message."""
    found = str(text)
    return found if len(found) <= most else found[:most] + "…"
