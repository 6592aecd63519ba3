"""Others commit in the library's own repository: nothing of theirs or ours is lost, nothing is forced."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Call
from tests.repositories import Repository, make_repository
from waypost.errors import IntegrityError, UsageError, WaypostError
from waypost.release.export import export
from waypost.release.importing import take_in
from waypost.sources import history
from waypost.sources.git import is_shallow
from waypost.system.process import bytes_of

LIBRARY = "components-repo"
WAYPOST = ("python", "-m", "waypost", "components")


def write(repository: Repository, name: str, text: str, message: str) -> str:
    file = repository.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return repository.commit(message)


@pytest.fixture
def main(workplace: Path) -> Repository:
    """A repository whose folder components-repo is a library with two commits of its own."""
    repository = make_repository(workplace / "main")
    for key in ("user.name", "user.email"):
        repository.git("config", key, "anna@example.org")
    write(repository, "README.md", "ours\n", "begin")
    write(repository, f"{LIBRARY}/load/MLproject", "name: load\n", "add load")
    write(repository, f"{LIBRARY}/load/run.py", "one\ntwo\nthree\n", "add its code")
    write(repository, "README.md", "ours, mended\n", "mend the README")
    return repository


@pytest.fixture
def bare(main: Repository, workplace: Path) -> Repository:
    """The library's own repository, exported once."""
    export(main.path / LIBRARY, str(workplace / "components.git"), print)
    return Repository(workplace / "components.git")


@pytest.fixture
def berta(bare: Repository, workplace: Path) -> Repository:
    """Somebody else's clone of the library's own repository."""
    subprocess.run(["git", "clone", "-q", bare.path, workplace / "berta"], check=True)
    return Repository(workplace / "berta")


def push(berta: Repository, name: str, text: str, message: str) -> str:
    """Commits as Berta, in her name and at her time, and pushes; returns the commit."""
    write(berta, name, text, message)
    berta.git(
        "commit",
        "--quiet",
        "--amend",
        "--author=Berta <b@example.org>",
        "--date=2026-02-03T00:00:00Z",
        "-C",
        "HEAD",
    )
    berta.git("push", "--quiet", "origin", "HEAD:main")
    return berta.git("rev-parse", "HEAD")


def state(repository: Repository) -> tuple[str, ...]:
    return tuple(repository.git(*words.split()) for words in ("rev-parse HEAD", "status --porcelain"))


def again(main: Repository, bare: Repository, *, onto: bool = False) -> str:
    return export(main.path / LIBRARY, str(bare.path), print, onto=onto).head


def test_split_is_that_of_git_subtree() -> None:
    """This repository's library comes out as `git subtree split` gives it."""
    if (
        is_shallow(ROOT)
        or not Path(bytes_of(["git", "--exec-path"]).decode().strip(), "git-subtree").exists()
    ):
        pytest.skip("no history here, or no git subtree to compare with")
    command = ["git", "-C", str(ROOT), "subtree", "split", "-q", f"--prefix={LIBRARY}", "HEAD"]
    assert history.split(ROOT, LIBRARY, "HEAD").head == bytes_of(command).decode().strip()


def test_what_is_not_here_is_named(main: Repository, bare: Repository, berta: Repository, call: Call) -> None:
    """Where both sides went on, export says whose commits are not here, and what to do; nothing is pushed."""
    theirs = push(berta, "load/run.py", "one\ntwo\n3\n", "Say three in digits")
    write(main, f"{LIBRARY}/clean/MLproject", "name: clean\n", "add clean")
    result = call(*WAYPOST, "export", bare.path, cwd=main.path)
    assert result.returncode == 1
    assert f"its main has a commit that is not here: {theirs[:12]} “Say three in digits”" in result.stderr
    assert "(Berta, 2026-02-03)" in result.stderr
    assert f"waypost components import {bare.path}" in result.stderr
    assert bare.git("rev-parse", "main") == theirs


def test_only_theirs_is_new(main: Repository, bare: Repository, berta: Repository, call: Call) -> None:
    """Where only they went on, export pushes nothing and says so; import takes the very commits in."""
    theirs = push(berta, "load/run.py", "one\ntwo\n3\n", "Say three in digits")
    told = call(*WAYPOST, "export", bare.path, cwd=main.path)
    assert told.returncode == 0, told.stderr
    assert f"not here yet: {theirs[:12]}" in told.stdout
    taken = call(*WAYPOST, "import", "../components.git", cwd=main.path)
    assert taken.returncode == 0, taken.stderr
    assert "1 taken in" in taken.stdout
    assert (
        main.git("log", "-1", "--format=%an %ae %as %s")
        == "Berta b@example.org 2026-02-03 Say three in digits"
    )
    assert main.git("show", "--format=", "--name-only", "HEAD") == f"{LIBRARY}/load/run.py"
    assert (main.path / LIBRARY / "load" / "run.py").read_text() == "one\ntwo\n3\n"
    assert again(main, bare) == theirs
    assert take_in(main.path / LIBRARY, str(bare.path), print).commits == ()


