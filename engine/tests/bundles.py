"""Bundles for tests: a small good one, made without the command line, and archives of any content."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.repositories import RawRepository, in_thread
from waypost.contracts.lock import Wanted, lock_text, make_lock
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.target import Target
from waypost.contracts.trees import FILE, FOLDER, LINK, PROGRAM
from waypost.interfaces.record import Record, record_text
from waypost.pins.commit_contents import Commit
from waypost.pins.pinning import pins_at
from waypost.release.bundle import bundle
from waypost.sources.store import Store
from waypost.system.places import home

CONTRACT = """
name: c
shared: [kit]
entry_points:
  main:
    parameters: {data: {type: string, format: uri, default: ""}}
    command: "python run.py {data}"
"""


@dataclass(frozen=True)
class Part:
    """One member of an archive: as `tarfile` writes it."""

    name: str
    kind: bytes = tarfile.REGTYPE
    content: bytes = b""
    target: str = ""
    mode: int = 0o644


def folders_of(file: Path) -> list[Part]:
    """Returns what is in an archive."""
    with tarfile.open(file, "r:") as archive:
        return [
            Part(
                m.name,
                m.type,
                (archive.extractfile(m) or io.BytesIO()).read() if m.isreg() else b"",
                m.linkname,
                m.mode,
            )
            for m in archive
        ]


def packed(parts: Sequence[Part], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Returns an archive with such members, in this order."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as archive:
        for part in parts:
            info = tarfile.TarInfo(part.name)
            info.type, info.linkname, info.mode, info.size = (
                part.kind,
                part.target,
                part.mode,
                len(part.content),
            )
            archive.addfile(info, io.BytesIO(part.content))
    return sink.getvalue()


def told(parts: Sequence[Part], change: Callable[[dict[str, Any]], None]) -> list[Part]:
    """Returns the members with another bundle.json."""

    def changed(part: Part) -> Part:
        if part.name != "bundle.json":
            return part
        facts = json.loads(part.content)
        change(facts)
        return replace(part, content=json.dumps(facts).encode())

    return [changed(part) for part in parts]


def listed(parts: Sequence[Part]) -> list[Part]:
    """Returns the members with a bundle.json whose list fits them: as a stranger makes it who knows how."""
    files = {
        part.name: hashlib.sha256(part.content).hexdigest()
        for part in parts
        if part.kind == tarfile.REGTYPE and part.name != "bundle.json"
    }
    return told(parts, lambda facts: facts.update(files=files))


def make_bundle(folder: Path, *, with_data: bool = True) -> Path:
    """Makes the bundle of a release with one component, what it shares, and data behind a URL."""
    library, pipe = RawRepository(folder / "core.git"), RawRepository(folder / "pipe.git")
    served = folder / "served"
    served.mkdir()
    (served / "data.csv").write_text("a\n1\n")
    library.release(_library(library))

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(served))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    with in_thread(server):
        url = f"http://127.0.0.1:{server.server_port}/data.csv" if with_data else ""
        pipe.release(_pipeline(pipe, library, {"data": url} if url else {}))
        file = folder / "good.tar"
        bundle(Target(f"file://{pipe.path}", "", "==1.0.0"), file, lambda _: None, wheels=False)
    return file


def _library(library: RawRepository) -> str:
    kit = library.tree((FILE, "words.py", library.blob(b"WORD = 1\n")))
    c = library.tree(
        (FILE, "MLproject", library.blob(CONTRACT.encode())),
        (PROGRAM, "run.py", library.blob(b"print(1)\n")),
        (LINK, "words.py", library.blob(b"../kit/words.py")),
        (FOLDER, "deep", library.tree((FILE, "x", library.blob(b"x")))),
    )
    return library.tree((FOLDER, "c", c), (FOLDER, "kit", kit))


def _pipeline(pipe: RawRepository, library: RawRepository, arguments: dict[str, str]) -> str:
    git = f"file://{library.path}"
    text = json.dumps(
        {
            "name": "p",
            "components": {"core": {"git": git, "version": "==1.0.0"}},
            "steps": {"one": {"uses": "core/c", "with": arguments}},
        }
    )
    mirror = Store(home(), lambda _: None).mirror(git)
    commit = mirror.tags()["v1.0.0"]
    mirror.ensure(commit)
    pins, findings = pins_at(
        Commit(mirror, commit), {"core/c": Wanted("core", "c", git, "==1.0.0")}, "v1.0.0"
    )
    assert not findings
    lock = lock_text(make_lock(parse_pipeline(text), pins, "1.0.0"))
    top = {
        "pipeline.yaml": pipe.blob(text.encode()),
        "components.lock.json": pipe.blob(lock.encode()),
        "notes": pipe.blob(b"n"),
    }
    record = Record(
        kind="pipeline",
        name="p",
        version="1.0.0",
        date="2026-01-02",
        engine="1.0.0",
        made_with={},
        trees=top,
        pipeline=".",
        notes="",
    )
    releases = pipe.tree((FILE, "1.0.0.json", pipe.blob(record_text(record).encode())))
    return pipe.tree(*((FILE, name, oid) for name, oid in top.items()), (FOLDER, "releases", releases))
