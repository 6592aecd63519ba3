"""Pure: which versions answer, where URLs lead, what an interface change means, what a lock says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from waypost.contracts.component import Component
from waypost.contracts.lock import Pin, lock_text, make_lock, parse_lock, staleness
from waypost.contracts.pipeline import Pipeline, parse_pipeline
from waypost.contracts.urls import full_url, scheme_of, url_problem
from waypost.contracts.versions import newest, parse_requirement, releases_of
from waypost.errors import FindingsError, IntegrityError, redacted
from waypost.interfaces.changelog import lines_between
from waypost.interfaces.interface import interface_changes, interface_digest
from waypost.interfaces.record import Record
from waypost.interfaces.semver import bumped, demanded, pipeline_changes
from waypost.sources.store import exact_tree

TAGS = {t: t for t in ("v1.0.0", "1.1.0", "v1.1.0", "v1.2.0rc1", "v1.2.0-rc.2", "v2.0.0", "nightly", "v1.3")}


@pytest.mark.parametrize(
    ("asked", "yanked", "tag"),
    [
        ("~=1.0", (), "v1.1.0"),
        ("~=1.0", ("1.1.0",), "v1.0.0"),
        ("==1.0.0", (), "v1.0.0"),
        ("1.0.0", (), "v1.0.0"),
        ("v1.0.0", (), "v1.0.0"),
        (">=1,<3", (), "v2.0.0"),
        ("*", (), "v2.0.0"),
        ("~=1.2.0rc1", (), "v1.2.0-rc.2"),
        ("~=3.0", (), None),
        ("==2.0.0", ("2.0.0",), None),
    ],
)
def test_newest_release_that_fits(asked: str, yanked: tuple[str, ...], tag: str | None) -> None:
    """PEP 440 decides; pre-releases only where asked for, yanked ones never, odd tags are no releases."""
    found = newest(releases_of(TAGS), parse_requirement(asked), yanked)
    assert (found.tag if found else None) == tag


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("~=1.4", "specifier"),
        ("0123abc", "commit"),
        ("a" * 40, "commit"),
        ("main", "branch"),
        ("f/x", "branch"),
    ],
)
def test_requirement_kinds(text: str, kind: str) -> None:
    """Specifiers, commits and names that move are told apart."""
    requirement = parse_requirement(text)
    assert bool(getattr(requirement, kind))
    assert sum(bool(x) for x in (requirement.specifier, requirement.commit, requirement.branch)) == 1


@pytest.mark.parametrize("text", ["=>1", "~= one", "-x", "a b", ""])
def test_requirements_that_are_none(text: str) -> None:
    """A text that is neither is refused, or (empty) allows every stable release."""
    if text:
        with pytest.raises(ValueError, match="not a version requirement"):
            parse_requirement(text)
    else:
        assert parse_requirement(text).allows(Version("7.0.0"))


@pytest.mark.parametrize(
    ("written", "base", "url"),
    [
        ("https://h/x.git", "https://other/p.git", "https://h/x.git"),
        ("../c.git", "https://github.com/org/p.git", "https://github.com/org/c.git"),
        ("../../two/c.git", "https://github.com/org/p.git/", "https://github.com/two/c.git"),
        ("../c.git", "git@github.com:org/p.git", "git@github.com:org/c.git"),
        ("../../c.git", "git@github.com:org/p.git", "git@github.com:c.git"),
        ("./c.git", "/srv/git/p", "/srv/git/p/c.git"),
        ("../c.git", "/srv/git/p", "/srv/git/c.git"),
        ("github:org/repo", "", "https://github.com/org/repo"),
    ],
)
def test_urls(written: str, base: str, url: str) -> None:
    """Relative URLs lead where git's submodules would; github: is short for the whole."""
    assert full_url(written, base) == url
    assert not url_problem(written)


@pytest.mark.parametrize(
    "written",
    [
        *("http://[::1]:8000/x.git", "git://[::1]/x", "ssh://git@[fe80::1%25eth0]:22/x", "git@[::1]:a/b.git"),
        *("[2001:db8::7]:a/b", "git@[::1]:22/x"),
    ],
)
def test_hosts_by_their_ipv6_address(written: str) -> None:
    """An address in brackets is that of a host, though `::` elsewhere names a program."""
    assert not url_problem(written)
    assert full_url("../c.git", written) == f"{re.split(r'[^/:]*$', written)[0]}c.git"


def test_brackets_without_partner() -> None:
    """What looks like half an IPv6 address is no URL, and no stack trace."""
    assert [scheme_of(text) for text in ("http://[::1", "http://[::1]/", "a[0].csv", "x://[")] == [
        "",
        "http",
        "",
        "",
    ]


@pytest.mark.parametrize(
    "written", ["components.git", "--upload-pack=x", "ext::sh -c x", "ext::[::1]:x", "github:org", "a::b/c"]
)
def test_urls_that_are_none(written: str) -> None:
    """What would be an option, a program or a guess is refused."""
    assert url_problem(written)