def test_both_went_on(main: Repository, bare: Repository, berta: Repository) -> None:
    """Import joins both lines of history; the next export adds to what is there, the one after nothing."""
    theirs = push(berta, "load/run.py", "one\ntwo\n3\n", "Say three in digits")
    ours = write(main, f"{LIBRARY}/clean/MLproject", "name: clean\n", "add clean")
    found = take_in(main.path / LIBRARY, str(bare.path), print)
    assert found.merged
    assert main.git("merge-base", "HEAD", ours) == ours
    assert (main.path / "README.md").read_text() == "ours, mended\n"
    head = again(main, bare)
    assert bare.git("rev-parse", "main") == head
    assert bare.git("rev-parse", "main^2") == theirs
    assert bare.git("ls-tree", "--name-only", "main") == "clean\nload"
    assert again(main, bare) == head


def test_signed_commits_leave_as_they_came(main: Repository, bare: Repository, berta: Repository) -> None:
    """A signature is right for the library's tree only: it is kept, and there again in the next export."""
    commit = push(berta, "load/run.py", "one\ntwo\n3\n", "Say three in digits")
    body = berta.git("cat-file", "commit", commit)
    head, _, message = body.partition("\n\n")
    signed = (
        f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n{message}\n"
    )
    [theirs] = history.write_commits(berta.path, [signed.encode()])
    berta.git("push", "--quiet", "--force", "origin", f"{theirs}:main")
    take_in(main.path / LIBRARY, str(bare.path), print)
    assert "\ngpgsig" not in main.git("cat-file", "commit", "HEAD")
    assert again(main, bare) == theirs
    main.git("fsck", "--strict")


def test_same_lines_changed(main: Repository, bare: Repository, berta: Repository) -> None:
    """Where both sides changed the same lines, the branch here stays as it is; theirs is at hand."""
    push(berta, "load/run.py", "one\ntwo\n3\n", "Say three in digits")
    write(main, f"{LIBRARY}/load/run.py", "one\ntwo\nIII\n", "say three as Romans do")
    before = state(main)
    with pytest.raises(
        WaypostError, match=f"both sides changed the same lines: {LIBRARY}/load/run.py"
    ) as error:
        take_in(main.path / LIBRARY, str(bare.path), print)
    assert state(main) == before
    branch = error.value.hint.rpartition(" ")[2]
    assert main.git("log", "-1", "--format=%an", branch) == "Berta"
    with pytest.raises(WaypostError, match=r"both sides changed the same lines: load/run\.py"):
        again(main, bare, onto=True)
    main.git("merge", "--quiet", "-X", "theirs", "-m", "theirs", branch)
    assert again(main, bare) == bare.git("rev-parse", "main")


def test_onto(main: Repository, bare: Repository, berta: Repository, workplace: Path) -> None:
    """`--onto` joins both there, the same wherever it is done; import knows that its other half is ours."""
    theirs = push(berta, "load/run.py", "one\ntwo\n3\n", "Say three in digits")
    write(main, f"{LIBRARY}/clean/MLproject", "name: clean\n", "add clean")
    shutil.copytree(bare.path, workplace / "copy.git")
    subprocess.run(["git", "clone", "-q", main.path, workplace / "elsewhere"], check=True)
    head = again(main, bare, onto=True)
    assert bare.git("rev-parse", "main", "main^1") == f"{head}\n{theirs}"
    assert again(Repository(workplace / "elsewhere"), Repository(workplace / "copy.git"), onto=True) == head
    take_in(main.path / LIBRARY, str(bare.path), print)
    assert again(main, bare) == head
    assert main.git("rev-list", "--count", "HEAD") == "7"


def test_what_is_refused(main: Repository, bare: Repository, berta: Repository, workplace: Path) -> None:
    """Another library's repository, changes that are not committed, a library that is no guest: refused."""
    other = make_repository(workplace / "other")
    write(other, "load/MLproject", "name: load\n", "another load")
    for verb in (again, lambda m, b: take_in(m.path / LIBRARY, str(b.path), print)):
        with pytest.raises(UsageError, match="it is not this library's"):
            verb(main, other)
    with pytest.raises(UsageError, match="is the library's own repository"):
        take_in(berta.path, str(bare.path), print)
    (main.path / "README.md").write_text("not committed\n")
    with pytest.raises(UsageError, match=r"not committed: README\.md"):
        take_in(main.path / LIBRARY, str(bare.path), print)
    with pytest.raises(UsageError, match="no commit has nothing"):
        (main.path / "nothing").mkdir()
        export(main.path / "nothing", str(workplace / "x.git"), print)


def test_library_of_its_own(berta: Repository, workplace: Path) -> None:
    """At the top of its repository a library is pushed as it is, with its own tags; a tag that names
    another commit there is not touched.
    """
    record = {
        *('"schema": 1, "kind": "components", "name": "components", "version": "1.0.0"',),
        *('"date": "2026-01-01", "engine": "1", "made_with": {}, "notes": "", "trees": {}',),
    }
    head = write(berta, "releases/1.0.0.json", "{" + ", ".join(record) + "}", "release 1.0.0")
    berta.git("tag", "-a", "-m", "by hand", "v1.0.0")
    target = Repository(workplace / "mirror.git")
    for _ in range(2):
        found = export(berta.path, str(target.path), print)
        assert (found.head, dict(found.tags)) == (head, {"v1.0.0": head})
    assert target.git("rev-parse", "v1.0.0") == berta.git("rev-parse", "v1.0.0")
    target.git("tag", "-f", "v1.0.0", "main~1")
    with pytest.raises(IntegrityError, match="there it is commit"):
        export(berta.path, str(target.path), print)
