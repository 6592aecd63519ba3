"""Bundles of strangers: nothing is written outside, used unhashed, or found good that no run takes."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import Part, folders_of, listed, make_bundle, packed, told
from waypost.contracts.target import Target
from waypost.errors import IntegrityError, UsageError, WaypostError
from waypost.release import open_bundle as module
from waypost.release.bundle import bundle
from waypost.release.open_bundle import is_bundle, open_bundle, verify_bundle
from waypost.sources.known import write_known
from waypost.sources.store import Store, exact_tree
from waypost.system.places import home

LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
Parts = list[Part]
Change = Callable[[Parts], Parts]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as it should be."""
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAYPOST_HOME", str(folder / "home"))
        return make_bundle(folder)


@pytest.fixture
def parts(good: Path) -> Parts:
    return folders_of(good)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that nothing may be written to: the cache and the temporary folder lie below it."""
    (tmp_path / "temp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    return tmp_path


def unheard(_: str) -> None:
    pass


def place_of(parts: Parts, name: str) -> int:
    return next(index for index, part in enumerate(parts) if part.name.endswith(name))


def with_part(**changes: Any) -> Change:
    """Adds a member at the end."""
    return lambda parts: [*parts, Part(**changes)]


def with_fact(**changes: Any) -> Change:
    """Changes bundle.json."""
    return lambda parts: told(parts, lambda facts: facts.update(changes))


def changed(name: str, **changes: Any) -> Change:
    """Changes a member whose name ends so, and the list with it."""

    def change(parts: Parts) -> Parts:
        index = place_of(parts, name)
        return listed([*parts[:index], replace(parts[index], **changes), *parts[index + 1 :]])

    return change


def without(name: str) -> Change:
    return lambda parts: [part for part in parts if not part.name.endswith(name)]


def in_component(name: str, **changes: Any) -> Change:
    """Adds a member to the tree of the component, and to the list."""

    def change(parts: Parts) -> Parts:
        folder = parts[place_of(parts, "/MLproject")].name.removesuffix("c/MLproject")
        return listed([*parts, Part(folder + name, **changes)])

    return change


def without_component(parts: Parts) -> Parts:
    tree = parts[place_of(parts, "/MLproject")].name.removesuffix("/c/MLproject")
    return listed([part for part in parts if not part.name.startswith(tree)])


def with_a_second_tree(parts: Parts) -> Parts:
    return listed([*parts, Part("trees/4b825dc642cb6eb9a060e54bf8d69288fbee4904", FOLDER)])


def retold(parts: Parts) -> Parts:
    """Changes the release and gives its tree the right name: only its record tells."""
    old = json.loads(parts[0].content)["release"]
    new = [replace(p, content=p.content + b" ") if p.name.endswith("/notes") else p for p in parts]
    with tempfile.TemporaryDirectory() as folder:
        for part in new:
            if part.name.startswith(f"trees/{old}/"):
                path = Path(folder) / part.name.removeprefix(f"trees/{old}/")
                path.mkdir() if part.kind == FOLDER else path.write_bytes(part.content)
        tree = exact_tree(Path(folder))
    renamed = [replace(p, name=p.name.replace(old, tree)) for p in new]
    return listed(told(renamed, lambda facts: facts.update(release=tree)))


HOSTILE: dict[str, tuple[Change, str]] = {
    "absolute name": (with_part(name="/tmp/OUT", content=b"x"), "is an absolute path"),
    "parent": (with_part(name="data/../../OUT", content=b"x"), "'..' in it is not a file name"),
    "parent folder": (with_part(name="../out", kind=FOLDER), "is not a file name"),
    "backslash": (in_component("c/a\\b", content=b"x"), "contains a slash"),
    "git's own": (in_component("c/.GIT", content=b"x"), "is reserved by git"),
    "hard link": (with_part(name="wheels/x", kind=HARD, target="bundle.json"), "a hard link"),
    "device": (with_part(name="data/dev", kind=tarfile.CHRTYPE), "a device"),
    "pipe": (with_part(name="data/dev", kind=tarfile.FIFOTYPE), "a pipe"),
    "sparse": (with_part(name="data/dev", kind=tarfile.GNUTYPE_SPARSE), "a sparse file"),
    "link outside of trees": (with_part(name="data/" + "a" * 16, kind=LINK, target="x"), "the link"),
    "link for the data": (
        lambda parts: [Part("data", LINK, target="/tmp") if p.name == "data" else p for p in parts],
        "the link 'data'",
    ),
    "link up": (in_component("c/up", kind=LINK, target="../../.."), "may leave its folder"),
    "absolute link": (in_component("c/up", kind=LINK, target="/etc"), "may leave its folder"),
    "link to another tree": (
        in_component("c/up", kind=LINK, target="../../" + "a" * 40),
        "may leave its folder",
    ),
    "link and what lies behind": (
        in_component("c/deep", kind=LINK, target="."),
        "appears twice",
    ),
    "below a file": (in_component("c/run.py/x", content=b"x"), "is not in a folder"),
    "below a link": (in_component("c/words.py/x", content=b"x"), "is not in a folder"),
    "twice": (lambda parts: [*parts, parts[-1]], "appears twice"),
    "bundle.json twice": (lambda parts: [*parts, parts[0]], "no bundle.json, several"),
    "no bundle.json": (without("bundle.json"), "no bundle.json"),
    "no folder": (without("/c/deep"), "is not in a folder"),
    "more": (with_part(name="data/" + "a" * 16, content=b"x"), "is not listed"),
    "more folders": (with_part(name="other", kind=FOLDER), "the folder 'other'"),
    "more in a tree": (in_component("c/more", content=b"x"), "its content does not match its name"),
    "more folders in a tree": (in_component("c/more", kind=FOLDER), "its content does not match its name"),
    "missing": (without("/deep/x"), "is missing"),
    "another content": (
        lambda parts: [replace(p, content=b"y") if p.name.endswith("/deep/x") else p for p in parts],
        "is not what the list says",
    ),
    "another content, listed": (changed("/deep/x", content=b"y"), "its content does not match its name"),
    "another mode": (changed("/run.py", mode=0o644), "its content does not match its name"),
    "another link": (changed("/words.py", target="run.py"), "its content does not match its name"),
    "another release": (retold, "notes is not what the record lists"),
    "release up": (with_fact(release="../out"), "release"),
    "release absolute": (with_fact(release="/tmp"), "release"),
    "release not there": (with_fact(release="a" * 40), "is missing"),
    "folder up": (with_fact(folder="../.."), "folder"),
    "folder absolute": (with_fact(folder="/tmp"), "folder"),
    "folder not there": (with_fact(folder="elsewhere"), "no pipeline.yaml"),
    "commit": (with_fact(commit="--x"), "commit"),
    "tag": (with_fact(tag="../x"), "tag"),
    "version": (with_fact(version="../x"), "version"),
    "data outside": (with_fact(data={"http://h/x": "../../etc/passwd"}), "data"),
    "data of another URL": (
        lambda parts: told(parts, lambda f: f.update(data={"http://h/x": next(iter(f["data"].values()))})),
        "is not the data of 'http://h/x'",
    ),
    "no data": (with_fact(data={}), "does not belong to any URL"),
    "files outside": (
        lambda parts: told(parts, lambda f: f["files"].update({"../x": "a" * 64})),
        "../x is missing",
    ),
    "digest": (lambda parts: told(parts, lambda f: f["files"].update({"x": "short"})), "files"),
    "unknown key": (with_fact(more="x"), "unknown key"),
    "no list": (with_fact(files=[]), "files"),
    "newer": (with_fact(schema=2), "written by a newer Waypost"),
    "not JSON": (lambda parts: [replace(parts[0], content=b"{"), *parts[1:]], "not valid JSON"),
    "not UTF-8": (lambda parts: [replace(parts[0], content=b"\xff"), *parts[1:]], "not a bundle"),
    "no mapping": (lambda parts: [replace(parts[0], content=b"[]"), *parts[1:]], "is not a mapping"),
    "deep": (
        lambda parts: [replace(parts[0], content=b"[" * 100_000), *parts[1:]],
        "nested more than 100 levels deep",
    ),
    "no code": (without_component, "the tree of core/c"),
    "more trees": (with_a_second_tree, "belongs to nothing in it"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_run_takes(parts: Parts, outside: Path, name: str) -> None:
    """verify-bundle and run refuse it alike, in words; no byte is written but to their temporary folders, and
    into the cache only trees that are what their names say.
    """
    change, words = HOSTILE[name]
    file = outside / "x.tar"
    file.write_bytes(packed(change(parts)))
    for check in (lambda: verify_bundle(file), lambda: open_bundle(file, unheard, unheard)):
        with pytest.raises(WaypostError, match=r"(?s).") as refused:
            check()
        assert words in str(refused.value)
    assert {path.name for path in outside.iterdir()} <= {"x.tar", "temp", "home"}
    assert not list((outside / "temp").iterdir())
    assert all(exact_tree(tree) == tree.name for tree in (home() / "trees").glob("?" * 40))
    assert not (home() / "bundles").exists()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_archives(good: Path, outside: Path, compress: Callable[[bytes], bytes]) -> None:
    """A compressed archive, which may be a bomb, is refused before it is unpacked."""
    file = outside / "x.tar"
    file.write_bytes(compress(good.read_bytes()))
    with pytest.raises(UsageError, match="it is compressed"):
        verify_bundle(file)


def test_a_large_bundle_json(parts: Parts, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bundle.json has a limit."""
    monkeypatch.setattr(module, "MOST_FACTS_BYTES", 100)
    (outside / "x.tar").write_bytes(packed(parts))
    with pytest.raises(UsageError, match=r"no bundle\.json, several, or one of more than"):
        verify_bundle(outside / "x.tar")


