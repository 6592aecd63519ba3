"""Trees of strangers in real repositories: nothing of one that is refused is fetched, locked or written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.repositories import RawRepository
from waypost.contracts.listing import walk
from waypost.contracts.lock import Wanted
from waypost.contracts.trees import FILE, FOLDER, LINK, PROGRAM
from waypost.errors import FindingsError, WaypostError
from waypost.pins.commit_contents import Commit
from waypost.pins.pinning import pins_at
from waypost.sources import git
from waypost.sources.objects import Objects
from waypost.sources.refusals import BadObjectError
from waypost.sources.store import Store
from waypost.sources.unpack import make_folder, make_link, write_new

CONTRACT = b"name: c\nentry_points: {main: {command: 'true'}}\n"


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RawRepository:
    """A repository for objects of any kind; the test's home and temporary folder are its own."""
    for name, folder in (("HOME", "user"), ("TMPDIR", "temp")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return RawRepository(tmp_path / "raw.git")


def component(raw: RawRepository, *more: tuple[str, str | bytes, str]) -> str:
    """Writes a component's folder with more entries than it needs."""
    return raw.tree((FILE, "MLproject", raw.blob(CONTRACT)), *more)


def everything_below(folder: Path) -> dict[str, bytes | str]:
    return {
        str(p.relative_to(folder)): str(p.readlink())
        if p.is_symlink()
        else p.read_bytes()
        if p.is_file()
        else ""
        for p in sorted(folder.rglob("*"))
    }


def test_unpacked_byte_for_byte(raw: RawRepository, tmp_path: Path) -> None:
    """Files, programs, folders and links inside come out as they are in the repository."""
    tree = component(
        raw,
        (PROGRAM, "run", raw.blob(b"\r\n\0")),
        (LINK, "words", raw.blob(b"../kit/words.py")),
        (FOLDER, "empty", raw.tree()),
        (FILE, "-rf", raw.blob(b"")),
    )
    kit = raw.tree((FILE, "words.py", raw.blob(b"WORD = 1\n")))
    with Objects(raw.path) as objects:
        place = Store(tmp_path / "home", print).add({"c": tree, "kit": kit}, objects)
    assert (place / "c" / "run").read_bytes() == b"\r\n\0"
    assert os.access(place / "c" / "run", os.X_OK)
    assert (place / "c" / "words").read_bytes() == b"WORD = 1\n"
    assert (place / "c" / "empty").is_dir()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(lambda raw: [(FILE, "../x", raw.blob())], id="parent"),
        pytest.param(lambda raw: [(FILE, "/tmp/waypost-outside", raw.blob())], id="absolute"),
        pytest.param(lambda raw: [(FILE, ".GIT", raw.blob())], id="git"),
        pytest.param(lambda raw: [(FILE, b"\xff", raw.blob()), (FILE, b"\xfe", raw.blob())], id="not UTF-8"),
        pytest.param(lambda raw: [(LINK, "up", raw.blob(b"../../.."))], id="link up"),
        pytest.param(lambda raw: [(LINK, "up", raw.blob(b"/etc"))], id="absolute link"),
        pytest.param(lambda raw: [(LINK, "l", raw.blob(b"x/../../y"))], id="link by a link"),
        pytest.param(lambda raw: [(LINK, "long", raw.blob(b"x" * 2000))], id="long link"),
        pytest.param(
            lambda raw: [(LINK, "a", raw.blob(b".")), (FOLDER, "a", raw.tree())], id="link and folder"
        ),
        pytest.param(lambda raw: [(FILE, "a", raw.blob()), (FILE, "a", raw.blob(b"y"))], id="twice"),
        pytest.param(lambda raw: [(FOLDER, "d", raw.tree((FILE, "a/b", raw.blob())))], id="deeper"),
        pytest.param(lambda raw: [(FOLDER, "d", raw.blob(b""))], id="a file for a folder"),
        pytest.param(lambda raw: [(FILE, "f", raw.tree())], id="a folder for a file"),
        pytest.param(lambda raw: [("010644", "fifo", raw.blob())], id="mode"),
    ],
)
def test_refused_before_the_first_byte(raw: RawRepository, tmp_path: Path, entry: Any) -> None:
    """Nothing of a tree is written that has one bad entry, and nothing is left of the try."""
    store = Store(tmp_path / "home", print)
    before = everything_below(tmp_path)
    tree = component(raw, *entry(raw))
    with Objects(raw.path) as objects, pytest.raises(WaypostError):
        store.add({"c": tree}, objects)
    left = {p: c for p, c in everything_below(tmp_path).items() if not p.startswith("raw.git")}
    assert left.keys() - before.keys() <= {"home", "home/trees", "home/trees/.lock"}


