"""What a tag names, against what moving the tag does not change."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.interfaces.attested import Attested, Tagged, contradictions
from waypost.interfaces.record import Record, RunRecord

THEN, NOW = "1" * 40, "2" * 40


RECORD = {"kind": "pipeline", "name": "grades", "version": "1.0.0", "date": "d", "engine": "1.0.0"}
RUN = {"version": "1.0.0", "date": "d", "run_id": "r", "platform": "p", "outputs": {}, "metrics": {}}


def record(**other: Any) -> Record:
    content = {"made_with": {}, "trees": {"one": "a"}, "notes": "", "pipeline": "one"}
    return Record.model_validate(RECORD | content | other)


def run(commit: str) -> RunRecord:
    return RunRecord.model_validate(RUN | {"made_with": {}, "commit": commit})


def tagged(own: Record | None = None, **trees: str) -> Tagged:
    return Tagged("1.0.0", "v1.0.0", NOW, {"releases": "r", **(trees or {"one": "a"})}, own)


@pytest.mark.parametrize(
    ("own", "attested"),
    [
        (None, Attested()),
        (record(), Attested()),
        (record(), Attested(record(), run(NOW), NOW)),
        (None, Attested(record(commit=NOW))),  # written after the release
        (record(notes="a slip mended", date="e"), Attested(record())),
    ],
)
def test_what_agrees(own: Record | None, attested: Attested) -> None:
    """Records may lie in the tag, on the default branch, in both or in none; words may differ."""
    assert contradictions(tagged(own), attested) == []


@pytest.mark.parametrize(
    ("found", "attested", "category", "words"),
    [
        (tagged(record(), one="b"), Attested(), "record-differs", "one is not what the record lists"),
        (tagged(None, one="b"), Attested(record()), "record-differs", "the default branch's record lists"),
        (tagged(None, one="a", two="b"), Attested(record()), "record-differs", "two is not what"),
        (tagged(record(pipeline="two")), Attested(record()), "record-differs", "branch's: pipeline"),
        (tagged(record(version="1.0.1")), Attested(), "record-differs", "it says version 1.0.1"),
        (tagged(), Attested(record(commit=THEN)), "tag-moved", "its record is of commit 111111111111"),
        (tagged(), Attested(run=run(THEN)), "tag-moved", "its production run was of commit 1111"),
        (tagged(), Attested(known=THEN), "tag-moved", "this machine knows it as commit 111111111111"),
    ],
)
def test_what_contradicts(found: Tagged, attested: Attested, category: str, words: str) -> None:
    """Each witness speaks for itself, and says which it is."""
    [finding] = contradictions(found, attested)
    assert finding.category == category
    assert words in finding.problem


def test_a_release_that_was_cut_again_fits_itself_only() -> None:
    """Its own record lists it; the default branch's does not."""
    again = tagged(record(trees={"one": "b"}), one="b")
    assert contradictions(again, Attested()) == []
    assert [finding.category for finding in contradictions(again, Attested(record()))] == ["record-differs"]
