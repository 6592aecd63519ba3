"""Whose signatures tags need: which policy speaks of a repository, and what a tag says of itself."""

from __future__ import annotations

import pytest

from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.signers import (
    OF_REPOSITORY,
    Policy,
    TagObject,
    covering,
    object_findings,
    parse_signers,
    parse_tag,
)
from waypost.errors import FindingsError

COMMIT = "1" * 40
SSH = b"-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n"
POLICY = Policy("", "keys")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/org/grades",
        "https://github.com/org/grades.git/",
        "HTTPS://user:secret@GitHub.com:443/Org/grades.git",
        "https://github.com//org/./other/../%67rades",
        "https://github.com./org/grades",
        "ssh://git@github.com:22/org/grades",
        "git@github.com:org/grades.git",
        "github.com:/org/grades",
    ],
)
def test_no_spelling_escapes_a_policy(url: str) -> None:
    """Scheme, user, port, case and detours make no other repository of it."""
    for place in ("https://github.com/org", "git@github.com:org/", "github.com/org/grades", "github.com"):
        assert covering(url, [place]) == place
    assert covering(url, ["https://github.com/or", "github.com/organisation", "example.org"]) is None


def test_other_names_are_other_places() -> None:
    """Letters that only look alike in capitals, and a scheme within a path, make no other place of it."""
    assert covering("https://straße.de/x", ["strasse.de"]) is None
    assert covering("https://host/straße", ["host/strasse"]) is None
    assert covering("https://github.com/org/a://b", ["github.com/org", "b"]) == "github.com/org"


def test_the_nearest_place_counts() -> None:
    """Of several the most precise one, and `*` where no other speaks of it; folders are places, too."""
    places = ["*", "github.com/org", "github.com/org/grades", "/srv/git"]
    assert covering("https://github.com/org/grades", places) == "github.com/org/grades"
    assert covering("https://github.com/org/other", places) == "github.com/org"
    assert covering("https://example.org/x", places) == "*"
    assert covering("file:///srv/git/x.git", places) == "/srv/git"
    assert covering("/srv/gitx", places) == "*"


def test_the_file_of_a_user() -> None:
    """A mapping of repositories to files; whatever else it is, it is told and not passed over."""
    assert parse_signers('{"*": keys, github.com/org: a/b}', "f") == {"*": "keys", "github.com/org": "a/b"}
    for text in ("- a", "github.com: [a]", "github.com: {a: b}", "a: b\na: c\n"):
        with pytest.raises(FindingsError):
            parse_signers(text, "f")


def body(*, name: str = "v1.0.0", kind: str = "commit", end: bytes = SSH) -> bytes:
    head = f"object {COMMIT}\ntype {kind}\ntag {name}\ntagger t <t@e> 1 +0000\n\nwords\n"
    return head.encode() + end


def test_what_a_tag_says() -> None:
    """Its header and the form of its signature, which is the last that begins, as for git."""
    assert parse_tag(body()) == TagObject("v1.0.0", COMMIT, "commit", "ssh")
    assert parse_tag(body(end=b"")).form == ""
    assert parse_tag(body(end=b" -----BEGIN SSH SIGNATURE-----\n")).form == ""
    pgp = b"-----BEGIN PGP SIGNATURE-----\nx\n"
    assert parse_tag(body(end=pgp)).form == "OpenPGP"
    assert parse_tag(body(end=pgp + SSH)).form == "ssh"
    assert parse_tag(body(end=SSH + pgp)).form == "OpenPGP"
    assert parse_tag(body(end=b"-----BEGIN SIGNED MESSAGE-----\n")).form == "X.509"
    with pytest.raises(ValueError, match="not a git tag object"):
        parse_tag(b"tag v1.0.0\n" + body())


@pytest.mark.parametrize(
    ("found", "category", "words"),
    [
        (None, "tag-unsigned", "the tag is lightweight, but keys requires a signature"),
        (parse_tag(body(end=b"")), "tag-unsigned", "the tag is not signed, but keys requires"),
        (parse_tag(body(name="v0.9.0")), "signature-wrong", "is for the tag v0.9.0"),
        (parse_tag(body(kind="tag")), "signature-wrong", "is for tag 111111111111, not for commit"),
        (parse_tag(body().replace(b"1" * 40, b"2" * 40)), "signature-wrong", "for commit 222222222222"),
        (parse_tag(body(end=b"-----BEGIN PGP SIGNATURE-----\n")), "signature-wrong", "with OpenPGP: only"),
    ],
)
def test_signatures_that_need_no_look(found: TagObject | None, category: str, words: str) -> None:
    """An old tag that was signed well does not sign another version, nor another commit."""
    [finding] = object_findings("v1.0.0", COMMIT, found, POLICY)
    assert finding.category == category
    assert words in finding.problem
    assert list(object_findings("v1.0.0", COMMIT, parse_tag(body()), POLICY)) == []


def test_the_key_in_a_pipeline() -> None:
    """`signers` names a file for all sources, or one for each; it lies in the pipeline's folder."""
    sources = "{core: {git: ../c.git, version: '*'}, own: {path: parts}}"
    start = f"name: x\ncomponents: {sources}\nsteps: {{a: {{uses: own/a}}}}\n"
    assert parse_pipeline(f"{start}signers: keys").signers_of("core") == "keys"
    split = parse_pipeline(f"{start}signers: {{core: sub/keys}}")
    assert (split.signers_of("core"), split.signers_of("own")) == ("sub/keys", "")
    assert parse_pipeline(start).signers_of("core") == ""
    for wrong in ("/etc/keys", "../keys", "{other: keys}", "{own: keys}", "[keys]", "''"):
        with pytest.raises(FindingsError):
            parse_pipeline(f"{start}signers: {wrong}")
    assert OF_REPOSITORY.startswith("releases/")
