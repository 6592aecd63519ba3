"""The cache under many hands: processes at once, kill -9, little traffic, and what may be thrown away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.repositories import (
    SCRIPT,
    HttpServer,
    Repository,
    edit_pipeline,
    git_daemon,
    http_server,
    make_library,
    make_pipeline,
    make_repository,
)
from waypost.sources.objects import Objects
from waypost.sources.snapshots import trees_of
from waypost.sources.store import Store

WAYPOST = ("python", "-m", "waypost")
DRY_RUN = ("run", "--env", "local", "--dry-run")
MANY = 3000


@pytest.fixture
def server(workplace: Path) -> Iterator[HttpServer]:
    """A slow server with a library whose components have thousands of files."""
    library = make_library(workplace.parent / "served" / "components")
    for number in range(MANY):
        (library.path / "kit" / f"word{number}.py").write_text(f"WORD = {number}\n")
    library.release("1.0.0", force=True)
    with http_server(library.path.parent) as behaviour:
        yield behaviour


def start(pipeline: Repository, *, real: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "waypost", *(DRY_RUN if not real else DRY_RUN[:-1]), str(pipeline.path)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def is_fetching(pid: int) -> bool:
    try:
        commands = [Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children_of(pid)]
    except OSError:
        return False
    return any(b"fetch" in command for command in commands)


def wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.002)


def test_eight_at_once_two_killed(workplace: Path, server: HttpServer, call: Call) -> None:
    """Eight runs on one empty cache; one is killed in the fetch, one while unpacking: six finish."""
    pipeline = make_pipeline(workplace / "pipe", f"{server.url}/components/.git")
    assert (
        call(*WAYPOST, "lock", pipeline.path, env={"WAYPOST_HOME": str(workplace / "other")}).returncode == 0
    )
    server.delay = 1.0
    cache = workplace.parent / "cache"
    processes = [start(pipeline, real=index < 2) for index in range(8)]
    try:
        killed: list[subprocess.Popen[str]] = []

        def fetching() -> list[subprocess.Popen[str]]:
            return [p for p in processes if p not in killed and p.poll() is None and is_fetching(p.pid)]

        wait_for(fetching)
        killed.append(fetching()[0])
        killed[0].send_signal(signal.SIGKILL)

        # The next one fetches; whoever unpacks holds a temporary folder that grows.
        wait_for(lambda: any(any(p.iterdir()) for p in (cache / "trees").glob(".new-*/kit")))
        time.sleep(0.005)
        holder = owner_of_lock(cache / "trees" / ".lock", [p for p in processes if p not in killed])
        assert holder is not None
        killed.append(holder)
        holder.send_signal(signal.SIGKILL)
        outputs = {p.pid: p.communicate(timeout=200)[0] for p in processes}
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
    survivors = [p for p in processes if p not in killed]
    assert len(survivors) == 6
    assert [p.returncode for p in survivors] == [0] * 6, outputs
    assert any("waiting for it" in outputs[p.pid] for p in survivors)
    sound = call(*WAYPOST, "cache", "verify")
    assert sound.returncode == 0, sound.stdout
    assert not list(cache.glob("*/.new-*"))
    packs = list(cache.glob("mirrors/*.git/objects/pack/*.pack"))
    assert len(packs) <= 4, "one fetch for the commit, few for its files: not one per process"
    for temporary in Path(os.environ["TMPDIR"]).glob("waypost-*"):
        subprocess.run(["rm", "-rf", temporary], check=True)  # of the two that were killed


def owner_of_lock(lock: Path, processes: list[subprocess.Popen[str]]) -> subprocess.Popen[str] | None:
    """Returns the process that holds a file lock."""
    inode = lock.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "->" not in fields and fields[5].endswith(f":{inode}"):
            return next((p for p in processes if p.pid == int(fields[4])), None)
    return None


def test_left_overs_are_swept(workplace: Path, call: Call) -> None:
    """Lock files, half packs and half trees of killed processes do not stop the next one, and go."""
    library = make_library(workplace.parent / "served" / "components")
    pipeline = make_pipeline(workplace / "pipe", str(library.path))
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    cache = workplace.parent / "cache"
    [mirror] = (cache / "mirrors").glob("*.git")
    left = [mirror / "shallow.lock", mirror / "objects" / "pack" / "tmp_pack_x", mirror / "config.lock"]
    for file in left:
        file.write_text("half")
    half = cache / "trees" / ".new-abc" / "inner"
    half.mkdir(parents=True)
    half.chmod(0o555)
    library.release("1.0.1")
    assert call(*WAYPOST, "update", pipeline.path).returncode == 0
    assert call(*WAYPOST, *DRY_RUN, pipeline.path).returncode == 0
    assert not [file for file in left if file.exists()]
    assert not half.exists()


def test_thousand_tags(workplace: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 1,000 tags and 500 components one commit is fetched, and the files of what is used."""
    library = make_repository(workplace.parent / "served" / "components")
    for number in range(500):
        folder = library.path / f"c{number:03}"
        folder.mkdir()
        contract = {"name": folder.name, "entry_points": {"main": {"command": "python run.py"}}}
        (folder / "MLproject").write_text(json.dumps(contract))
        (folder / "run.py").write_text(SCRIPT + f"# {number}\n")
        (folder / "data.bin").write_bytes(os.urandom(4000))
    library.commit()
    commands = []
    for number in range(1000):
        commands.append(
            f"commit refs/heads/main\ncommitter t <t@example.org> {1_700_000_000 + number} +0000\n"
            f"data 1\nx\n{'from refs/heads/main^0' + chr(10) if number == 0 else ''}"
            f"M 100644 inline c000/data.bin\ndata 4\n{number:04}\n"
        )
        commands.append(f"reset refs/tags/v1.{number}.0\nfrom refs/heads/main\n\n")
    subprocess.run(
        ["git", "fast-import", "--quiet"], input="".join(commands), text=True, check=True, cwd=library.path
    )
    with git_daemon(library.path.parent) as url:
        pipeline = make_pipeline(workplace / "pipe", f"{url}/components", "~=1.0")
        steps = {f"s{n}": {"uses": f"core/c{n:03}"} for n in range(6)}
        edit_pipeline(pipeline.path, lambda p: p.update(steps=steps))
        start_time = time.monotonic()
        result = call(*WAYPOST, "lock", pipeline.path)
        seconds = time.monotonic() - start_time
        assert result.returncode == 0, result.stderr
    assert "1.999.0" in result.stdout
    [mirror] = (workplace.parent / "cache" / "mirrors").glob("*.git")
    refs = Repository(mirror).git("for-each-ref", "--format=%(refname)").split()
    assert len([ref for ref in refs if ref.startswith("refs/pins/")]) == 1
    assert not [ref for ref in refs if ref.startswith("refs/tags/")]
    size = sum(pack.stat().st_size for pack in mirror.glob("objects/pack/*.pack"))
    everything = 500 * 4000
    assert size < everything / 10, "only the files of six components came"
    with capsys.disabled():
        print(f" [lock of 1,000 tags, 500 components: {seconds:.2f} s, {size / 1000:.0f} kB]", end="")