@pytest.mark.parametrize("target", ["file", "folder", "nothing"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: write_new(path, [b"theirs"], is_program=False),
        lambda path: make_link(path, b"theirs"),
        make_folder,
    ],
)
def test_what_is_there_is_never_followed(tmp_path: Path, make: Any, target: str) -> None:
    """Where a link, or anything else, is under a name already, nothing is written over it or through it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / target)
    before = everything_below(tmp_path)
    for name in ("link", "file", "folder"):
        with pytest.raises(FindingsError, match="its name is taken"):
            make(tmp_path / name)
    assert everything_below(tmp_path) == before


def test_one_process_answers_again_after_a_refusal(raw: RawRepository) -> None:
    """An answer that was not read to its end is not taken for the next one; one process reads all else."""
    one, two = raw.blob(b"1" * 100_000), raw.blob(b"2")
    with Objects(raw.path) as objects:
        assert next(objects.blobs([one, two])) == b"1" * 100_000
        assert list(objects.blobs([two])) == [b"2"]
        with pytest.raises(WaypostError, match="is a blob, its tree says that it is a tree"):
            list(objects.trees([one]))
        assert objects.sizes([one, two]) == {one: 100_000, two: 1}
        assert list(objects.blobs([two, one], most=200_000)) == [b"2", b"1" * 100_000]
        before = objects._contents._process
        walk({"c": raw.tree((FOLDER, "d", raw.tree((FILE, "x", two))))}, objects.trees)
        assert objects._contents._process == before
        with pytest.raises(WaypostError, match="MiB are read"):
            list(objects.blobs([one], most=10))


def test_many_objects_in_one_go(raw: RawRepository) -> None:
    """More ids than a pipe holds are asked for without a standstill."""
    oids = [raw.blob(b"%d" % n) for n in range(900)]
    with Objects(raw.path) as objects:
        assert [int(content) for content in objects.blobs(oids)] == list(range(900))


def mirror_of(raw: RawRepository, home: Path) -> Any:
    return Store(home, print).mirror(f"file://{raw.path}")


WANTED = {"core/c": Wanted("core", "c", "x", "==1.0.0")}


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda raw: raw.tree((FOLDER, "c", component(raw, (FILE, "a/b", raw.blob())))), "fullPathname"),
        (lambda raw: raw.tree((FOLDER, "c", component(raw, (FILE, "..", raw.blob())))), "hasDotdot"),
        (lambda raw: raw.tree((FOLDER, "c", component(raw)), (FILE, "c", raw.blob())), "duplicateEntries"),
        (lambda raw: raw.tree((FOLDER, "c", component(raw)), (FOLDER, ".git", raw.tree())), "hasDotgit"),
    ],
)
def test_fetches_check_objects(raw: RawRepository, tmp_path: Path, make: Any, kind: str) -> None:
    """git's refusal is told with the object and what is wrong with it; nothing refers to it then."""
    commit = raw.release(make(raw))
    mirror = mirror_of(raw, tmp_path / "home")
    with pytest.raises(
        BadObjectError, match=rf"git refuses object [0-9a-f]{{40}} of it: .* \({kind}\)"
    ) as refused:
        mirror.ensure(commit, with_head=True)
    assert refused.value.exit_code == 4
    assert git.git(mirror.folder, "for-each-ref") == ""


@pytest.mark.parametrize(
    "author", ["a <a@b> 1243040974 -22230", "a<a@b> 1700000000 +0000", "a <a@b> 01700000000 +0000"]
)
def test_oddities_of_old_repositories(raw: RawRepository, tmp_path: Path, author: str) -> None:
    """Dates, names and modes as old tools wrote them are no reason to refuse, nor to check less."""
    commit = raw.release(raw.tree(("040000", "old", raw.tree()), (FOLDER, "c", component(raw))), author)
    mirror = mirror_of(raw, tmp_path / "home")
    mirror.ensure(commit, with_head=True)
    pins, findings = pins_at(Commit(mirror, commit), WANTED)
    assert set(pins) == {"core/c"}, findings
    bad = raw.release(raw.tree((FOLDER, "c", component(raw, (FILE, "a/b", raw.blob())))), author)
    with pytest.raises(BadObjectError, match="fullPathname"):
        mirror.ensure(bad)
    assert not mirror.has(bad)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda raw: component(raw, (FILE, "a/b", raw.blob())), "in 'c', 'a/b' contains a slash"),
        (
            lambda raw: component(raw, (LINK, "l", raw.blob(b"../kit/x"))),
            "'c/l' is a link that may leave its folder",
        ),
        (lambda raw: component(raw, ("100664", "f", raw.blob())), "'c/f' has the mode 100664"),
        (
            lambda raw: raw.tree((FILE, "MLproject", raw.blob(CONTRACT + b"shared: ['../zz']\n"))),
            "'../zz' contains a slash",
        ),
        (
            lambda raw: raw.tree((FILE, "MLproject", raw.blob(CONTRACT + b"shared: [kit]\n"))),
            "no folder 'kit'",
        ),
        (
            lambda raw: raw.tree((FILE, "MLproject", raw.blob(CONTRACT + b"python_env: /etc/x\n"))),
            "an absolute path",
        ),
        (lambda raw: raw.tree((LINK, "MLproject", raw.blob(b"/etc/passwd"))), "'/etc/passwd'"),
        (lambda raw: raw.tree((FILE, "MLproject", raw.blob(b"\0"))), "not valid YAML"),
    ],
)
def test_what_cannot_be_locked(raw: RawRepository, tmp_path: Path, make: Any, words: str) -> None:
    """What could not be unpacked is refused when it is locked, with its place, whatever git let through."""
    commit = raw.release(raw.tree((FOLDER, "c", make(raw))))
    mirror = mirror_of(raw, tmp_path / "home")
    git.create_bare(mirror.folder)
    git.git(mirror.folder, "fetch", "-q", str(raw.path), f"{commit}:refs/pins/{commit}")
    pins, findings = pins_at(Commit(mirror, commit), WANTED)
    assert not pins
    assert any(words in str(finding) for finding in findings["core/c"]), findings
