"""Where `score` writes, and what it removes there: only what it wrote itself, and never what it reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from waypost.batch.inputs import Listing
from waypost.batch.output_folder import (
    MANIFEST,
    PLAN,
    check_listed,
    notes,
    read_manifest,
    remove_result,
    text_of,
)
from waypost.batch.overlap import check_apart, check_apart_from_model
from waypost.batch.sink import Sink
from waypost.errors import UsageError, WaypostError
from waypost.system.liveness import is_gone, process_name

PLANNED = {"schema": 1, "model": {"label": "m", "digest": "0"}, "order": {}, "inputs": [], "made_with": {}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder below a home, with a folder `in` of two tables, a link to it and a cache."""
    folder = tmp_path / "home" / "work"
    (folder / "in" / "sub").mkdir(parents=True)
    for name in ("a.csv", "sub/b.csv"):
        (folder / "in" / name).write_text("x\n1\n")
    (folder / "one").mkdir()
    (folder / "one" / "part-00000.csv").write_text("x\n1\n")
    (folder / "link").symlink_to(folder / "in")
    (folder / "link.csv").symlink_to(folder / "one" / "part-00000.csv")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return folder


@pytest.mark.parametrize(
    ("source", "output", "problem"),
    [
        ("in", "in", "contains the input"),
        ("in", "./in/../in/", "contains the input"),
        ("in", "file://{here}/in", "contains the input"),
        ("file://{here}/in", "in", "contains the input"),
        ("simplecache::file://{here}/in/a.csv", "in", "contains the input"),
        ("in/a.csv", "simplecache::file://{here}/in", "contains the input"),
        ("link", "in", "contains the input"),
        ("in", "link", "contains the input"),
        ("in/a.csv", "in", "contains the input"),
        ("in/sub/b.csv", "in", "contains the input"),
        ("link.csv", "one", "contains the input"),
        ("in/*.csv", "in", "contains the input"),
        ("in/**", "in/sub", "contains the input"),
        ("in", "in/out", "inside the input"),
        ("in", "link/new/out", "inside the input"),
        ("link", "in/sub/out/deep", "inside the input"),
        ("in/**", "in/out", "inside the input"),
        ("*/*.csv", "out", "inside the input"),
        ("in/a.csv", "..", "your home|the current folder"),
        ("in/a.csv", "../..", "your home"),
        ("in/a.csv", "/", "your home"),
        ("in/a.csv", "{cache}", "contains the cache"),
        ("in/a.csv", "{cache}/out", "inside the cache"),
        ("memory://in/a.csv", "memory://in", "contains the input"),
        ("memory://in", "memory:///in/out/", "inside the input"),
        ("memory://in/*.csv", "memory://in/", "contains the input"),
        ("memory://in/deep/*.csv", "memory://in", "contains the input"),
        ("in/a.csv", "repository", "a git repository"),
    ],
)
def test_output_that_is_read_or_holds_other_things(
    source: str, output: str, problem: str, here: Path
) -> None:
    """However it is spelt or linked: refused before anything is read."""
    bucket = fsspec.filesystem("memory")
    for name in ("/in/a.csv", "/in/deep/a.csv"):
        bucket.pipe_file(name, b"x\n1\n")
    (here / "repository" / ".git").mkdir(parents=True)
    places = {"here": here, "cache": os.environ["WAYPOST_HOME"]}
    with pytest.raises(UsageError, match=problem):
        check_apart(Sink(output.format(**places)), Listing(source.format(**places)))


@pytest.mark.parametrize(
    ("source", "output"),
    [
        *(("in", "out"), ("in", "in2"), ("in/a.csv", "in/out"), ("in/*.csv", "in/out"), ("link.csv", "out")),
        *(
            ("memory://in", "memory://in2"),
            ("memory://in", "in"),
            ("in", "memory://in"),
            ("in/sub/b.csv", "in/new"),
        ),
    ],
)
def test_output_that_lies_apart(source: str, output: str, here: Path) -> None:
    """A folder beside the input, or below it where it would not be read, is a good place."""
    fsspec.filesystem("memory").pipe_file("/in/a.csv", b"x\n1\n")
    check_apart(Sink(output), Listing(source))


def test_copies_of_elsewhere_are_not_here(here: Path) -> None:
    """A file that is kept in a cache lies elsewhere: no file of this machine that has its path is read."""
    fsspec.filesystem("memory").pipe_file("/in/a.csv", b"x\n1\n")
    assert Listing("filecache::memory://in/a.csv").is_remote
    assert not Listing("in/a.csv").is_remote


@pytest.mark.parametrize("output", ["model", "model/out", "linked", ".", "file://{here}/model"])
def test_output_that_is_the_models_folder(output: str, here: Path) -> None:
    """Nothing is written into a model's folder, nor around it."""
    (here / "model").mkdir()
    (here / "linked").symlink_to(here / "model")
    with pytest.raises(UsageError, match="overlaps with the model"):
        check_apart_from_model(Sink(output.format(here=here)), here / "model")
    check_apart_from_model(Sink("out"), here / "model")


