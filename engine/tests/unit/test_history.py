"""A folder's part of a history, as a history of its own: the rules, without git."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from waypost.contracts.history import Content, Node, inner, outer, parse_commit, split_history

SIGNED = (
    b"tree " + b"a" * 40 + b"\nparent " + b"b" * 40 + b"\n"
    b"author A <a@example.org> 1 +0100\ncommitter C <c@example.org> 2 +0000\nencoding ISO-8859-1\n"
    b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n made up\n -----END PGP SIGNATURE-----\n"
    b"\nSubject\n\nBody\n"
)


def named(*nodes: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Splits a history written as `ID<PARENT,PARENT:TREE`; copies are called by their id in upper case.

    Returns what stands for each commit, and the parents of each copy.
    """
    made: dict[str, tuple[str, ...]] = {}

    def make(node: Node, parents: Sequence[str]) -> str:
        made[node.id.upper()] = tuple(parents)
        return node.id.upper()

    def parsed(text: str) -> Node:
        head, _, tree = text.partition(":")
        name, _, parents = head.partition("<")
        return Node(name, tuple(filter(None, parents.split(","))), tree or None)

    return dict(split_history(map(parsed, nodes), make)), made


def test_a_commit_is_read_and_written_to_the_byte() -> None:
    """What is in a commit is taken apart and put together again, continued headers included."""
    commit = parse_commit(SIGNED)
    assert commit.parents == ("b" * 40,)
    assert [line.partition(b" ")[0] for line in commit.headers] == [
        *(b"author", b"committer", b"encoding", b"gpgsig")
    ]
    assert commit.body() == SIGNED


def test_signatures_do_not_fit_another_tree() -> None:
    """A split commit keeps author, committer, encoding and message, not the signature of the whole."""
    found = inner(parse_commit(SIGNED), "c" * 40, ())
    assert found.body() == SIGNED.replace(b"a" * 40, b"c" * 40).replace(
        b"parent " + b"b" * 40 + b"\n", b""
    ).replace(b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n made up\n -----END PGP SIGNATURE-----\n", b"")


@pytest.mark.parametrize(
    "extra", [(), (b"gpgsig x\n y",), (b"split-odd 1", b"mergetag object d\n type commit")]
)
def test_there_and_back(extra: tuple[bytes, ...]) -> None:
    """What was taken in from the library's own repository leaves again as the very same commit."""
    foreign = Content(
        "1" * 40, ("2" * 40,), (b"author A <a> 1 +0000", b"committer C <c> 2 +0000", *extra), b"m\n"
    )
    here = outer(foreign, "3" * 40, ("4" * 40,))
    assert here.body().startswith(b"tree " + b"3" * 40)
    assert b"\ngpgsig" not in here.body()
    assert here.headers[:2] == foreign.headers[:2]
    assert inner(here, foreign.tree, foreign.parents) == foreign


def test_only_what_changes_the_folder_counts() -> None:
    """Commits elsewhere are stood for by the one before; those without the folder by none."""
    found, made = named("a", "b<a:1", "c<b:1", "d<c:2")
    assert found == {"b": "B", "c": "B", "d": "D"}
    assert made == {"B": (), "D": ("B",)}


def test_a_folder_that_was_away() -> None:
    """A folder that was removed and came back goes on with its history."""
    found, made = named("a:1", "b<a", "c<b:2")
    assert found == {"a": "A", "b": "A", "c": "C"}
    assert made == {"A": (), "C": ("A",)}


@pytest.mark.parametrize(
    ("merge", "stands", "parents"),
    [
        ("m<b,c:2", "B", None),  # the other side did not touch the folder
        ("m<c,b:2", "B", None),
        ("m<b,d:4", "M", ("B", "D")),  # both did
        ("m<b,d:2", "M", ("B", "D")),  # one side's content was taken, the other side's history stays
        ("m<b,e:2", "M", ("B", "E")),  # both made the same change
        ("m<b,x:2", "B", None),  # the other side has no such folder
    ],
)
def test_merges(merge: str, stands: str, parents: tuple[str, ...] | None) -> None:
    """A merge is a commit of the folder's history where it joins two lines of it, as for git subtree."""
    found, made = named("a:1", "b<a:2", "c<a:1", "d<a:3", "e<a:2", "x", merge)
    assert found["m"] == stands
    assert made.get("M") == parents


@pytest.mark.parametrize("merge", ["m<d,b:4", "m<d,c:4", "m<c,d:4"])
def test_what_a_merge_has_already(merge: str) -> None:
    """A merge with a commit that one side has in its history, by whichever of its parents, adds nothing."""
    found, _ = named("a:1", "b<a:2", "c<a:3", "d<b,c:4", merge)
    assert found["m"] == "D"