def test_secrets_are_redacted() -> None:
    """Neither credentials nor signatures of a URL are shown."""
    text = "fatal: https://me:s3cret@h/x.git and s3://b/k?X-Amz-Signature=abc&v=1"
    assert redacted(text) == "fatal: https://h/x.git and s3://b/k?X-Amz-Signature=***&v=1"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:part@hidden@h/x.git",
        "HTTPS://hidden@h/x",
        "https://h/x?sv=1&sig=hidden",
        "https://h/x?code=hidden",
        "https://h/x?Auth=hidden&v=1",
        "https://h/x?db_pwd=hidden",
        "https://h/x?v=1;token=hidden",
        "https://h/x#access_token=hidden",
    ],
)
def test_secrets_in_odd_places_are_redacted(url: str) -> None:
    """A password with `@` goes as a whole, and so do the short names that stores give to signatures."""
    assert "hidden" not in redacted(f"cannot read {url}, give another")


def test_what_is_no_secret_is_shown() -> None:
    """A version, a mail address and other values of a query stay."""
    text = "https://h/org/x@1.4.0 of a@h: https://h/x?author=me&design=1&v=2"
    assert redacted(text) == text


def component(**main: object) -> Component:
    entry = {"command": "x", **main}
    return Component.model_validate({"name": "c", "entry_points": {"main": entry}})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"type": "int"}, None, "breaking: parameter 'p' was removed"),
        (None, {"type": "int"}, "breaking: required parameter 'p' was added"),
        (None, {"type": "int", "default": 1}, "added: parameter 'p'"),
        ({"default": 1}, {"default": 2}, "changed: parameter 'p': default 1 became 2"),
        ({"default": 1}, {}, "breaking: parameter 'p': it is required now"),
        ({}, {"default": 1}, "changed: parameter 'p': it is optional now, default 1"),
        ({"type": "int"}, {"type": "float"}, "changed: parameter 'p': type int became float"),
        ({"type": "float"}, {"type": "int"}, "breaking: parameter 'p': type float became int"),
        ({"minimum": 1}, {"minimum": 2}, "breaking: parameter 'p': minimum 1 became 2"),
        ({"minimum": 1}, {}, "changed: parameter 'p': minimum 1 became none"),
        ({"maximum": 2}, {"maximum": 3}, "changed: parameter 'p': maximum 2 became 3"),
        ({}, {"maximum": 3}, "breaking: parameter 'p': maximum none became 3"),
        ({"choices": ["a", "b"]}, {"choices": ["a"]}, "breaking: parameter 'p': choice 'b' was removed"),
        ({"choices": ["a"]}, {"choices": ["a", "b"]}, "added: parameter 'p': choice 'b'"),
        ({}, {"choices": ["a"]}, "breaking: parameter 'p': only a from now on"),
        ({"choices": ["a"]}, {}, "changed: parameter 'p': any value from now on"),
    ],
)
def test_parameter_changes(
    before: dict[str, object] | None, after: dict[str, object] | None, expected: str
) -> None:
    """Each change of a parameter is named with what it means for those who give it."""
    sides = [component(parameters={} if p is None else {"p": p}) for p in (before, after)]
    assert [str(change) for change in interface_changes(*sides)] == [expected]
    assert interface_digest(sides[0]) != interface_digest(sides[1])


def test_output_changes() -> None:
    """Outputs are part of the interface, by name and path; descriptions and commands are not."""
    old = component(outputs={"a": {"path": "a"}, "b": {"path": "b"}})
    new = component(outputs={"a": {"path": "A"}, "c": {"path": "c"}})
    assert [str(change) for change in interface_changes(old, new)] == [
        "breaking: output 'a': path a became A",
        "breaking: output 'b' was removed",
        "added: output 'c'",
    ]
    other = component(outputs={"a": {"path": "a", "description": "x"}, "b": {"path": "b"}}, command="y")
    assert not interface_changes(old, other)
    assert interface_digest(old) == interface_digest(other)


def test_changelog_between() -> None:
    """The sections after the old version up to the new one, and nothing else."""
    text = "# C\n## [Unreleased]\n- u\n## [1.2.0] - x\n- two\n## [1.1.0]\n- one\n## [1.0.0]\n- zero\n"
    assert (
        lines_between(text, Version("1.0.0"), Version("1.2.0"))
        == "## [1.2.0] - x\n- two\n\n## [1.1.0]\n- one"
    )


NAMES = st.text("abcXYZ.-_ é", min_size=1, max_size=6).filter(lambda n: n not in {".", ".."})
FOLDERS = st.recursive(
    st.binary(max_size=20), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=4), max_leaves=8
)


