"""`waypost cache` in a home where others keep things: what is the cache's by name and content goes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from waypost.sources.cache import clear, collect, items
from waypost.system.database import Database, is_ours

TREE, ENV, MODEL = "a" * 40, "b" * 64, "c" * 32
OURS = [
    *(f"mirrors/core-{'0' * 16}.git/HEAD", f"mirrors/core-{'0' * 16}.lock"),
    *(f"trees/{TREE}/load/run.py", "trees/.lock", "trees/.new-abc/load/run.py"),
    *(f"envs/{ENV}/bin/python", f"envs/{ENV}.lock", "envs/.building-abc/x"),
    *(f"artifacts/{MODEL}/model/MLmodel", "artifacts/wandb/x/y", f"compiled/{MODEL}/proof.json"),
    *(f"compiled/{MODEL}.lock", "compiled/.new-abc/form/proof.json", f"bundles/{ENV}/data/x"),
]
MINE = [
    *(
        "envs/project/bin/python",
        "envs/project.lock",
        "trees/oak.txt",
        "trees/oak/leaf",
        "artifacts/wheel.whl",
    ),
    *("artifacts/report/a.pdf", "compiled/kernel.o", "mirrors/own.git/HEAD", "mirrors/own.lock", "notes.txt"),
    *("src/trees/a", f"trees/{TREE}x/a", "compiled/.keep"),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with things of the cache and of somebody else's, a database of each, and a link."""
    folder = tmp_path / "home"
    for name in (*OURS, *MINE):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("x")
    (folder / "trees" / ("d" * 40)).symlink_to(tmp_path / "elsewhere")
    Database(folder / "memo.db", 1, "CREATE TABLE a (b)").write("INSERT INTO a VALUES (1)")
    with sqlite3.connect(folder / "index.db") as other:
        other.execute("CREATE TABLE mine (a)")
    (folder / "current.db").write_text("a text of mine")
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_clear_leaves_what_others_keep_there(home: Path) -> None:
    """Everything of the cache goes, and nothing else, whatever folder it is in."""
    clear(home)
    assert files(home) == {*MINE, "index.db", "current.db"}
    assert (home.parent / "elsewhere" / "file").exists()
    assert (home / "trees" / ("d" * 40)).is_symlink()


def test_gc_leaves_what_others_keep_there(home: Path) -> None:
    """However old it is: what has no name of the cache's is not listed, and does not go."""
    for path in home.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert {item.name for item in items(home)} == {f"core-{'0' * 16}.git", TREE, ENV, MODEL, "wandb"}
    collect(home, 30)
    assert set(MINE) <= files(home)
    assert not [*items(home)]


def test_database_of_others_is_put_aside(home: Path) -> None:
    """A file that has the name of an index, and is none: the cache begins its own, and loses nobody's."""
    for name in ("index.db", "current.db"):
        before = (home / name).read_bytes()
        assert not is_ours(home / name)
        database = Database(home / name, 1, "CREATE TABLE a (b)")
        database.write("INSERT INTO a VALUES (1)")
        assert database.rows("SELECT b FROM a") == [(1,)]
        assert is_ours(home / name)
        [aside] = home.glob(f"{name}.aside-*")
        assert aside.read_bytes() == before


def test_database_of_the_first_versions_is_ours(tmp_path: Path) -> None:
    """They did not say whose they are; their tables are begun anew where the version differs."""
    file = tmp_path / "index.db"
    with sqlite3.connect(file) as old:
        old.execute("CREATE TABLE a (b)")
        old.execute("PRAGMA user_version = 1")
    assert is_ours(file)
    Database(file, 2, "CREATE TABLE c (d)").write("INSERT INTO c VALUES (1)")
    assert [path.name for path in tmp_path.iterdir()] == ["index.db"]
