"""What an archive has to hold to be the bundle that its bundle.json tells of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.bundle import (
    Bundle,
    Member,
    content_problems,
    data_path,
    members_problems,
    parse_bundle,
)
from waypost.contracts.listing import MOST_DEPTH, MOST_FILE_BYTES
from waypost.errors import FindingsError, UsageError

TREE, OTHER = "a" * 40, "b" * 64
URL = "https://example.org/t.csv"
WHEEL = "wheels/a-1.whl"
FACTS: dict[str, Any] = {
    "schema": 1,
    "name": "grades",
    "version": "1.2.0",
    "tag": "v1.2.0",
    "commit": "c" * 40,
    "url": "https://example.org/grades.git",
    "folder": "pipeline",
    "platform": "linux",
    "release": TREE,
    "files": {f"trees/{TREE}/repository/run.py": "d" * 64, data_path(URL): "e" * 64, WHEEL: "f" * 64},
    "data": {URL: data_path(URL)},
}


def folder(name: str) -> Member:
    return Member(name, "folder")


def file(name: str, size: int = 1) -> Member:
    return Member(name, "file", size)


def link(name: str, target: bytes) -> Member:
    return Member(name, "link", target=target)


WHOLE = [
    file("bundle.json"),
    *(folder(top) for top in ("trees", "data", "wheels")),
    folder(f"trees/{TREE}"),
    folder(f"trees/{TREE}/repository"),
    file(f"trees/{TREE}/repository/run.py"),
    file(data_path(URL)),
    file(WHEEL),
]


def problems(*more: Member, without: str = "") -> list[str]:
    return list(members_problems([*(m for m in WHOLE if m.name != without), *more]))


def contradictions(members: list[Member] | None = None, **facts: Any) -> list[str]:
    return list(content_problems(Bundle.model_validate(FACTS | facts), members or WHOLE))


def test_a_whole_bundle() -> None:
    """Nothing is wrong with what `waypost bundle` writes, a second tree of the longer ids included."""
    assert problems() == contradictions() == []
    assert problems(folder(f"trees/{OTHER}"), link(f"trees/{OTHER}/a", b"b"), file(f"trees/{OTHER}/b")) == []
    assert parse_bundle(json.dumps(FACTS)).release == TREE


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (file("trees/../x"), "'trees/../x'"),
        (file(WHEEL), "'wheels/a-1.whl' appears twice"),
        (folder("other"), "the folder 'other' does not belong in a bundle"),
        (folder("data/x"), "the folder 'data/x' does not belong in a bundle"),
        (link("x", b"y"), "the link 'x' does not belong in a bundle"),
        (link(f"trees/{OTHER}", b"y"), f"the link 'trees/{OTHER}' does not belong in a bundle"),
        (file("none/x"), "'none/x' is not in a folder of the archive"),
        (file(f"{WHEEL}/x"), "'wheels/a-1.whl/x' is not in a folder of the archive"),
        (
            link(f"trees/{TREE}/l", b"../x"),
            f"'trees/{TREE}/l' is a link that may leave its folder, to '../x'",
        ),
        (file(f"trees/{TREE}/" + "a/" * 65 + "b"), "deeper"),
        (file(f"trees/{TREE}/b", MOST_FILE_BYTES + 1), "deeper or larger than the limits for unpacking"),
        (file(WHEEL + "2", MOST_FILE_BYTES + 1), ""),
        (folder(f"trees/{OTHER}"), ""),
    ],
)
def test_members_that_no_bundle_holds(member: Member, problem: str) -> None:
    """Names, kinds and places of an archive's members are looked at before anything is unpacked."""
    found = problems(member)
    assert any(problem in one for one in found) if problem else not found


def test_as_much_as_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree may have as many files, as deep and as large, as the limits say, and not one more."""
    deep = [folder(f"trees/{TREE}/" + "/".join("a" * n)) for n in range(1, MOST_DEPTH + 1)]
    assert problems(*deep) == []
    long = [f"trees/{TREE}"]
    while len(long) < 5:
        long.append(f"{long[-1]}/{'a' * 240}")
    assert problems(*map(folder, long[1:]), file(f"{long[-1]}/{'b' * 50}")) == []
    assert problems(*deep, folder(deep[-1].name + "/a")) == []
    assert len(problems(*deep, folder(deep[-1].name + "/a"), folder(deep[-1].name + "/a/a"))) == 1
    assert problems(file(f"trees/{TREE}/b", MOST_FILE_BYTES)) == []
    monkeypatch.setattr("waypost.contracts.bundle.MOST_ENTRIES", 3)
    assert problems(file(f"trees/{TREE}/b")) == []
    told = f"trees/{TREE} has more or larger files than the limits for unpacking"
    assert problems(file(f"trees/{TREE}/b"), file(f"trees/{TREE}/c")) == [told]
    monkeypatch.setattr("waypost.contracts.bundle.MOST_BYTES", 10)
    assert problems(file(f"trees/{TREE}/b", 9)) == []
    assert problems(file(f"trees/{TREE}/b", 10)) == [told]


@pytest.mark.parametrize(
    ("facts", "members", "expected"),
    [
        ({}, [m for m in WHOLE if m.name != WHEEL], f"{WHEEL} is missing"),
        ({}, [*WHOLE, file("wheels/b")], "wheels/b is not listed"),
        ({}, [*WHOLE, file("wheels/\n")], "'wheels/\\n' is not listed"),
        ({}, [*WHOLE, file("w" * 200)], f"'{'w' * 30}"),
        (
            {"files": FACTS["files"] | {"x": "f" * 64}},
            [*WHOLE, file("x")],
            "x does not belong in a bundle",
        ),
        (
            {"files": FACTS["files"] | {f"trees/{TREE}": "f" * 64}},
            [*WHOLE, file(f"trees/{TREE}")],
            f"trees/{TREE} does not belong in a bundle",
        ),
        ({"data": {URL + "2": data_path(URL)}}, None, f"{data_path(URL)} is not the data of '{URL}2'"),
        ({"data": {}}, None, f"{data_path(URL)} does not belong to any URL"),
        (
            {"data": {URL: data_path(URL), "u": data_path("u")}},
            None,
            f"{data_path('u')} is not the data of 'u'",
        ),
        ({"release": "9" * 40}, None, f"the tree of the release, {'9' * 40}, is missing"),
        (
            {},
            [Member(m.name, "file" if m.name.endswith("/repository") else m.kind) for m in WHOLE],
            f"the tree of the release, {TREE}, is missing",
        ),
    ],
)
def test_a_list_that_is_not_true(facts: dict[str, Any], members: list[Member] | None, expected: str) -> None:
    """What is listed is there, what is there is listed, and data belongs to the URL that is named."""
    assert any(one.startswith(expected) for one in contradictions(members, **facts)), contradictions(
        members, **facts
    )


def test_bundles_of_a_newer_waypost() -> None:
    """They are refused with the command that helps; what is no bundle at all is refused, too."""
    with pytest.raises(UsageError, match=r"a newer Waypost \(schema 2; this one reads 1\)") as error:
        parse_bundle(json.dumps({"schema": 2}))
    assert "upgrade" in error.value.hint
    with pytest.raises(ValueError, match="is not a mapping"):
        parse_bundle("[]")
    with pytest.raises(FindingsError):
        parse_bundle("{}")