@pytest.fixture(params=["here", "memory"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    """An empty folder for results, on this machine and elsewhere."""
    yield Sink(str(tmp_path / "out") if request.param == "here" else f"memory://{tmp_path.name}")
    fsspec.filesystem("memory").store.clear()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(sink: Sink, name: str, content: bytes) -> None:
    """Writes a file as anybody may."""
    sink.fs.makedirs(f"{sink.root}/{name}".rpartition("/")[0], exist_ok=True)
    sink.fs.pipe_file(f"{sink.root}/{name}", content)


def result(sink: Sink, **more: Any) -> dict[str, Any]:
    """Writes a whole result of two parts and one file of errors; returns its manifest."""
    files = {"part-00000.csv": b"one", "part-00001.csv": b"two", "_errors/part-00001.jsonl": b"three"}
    for name, content in files.items():
        put(sink, name, content)
    parts = [
        {"name": n, "sha256": digest(c), "rows": 1, "skipped": 0} for n, c in files.items() if "_" not in n
    ]
    errors = {"_errors/part-00001.jsonl": digest(b"three")}
    manifest = {**PLANNED, "parts": parts, "errors": errors, "rows": 2, "skipped": 0, "malformed": 0, **more}
    put(sink, MANIFEST, text_of(manifest))
    return manifest


def begun(sink: Sink) -> None:
    """Writes what a scoring leaves that was killed in its second part: a note comes before its files."""
    put(sink, PLAN, text_of(PLANNED))
    for number, content in enumerate((b"one", b"two")):
        note = {"schema": 1, "files": {f"part-0000{number}.csv": digest(content)}, "rows": 1, "skipped": 0}
        put(sink, f"_parts/0000{number}.json", text_of(note))
    put(sink, "part-00000.csv", b"one")


@pytest.mark.parametrize("make", [result, begun])
def test_what_a_scoring_wrote_is_removed(make: Any, sink: Sink) -> None:
    """A whole result goes as a whole, one that was begun, too; half-written files are nobody's business."""
    make(sink)
    remove_result(sink)
    assert sink.names() == set()
    if sink.is_local:
        assert list(Path(sink.root).iterdir()) == []


def test_first_manifests_list_their_errors_by_parts(sink: Sink) -> None:
    """A manifest without digests of errors implies their names."""
    manifest = result(sink)
    del manifest["errors"]
    manifest["parts"][1]["skipped"] = 1
    put(sink, MANIFEST, text_of(manifest))
    remove_result(sink)
    assert sink.names() == set()


FOREIGN: dict[str, tuple[Any, str, bytes, str]] = {
    "a file of the user's": (result, "mine.txt", b"x", "not empty, it has mine.txt"),
    "a part of another's": (result, "part-00002.csv", b"x", "not empty, it has .*part-00002.csv"),
    "a part of another's, begun": (begun, "part-00002.csv", b"x", "not empty, it has .*part-00002.csv"),
    "errors of another's": (result, "_errors/part-00000.jsonl", b"x", "not empty, it has .*part-00000.jsonl"),
    "a file deep below": (result, "a/b/part-00000.csv", b"x", "not empty, it has .*a/b/part-00000.csv"),
    "a note that is none": (begun, "_parts/00002.json", b"{}", "not empty, it has .*_parts/00002.json"),
    "a note of a file of the user's": (
        begun,
        "_parts/00002.json",
        text_of({"schema": 1, "files": {"mine.txt": "0" * 64}}),
        "not empty, it has .*_parts/00002.json",
    ),
    "a changed part": (result, "part-00000.csv", b"mine", "part-00000.csv: changed since it was written"),
    "a changed part, begun": (
        begun,
        "part-00000.csv",
        b"mine",
        "part-00000.csv: changed since it was written",
    ),
    "changed errors": (
        result,
        "_errors/part-00001.jsonl",
        b"mine",
        "part-00001.jsonl: changed since it was written",
    ),
    "another's plan": (begun, PLAN, b'{"steps": []}', "not empty, it has .*_plan.json"),
    "a plan that is no JSON": (begun, PLAN, b"\xff[", "not empty, it has .*_plan.json"),
    "another's manifest": (
        result,
        MANIFEST,
        b'{"files": ["part-00000.csv"]}',
        "not empty, it has .*_manifest.json",
    ),
    "a manifest of the future": (
        result,
        MANIFEST,
        text_of(PLANNED | {"schema": 2}),
        "not empty, it has .*_manifest.json",
    ),
    "a manifest of the user's files": (
        result,
        MANIFEST,
        text_of(
            {
                **PLANNED,
                "parts": [{"name": "../mine.txt", "sha256": "0" * 64, "rows": 1, "skipped": 0}],
                "rows": 1,
                "skipped": 0,
            }
        ),
        "not empty, it has .*_manifest.json",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_wrote_stays(name: str, sink: Sink) -> None:
    """Nothing is removed where anything is not ours, or not as we wrote it; the first of it is named."""
    make, file, content, problem = FOREIGN[name]
    make(sink)
    put(sink, file, content)
    before = {each: sink.read(each) for each in sink.names()}
    with pytest.raises(UsageError, match=problem):
        remove_result(sink)
    assert {each: sink.read(each) for each in sink.names()} == before


def test_part_that_no_note_lists_is_not_taken_up(sink: Sink) -> None:
    """What was begun is gone on with only where each file of it is listed."""
    begun(sink)
    check_listed(sink, sink.names(), notes(sink, sink.names()))
    put(sink, "part-00005.csv", b"mine")
    with pytest.raises(UsageError, match=r"not empty, it has part-00005.csv"):
        check_listed(sink, sink.names(), notes(sink, sink.names()))


def test_folder_whose_name_is_a_pattern(tmp_path: Path) -> None:
    """A star in the folder's name is a star: the parts of folders that it would fit stay."""
    for place in (str(tmp_path / "o*"), "memory://o*"):
        other = Sink(place.replace("*", "ther"))
        put(other, "part-00000.csv", b"one")
        star = Sink(place)
        result(star)
        remove_result(star)
        assert (star.names(), other.names()) == (set(), {"part-00000.csv"})
        other.remove(other.names())


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """A file that somebody puts there while parts are written is not replaced; the same one is no matter."""
    sink = Sink(str(tmp_path))
    sink.write("part-00000.csv", b"one")
    sink.write("part-00000.csv", b"one")
    with pytest.raises(UsageError, match="another process has written it in the meantime"):
        sink.write("part-00000.csv", b"two")
    assert (tmp_path / "part-00000.csv").read_bytes() == b"one"
    assert [file.name for file in tmp_path.iterdir()] == ["part-00000.csv"]


def test_link_in_the_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    """A link with a part's name stays one: nothing is written where it leads."""
    (tmp_path / "part-00000.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="another process has written it"):
        Sink(str(tmp_path)).write("part-00000.csv", b"one")
    assert (tmp_path / "part-00000.csv").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_half_written_files_of_living_processes_stay(tmp_path: Path) -> None:
    """Swept is what a dead process of this machine left: nothing of others, of other machines, or deeper."""
    machine = process_name().partition("-")[0]
    dead, elsewhere = f"{machine}-4000000", "00000000-4000000"
    names = {
        *(f".part-00000.parquet.{process_name()}-0a0b0c0d", f".part-00000.parquet.{elsewhere}-0a0b0c0d"),
        *(f".mine.parquet.{dead}-0a0b0c0d", ".part-00000.parquet.4000000", f"part-00000.csv.{dead}-0a0b0c0d"),
        *(f"deep/.part-00000.parquet.{dead}-0a0b0c0d", f"_errors/.part-1.jsonl.{dead}-0a0b0c0d"),
    }
    gone = {f".{name}.{dead}-0a0b0c0d" for name in ("part-00000.parquet", "_plan.json", "_manifest.json")}
    gone |= {f"_errors/.part-00000.jsonl.{dead}-0a0b0c0d", f"_parts/.00000.json.{dead}-0a0b0c0d"}
    for name in names | gone:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    Sink(str(tmp_path)).sweep()
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == names


def test_process_of_another_machine_is_never_gone() -> None:
    """Of a process elsewhere nothing is known; a number that none can have is gone."""
    machine = process_name().partition("-")[0]
    assert not is_gone(process_name())
    assert not is_gone("00000000-4000000")
    assert is_gone(f"{machine}-4000000")
    assert is_gone(f"{machine}-{10**30}")


def test_manifest_is_read_as_it_was_written(sink: Sink) -> None:
    """A manifest of ours is a value; one that cannot be read is a line."""
    manifest = result(sink)
    assert [part.name for part in read_manifest(sink).parts] == [part["name"] for part in manifest["parts"]]
    assert json.loads(sink.read(MANIFEST)) == manifest
    sink.remove([MANIFEST])
    with pytest.raises(WaypostError, match="cannot be read or written"):
        read_manifest(sink)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe or a device is refused as a table, also behind a link or among others, and as a manifest."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("a\n1\n")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "in" / "b.csv").symlink_to(tmp_path / "pipe.csv")
    for source in ("pipe.csv", "zero.csv", "in", "in/*.csv"):
        with pytest.raises(UsageError, match="csv: a pipe or a device"):
            Listing(str(tmp_path / source))
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(UsageError, match=r"_manifest\.json: a pipe or a device"):
        remove_result(Sink(str(tmp_path)))