@given(content=st.dictionaries(NAMES, FOLDERS, min_size=1, max_size=4))
def test_tree_ids_are_those_of_git(
    content: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A folder's id computed without git is the one that git gives it, whatever is in it."""
    root = tmp_path_factory.mktemp("tree")

    def write(folder: Path, entries: dict[str, object]) -> None:
        folder.mkdir(exist_ok=True)
        for name, inner in entries.items():
            if isinstance(inner, dict):
                write(folder / name, inner)
            else:
                assert isinstance(inner, bytes)
                (folder / name).write_bytes(inner)
                (folder / name).chmod(0o755 if len(inner) % 2 else 0o644)

    write(root / "work", content)
    git = ["git", f"--git-dir={root / 'git'}", f"--work-tree={root / 'work'}"]
    subprocess.run([*git, "init", "-q"], check=True, capture_output=True)
    subprocess.run([*git, "add", "-A", "-f", "."], check=True, cwd=root / "work", capture_output=True)
    tree = subprocess.run([*git, "write-tree"], check=True, capture_output=True, text=True).stdout.strip()
    assert exact_tree(root / "work") == tree


PIN = Pin(
    git="../c.git",
    requirement="~=1.0",
    version="1.0.0",
    tag="v1.0.0",
    commit="c" * 40,
    released="2026-01-02",
    tree="d" * 40,
    shared={"kit": "e" * 40},
    interface="sha256:i",
    environment="sha256:e",
)


def pipeline(version: str = "~=1.0", step: str = "core/a") -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "p",
            "components": {"core": {"git": "../c.git", "version": version}},
            "steps": {"one": {"uses": step}},
        }
    )


def test_lock_round_trip() -> None:
    """The same lock gives the same bytes, and the bytes the same lock; it is fresh for its pipeline."""
    lock = make_lock(pipeline(), {"core/a": PIN}, "1.2.3")
    assert lock_text(lock) == lock_text(make_lock(pipeline(), {"core/a": PIN}, "1.2.3"))
    assert parse_lock(lock_text(lock), "x") == lock
    assert not staleness(pipeline(), lock, "x")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["components"]["core/a"].update(commit="d" * 40), "edited by hand"),
        (lambda d: d["components"].pop("core/a"), "edited by hand"),
        (
            lambda d: d.update(schema=99, engine="9.9"),
            r"written by a newer Waypost \(9.9, schema 99; this one reads 2\)",
        ),
        (lambda d: d.pop("schema"), "no schema number"),
        (lambda d: d.update(more=1), "unknown key"),
    ],
)
def test_bad_locks_are_refused(change: object, problem: str) -> None:
    """A lock that was edited, or that this engine does not know, is an error that says what mends it."""
    content = json.loads(lock_text(make_lock(pipeline(), {"core/a": PIN}, "1.2.3")))
    change(content)  # type: ignore[operator]
    with pytest.raises(IntegrityError, match=problem) as caught:
        parse_lock(json.dumps(content), "waypost lock here")
    assert caught.value.exit_code == 4
    assert caught.value.findings[0].hint


def test_merge_conflict_in_lock() -> None:
    """The marks of a merge conflict are called by their name."""
    with pytest.raises(IntegrityError, match="merge conflict"):
        parse_lock("<<<<<<< HEAD\n{}", "x")


def test_stale_locks() -> None:
    """Each way in which pipeline.yaml went on without its lock is told."""
    lock = make_lock(pipeline(), {"core/a": PIN}, "1.2.3")
    [finding] = staleness(pipeline("~=2.0"), lock, "x")
    assert "asks for ~=2.0, the lock is for ~=1.0" in finding.problem
    problems = [f.problem for f in staleness(pipeline(step="core/b"), lock, "x")]
    assert problems == [
        "pipeline.yaml uses core/b, which is not in the lock",
        "core/a is no longer used by pipeline.yaml",
    ]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{}", "its location is missing"),
        ("{git: ../c.git}", "needs a `version`"),
        ("{path: x, version: ~=1.0}", "need `git`"),
        ("{git: 'ext::sh -c x', version: ~=1.0}", "not a git URL"),
    ],
)
def test_sources_that_make_no_sense(source: str, problem: str) -> None:
    """A components entry says what it lacks."""
    text = f"name: p\ncomponents: {{core: {source}}}\nsteps: {{one: {{uses: core/a}}}}\n"
    with pytest.raises(FindingsError, match=problem):
        parse_pipeline(text)


def test_model_signature_changes() -> None:
    """A pipeline's interface is its parameters and its model's columns: each difference has its weight."""
    record = Record.model_validate(
        {
            "kind": "pipeline",
            "name": "p",
            "version": "1.0.0",
            "date": "d",
            "engine": "e",
            "notes": "",
            "made_with": {},
            "trees": {},
            "parameters": ["a", "b"],
        }
    )
    old = {"inputs": [{"name": "x", "type": "long"}, {"name": "y", "type": "long"}]}
    new = {"inputs": [{"name": "x", "type": "double"}, {"name": "z", "type": "long", "required": True}]}
    changes = pipeline_changes(record, ["b", "c"], old, new)
    assert [str(c) for group in changes.values() for c in group] == [
        "breaking: parameter 'a' was removed",
        "added: parameter 'c'",
        "breaking: column 'x' of the model's inputs: type long became double",
        "changed: column 'y' of the model's inputs was removed",
        "breaking: column 'z' of the model's inputs",
    ]
    assert demanded(changes["model"]) == "major"
    assert not pipeline_changes(record, ["a", "b"], old, old)
    assert bumped(Version("1.2.3"), "minor") == Version("1.3.0")
    assert bumped(Version("2.0.0rc1"), "major") == Version("2.0.0")