def test_gc_list_and_clear(workplace: Path, call: Call) -> None:
    """What was not used goes, what is in use stays, and everything comes back by itself."""
    library = make_library(workplace.parent / "served" / "components")
    pipeline = make_pipeline(workplace / "pipe", str(library.path))
    call(*WAYPOST, "lock", pipeline.path)
    assert call(*WAYPOST, *DRY_RUN, pipeline.path).returncode == 0
    cache = workplace.parent / "cache"
    [load] = (cache / "trees").glob("*/load")
    os.utime(load.parent, (1, 1))
    assert "1 thing removed" in call(*WAYPOST, "cache", "gc").stdout
    assert not load.parent.exists()
    assert "kit, clean" in call(*WAYPOST, "cache", "list").stdout.replace("clean, kit", "kit, clean")
    assert len(json.loads(call(*WAYPOST, "cache", "list", "--json").stdout)) == 2
    (cache / "mine.txt").write_text("not of the cache")
    assert call(*WAYPOST, "cache", "clear").returncode == 0
    assert [p.name for p in cache.iterdir()] == ["mine.txt"]
    assert call(*WAYPOST, *DRY_RUN, pipeline.path).returncode == 0


def test_trees_are_read_only(workplace: Path) -> None:
    """What was unpacked cannot be changed by accident, and keeps exact bytes and program bits."""
    repository = make_repository(workplace / "r")
    (repository.path / "part").mkdir()
    (repository.path / "part" / "text").write_bytes(b"a\r\nb\n")
    (repository.path / "part" / "tool").write_text("#!/bin/sh\n")
    (repository.path / "part" / "tool").chmod(0o755)
    (repository.path / ".gitattributes").write_text("* text=auto eol=crlf\npart/text export-ignore\n")
    (repository.path / "part" / ".gitattributes").write_text("text -text\n")
    repository.commit()
    tree = repository.git("rev-parse", "HEAD:part")
    with Objects(repository.path) as objects:
        place = Store(workplace / "home", print).add({"part": tree}, objects)
    assert (place / "part" / "text").read_bytes() == b"a\r\nb\n"
    assert os.access(place / "part" / "tool", os.X_OK)
    modes = {path.stat().st_mode & 0o222 for path in [place, *place.rglob("*")]}
    assert modes == {0}


def test_trees_of_folders_as_git_would_commit_them(workplace: Path) -> None:
    """A local folder has the tree of a commit with it: ignored files are not content, removed ones are gone,
    new ones count; the repository and its index stay as they are. Without a repository, too.
    """
    repository = make_repository(workplace / "r")
    root = repository.path / "lib"
    (root / "part").mkdir(parents=True)
    (repository.path / ".gitignore").write_text("*.db\n")
    for name in ("kept", "removed", "forced.db"):
        (root / "part" / name).write_text(name)
    repository.git("add", "--force", "lib/part/forced.db")
    repository.commit()
    assert trees_of(root, ["part"]) == {"part": repository.git("rev-parse", "HEAD:lib/part")}
    (root / "part" / "ignored.db").write_text("x")
    (root / "part" / "__pycache__").mkdir()
    (root / "part" / "__pycache__" / "a.pyc").write_text("x")
    (root / "part" / "removed").unlink()
    (root / "part" / "new").write_text("new")
    before = repository.git("status", "--porcelain"), (repository.path / ".git" / "index").read_bytes()
    found = trees_of(root, ["part", "absent"])
    assert (
        repository.git("status", "--porcelain"),
        (repository.path / ".git" / "index").read_bytes(),
    ) == before
    alone = workplace / "alone"
    shutil.copytree(root, alone)
    (alone / "part" / "ignored.db").unlink()
    assert trees_of(alone, ["part"]) == found
    shutil.rmtree(root / "part" / "__pycache__")
    repository.commit()
    assert found == {"part": repository.git("rev-parse", "HEAD:lib/part")}