def test_every_cut(good: Path, outside: Path) -> None:
    """Wherever a bundle was cut off, it is refused."""
    data = good.read_bytes()
    for length in range(0, len(data.rstrip(b"\0")), 997):
        (outside / "x.tar").write_bytes(data[:length])
        with pytest.raises(UsageError, match="not a bundle, or cut off"):
            verify_bundle(outside / "x.tar")


def test_a_good_bundle(good: Path, outside: Path) -> None:
    """What verify-bundle finds good is opened; verifying writes nothing to the cache."""
    assert verify_bundle(good).name == "p"
    assert not home().exists()
    opened = open_bundle(good, unheard, unheard)
    assert [path.read_text() for path in opened.data.values()] == ["a\n1\n"]
    assert opened.workspace.release
    assert opened.workspace.release.record
    assert not list((outside / "temp").iterdir())


def test_what_this_machine_knows(good: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is compared with what this machine saw of its release, and nothing is fetched for that: the
    commit behind its tag, the default branch's record, a yank.
    """
    shutil.copytree(good.parent / "home", outside / "knowing", symlinks=True)
    monkeypatch.setenv("WAYPOST_HOME", str(outside / "knowing"))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "none")
    facts = verify_bundle(good)
    mirror = Store(home(), unheard).mirror(facts.url)
    write_known(mirror.folder, replace(mirror.known, yanked={"1.0.0": "leaks"}))
    said: list[str] = []
    release = open_bundle(good, unheard, said.append).workspace.release
    assert release
    assert release.is_attested
    assert said == ["release 1.0.0 was yanked: leaks; the default branch had this record, and has it no more"]
    parts = told(folders_of(good), lambda facts: facts.update(commit="f" * 40))
    (outside / "other.tar").write_bytes(packed(parts))
    for refuse in (verify_bundle, lambda file: open_bundle(file, unheard, unheard)):
        with pytest.raises(IntegrityError, match=r"the tag was moved: this machine knows it as commit"):
            refuse(outside / "other.tar")


def test_a_bundle_of_code_alone(outside: Path) -> None:
    """Without data and without wheels there is something to run, too."""
    file = make_bundle(outside, with_data=False)
    assert not verify_bundle(file).data
    opened = open_bundle(file, unheard, unheard)
    assert opened.wheels.is_dir()
    assert not opened.data


@pytest.mark.parametrize("order", ["last", "backwards", "as GNU tar"])
def test_the_order_does_not_matter(parts: Parts, outside: Path, order: str) -> None:
    """All headers are read before anything else: bundle.json may stand anywhere, folders behind files."""
    new = {"last": [*parts[1:], parts[0]], "backwards": parts[::-1]}.get(order)
    new = new or [Part("./", FOLDER), *(replace(p, name=f"./{p.name}") for p in parts)]
    (outside / "x.tar").write_bytes(
        packed(new, tarfile.GNU_FORMAT if order == "as GNU tar" else tarfile.PAX_FORMAT)
    )
    assert verify_bundle(outside / "x.tar").name == "p"


@pytest.mark.parametrize("state", ["half", "changed", "more", "link", "link to the data", "file"])
def test_what_is_kept_already(good: Path, outside: Path, state: str) -> None:
    """Data and wheels of an earlier opening count by their content, not by the name of their folder."""
    [data] = open_bundle(good, unheard, unheard).data.values()
    kept = data.parents[1]
    elsewhere = outside / "elsewhere"
    if state == "half":
        data.unlink()
    elif state == "changed":
        data.write_text("theirs")
    elif state == "more":
        (kept / "wheels" / "more.whl").write_text("x")
    elif state == "link":
        kept.rename(elsewhere)
        kept.symlink_to(elsewhere)
    elif state == "link to the data":
        data.rename(elsewhere)
        data.symlink_to(elsewhere)
    else:
        kept.rename(elsewhere)
        kept.write_text("x")
    [data] = open_bundle(good, unheard, unheard).data.values()
    assert data.read_text() == "a\n1\n"
    assert not kept.is_symlink()
    assert not data.is_symlink()
    assert [path.name for path in (kept / "wheels").iterdir()] == []


def test_a_plan_that_does_not_hold(parts: Parts, outside: Path) -> None:
    """verify-bundle makes the plan, too: data that a step names and nobody packed is missing."""
    [data] = [part.name for part in parts if part.name.startswith("data/")]
    new = listed([part for part in parts if part.name != data])
    (outside / "x.tar").write_bytes(packed(told(new, lambda facts: facts.update(data={}))))
    with pytest.raises(IntegrityError, match="the data behind http"):
        verify_bundle(outside / "x.tar")


def test_only_a_bundle_is_replaced(good: Path, outside: Path) -> None:
    """What somebody else keeps under the name of a new bundle stays, an archive too, and before any work."""
    file = outside / "mine"
    with tarfile.open(file, "w") as archive:
        archive.add(good, "bundle.json")  # a name alone makes no bundle
    contents = [b"", b"text", file.read_bytes(), gzip.compress(file.read_bytes())]
    for content in contents:
        file.write_bytes(content)
        with pytest.raises(UsageError, match="not a bundle, so it is not replaced"):
            bundle(Target("file:///nowhere", "", "==1.0.0"), file, unheard, wheels=False)
        assert file.read_bytes() == content
    assert is_bundle(good)
    assert not is_bundle(outside)


def test_a_bundle_is_made_again_where_it_is(outside: Path) -> None:
    """A bundle is replaced by the same bytes, through a link as well, and nothing else is left there."""
    file, link = make_bundle(outside, with_data=False), outside / "link.tar"
    before = file.read_bytes()
    link.symlink_to(file)
    target = Target(f"file://{outside / 'pipe.git'}", "", "==1.0.0")
    bundle(target, link, unheard, wheels=False)
    assert link.is_symlink()
    assert file.read_bytes() == before
    assert not list(outside.glob(".*"))
