"""Hostile bundles: each is refused, or what it says is true."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import Part, folders_of, listed, make_bundle, packed, told
from tests.fuzzing import CASES, fuzz
from waypost.release.open_bundle import open_bundle, verify_bundle
from waypost.sources.store import exact_tree
from waypost.sources.tar import read_members

NAMES = [
    *(
        "",
        ".",
        "..",
        "/",
        "/tmp/OUT",
        "../OUT",
        "data/../../OUT",
        "trees/../../OUT",
        "./bundle.json",
        "bundle.json",
    ),
    *(
        "data",
        "trees",
        "wheels",
        "wheels/x.whl",
        "wheels/../x",
        "wheels/a/b",
        "data/" + "a" * 16,
        "a\\b",
        "a\nb",
    ),
    *(
        "trees/" + "a" * 40,
        "trees/" + "a" * 40 + "/c/OUT",
        "trees/x/OUT",
        "trees/.git",
        "x" * 300,
        "a/" * 600,
        "é",
    ),
    *(
        "trees/" + "a" * 64,
        "data/\udcff",
        "-x",
        "bundle.json/x",
        "trees//x",
        "wheels/\x1b[2J.whl",
        ".git/config",
    ),
]
TARGETS = [
    "..",
    "../..",
    "/",
    "/tmp/OUT",
    ".",
    "",
    "../../../../../OUT",
    "../kit/../../OUT",
    "c",
    "x/" * 700,
    "a/..",
]
KINDS = [
    *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE),
    *(
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,
        tarfile.XHDTYPE,
        b"Z",
        b"L",
    ),
]
VALUES: list[Any] = [
    *(
        "",
        ".",
        "..",
        "../..",
        "/tmp",
        "../out",
        "-x",
        "a" * 40,
        "b" * 64,
        "x" * 10_000,
        "\0",
        "\udcff",
        "a\x1b[2J",
    ),
    *(
        None,
        0,
        -1,
        1,
        2,
        10**30,
        1.5,
        True,
        [],
        {},
        ["x"],
        {"x": "y"},
        {"../x": "a" * 64},
        {"http://h": "../x"},
    ),
    *(
        {"http://h/x": "data/" + "a" * 16},
        {"http://h/x": "/etc/passwd"},
        "data/../../etc/passwd",
        "1.0.0",
        "main",
    ),
]
TEXTS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"\xff",
    b"1" * 5000,
    b" " * 100_000,
    b"NaN",
]
Parts = list[Part]


def anywhere(chance: random.Random, parts: Parts) -> int:
    return chance.randrange(len(parts))


def renamed(chance: random.Random, parts: Parts) -> Parts:
    index, name = anywhere(chance, parts), chance.choice(NAMES)
    below = parts[index].name.rpartition("/")[0]
    name = f"{below}/{name}" if below and chance.random() < 0.5 else name
    return [*parts[:index], replace(parts[index], name=name), *parts[index + 1 :]]


def more(chance: random.Random, parts: Parts) -> Parts:
    below = chance.choice(parts).name
    name = chance.choice([*NAMES, *(f"{below}/{name}" for name in ("x", "..", ".git", "OUT", "run.py"))])
    part = Part(name, chance.choice(KINDS), chance.choice([b"", b"x", b"x" * 600]), chance.choice(TARGETS))
    index = anywhere(chance, parts)
    return [*parts[:index], part, *parts[index:]]


def rekinded(chance: random.Random, parts: Parts) -> Parts:
    index = anywhere(chance, parts)
    new = replace(parts[index], kind=chance.choice(KINDS), target=chance.choice(TARGETS))
    return [*parts[:index], new, *parts[index + 1 :]]


def relinked(chance: random.Random, parts: Parts) -> Parts:
    return [replace(p, target=chance.choice(TARGETS)) if p.kind == tarfile.SYMTYPE else p for p in parts]


def doubled(chance: random.Random, parts: Parts) -> Parts:
    part = chance.choice(parts)
    return [
        *parts,
        chance.choice([part, replace(part, content=b"y"), Part(part.name, tarfile.SYMTYPE, target="..")]),
    ]


def dropped(chance: random.Random, parts: Parts) -> Parts:
    index = anywhere(chance, parts)
    return parts[:index] + parts[index + 1 :]


def shuffled(chance: random.Random, parts: Parts) -> Parts:
    return chance.sample(parts, len(parts))


def rewritten(chance: random.Random, parts: Parts) -> Parts:
    files = [index for index, part in enumerate(parts) if part.kind == tarfile.REGTYPE]
    if not files:
        return parts
    index = chance.choice(files)
    content = chance.choice([b"", b"x", parts[index].content + b" ", parts[index].content[:-1], b"\xff" * 20])
    return [*parts[:index], replace(parts[index], content=content), *parts[index + 1 :]]


def remoded(chance: random.Random, parts: Parts) -> Parts:
    return [replace(p, mode=chance.choice([0, 0o644, 0o755, 0o4755, 0o777, 0o7777777])) for p in parts]


def told_otherwise(chance: random.Random, parts: Parts) -> Parts:
    def change(facts: dict[str, Any]) -> None:
        key = chance.choice([*facts, "more"])
        inner = facts.get(key)
        if isinstance(inner, dict) and inner and chance.random() < 0.7:
            old = chance.choice(list(inner))
            value = inner.pop(old)
            choices = [
                (old, chance.choice(VALUES)),
                (str(chance.choice(VALUES)), value),
                (chance.choice(NAMES), value),
            ]
            inner.update([chance.choice(choices)])
        else:
            facts[key] = chance.choice(VALUES)

    return told(parts, change) if is_told(parts) else parts


def garbled(chance: random.Random, parts: Parts) -> Parts:
    return [replace(p, content=chance.choice(TEXTS)) if p.name == "bundle.json" else p for p in parts]


def is_told(parts: Parts) -> bool:
    """Tells whether there is a bundle.json that can be changed."""
    try:
        return all(isinstance(json.loads(p.content), dict) for p in parts if p.name == "bundle.json")
    except (ValueError, RecursionError):
        return False


MUTATIONS: list[Callable[[random.Random, Parts], Parts]] = [
    *(
        renamed,
        more,
        rekinded,
        relinked,
        doubled,
        dropped,
        shuffled,
        rewritten,
        remoded,
        told_otherwise,
        told_otherwise,
        garbled,
    )
]


def flipped(chance: random.Random, data: bytes) -> bytes:
    """Changes bytes of an archive, mostly in headers; cuts it off, repeats a part of it, compresses it."""
    kind = chance.random()
    if kind < 0.1:
        return data[: chance.randrange(len(data))]
    if kind < 0.15:
        return gzip.compress(data)
    start = chance.randrange(0, len(data), 512)
    if kind < 0.25:
        return data[:start] + data[start : start + 1024] + data[start:]
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed[(start + chance.choice([*range(160), *range(257, 266)])) % len(data)] = chance.randrange(256)
    if chance.random() < 0.7:
        header = changed[start : start + 512]
        header[148:156] = b" " * 8
        changed[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    return bytes(changed)


@functools.cache
def good(folder: Path) -> tuple[Part, ...]:
    """Returns what is in a good bundle."""
    place = folder / "good"
    place.mkdir()
    os.environ["WAYPOST_HOME"] = str(place / "home")
    return tuple(folders_of(make_bundle(place)))


def case(number: int, parts: Parts) -> bytes:
    """Returns the archive of a case."""
    chance = random.Random(number)
    if number % 50 == 0:  # some are as they should be
        return packed(parts)
    if number % 5:
        for mutation in chance.choices(MUTATIONS, k=chance.randint(1, 3)):
            parts = mutation(chance, parts)
        if is_told(parts) and chance.random() < 0.5:
            parts = listed(parts)
    data = packed(parts, chance.choice([tarfile.PAX_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    return data if number % 5 else flipped(chance, data)


def attempt(number: int, folder: Path) -> str:
    """Verifies a case and opens it; both take it, or neither."""
    parts = list(good(folder.parent))
    file = folder / "x.tar"
    file.write_bytes(case(number, parts))
    os.environ["WAYPOST_HOME"] = str(folder / "home")
    if number % 2:
        open_bundle(file, lambda _: None, lambda _: None)
    else:
        verify_bundle(file)
        assert not (folder / "home").exists()
    opened = open_bundle(file, lambda _: None, lambda _: None)
    for tree in (folder / "home" / "trees").glob("[0-9a-f]*"):
        assert exact_tree(tree, digits=len(tree.name)) == tree.name
    for path in (folder / "home").rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder / "home"))
    data = file.read_bytes()
    [facts] = [m for m in read_members(io.BytesIO(data), len(data)) if m.name == "bundle.json"]
    said = json.loads(data[facts.offset : facts.offset + facts.size])
    for url, path in opened.data.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == said["files"][said["data"][url]]
    return "taken"


@pytest.mark.journey
def test_hostile_bundles(tmp_path: Path) -> None:
    """Archives with hostile members, kinds, links, sizes, lists and bytes write nothing outside, and nothing
    else goes wrong; what is taken is what its bundle.json lists.
    """
    outcomes = fuzz(__name__, CASES, tmp_path)
    assert outcomes.total() == CASES
    assert outcomes["taken"] >= CASES / 50, outcomes
    assert outcomes["refused"] > CASES / 2, outcomes
