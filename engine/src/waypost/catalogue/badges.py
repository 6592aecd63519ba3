"""Badges of a component: facts that are computed, not claimed by its author."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from waypost.catalogue.facts import Entry

Mark = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Badge:
    """A fact about a component: `what` it is about, the answer, and whether that is good."""

    what: str
    answer: str
    mark: Mark = "plain"


_RECORDS: dict[str, tuple[str, Mark]] = {
    "verified": ("verified", "good"),
    "differs": ("differs from the tag", "bad"),
    "none": ("none", "plain"),
}


def badges_of(entry: Entry) -> Iterator[Badge]:
    """Yields the badges of a component's newest release. Without a check there is no badge."""
    newest = entry.newest
    if newest.yanked:
        yield Badge("release", f"yanked: {newest.yanked}", "bad")
    if entry.deprecated:
        yield Badge("state", str(entry.deprecated), "bad")
    if newest.tag:
        yield Badge("record", *_RECORDS[newest.record])
    if entry.is_pinned is not None:
        good, bad = Badge("packages", "pinned by hashes", "good"), Badge("packages", "not pinned", "bad")
        yield good if entry.is_pinned else bad
    if entry.checked:
        for what, outcome, words in (
            ("tests", entry.checked.tests, ("pass in their own environment", "fail")),
            ("stock MLflow", entry.checked.example, ("runs the example", "does not run the example")),
        ):
            if outcome != "none":
                is_good = outcome == "passed"
                yield Badge(what, words[0 if is_good else 1], "good" if is_good else "bad")
    yield Badge("last release", newest.date or "unknown")
