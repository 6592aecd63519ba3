"""Hostile trees in a real repository: each is unpacked as it is, inside of its folder, or refused."""

from __future__ import annotations

import functools
import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzzing import CASES, fuzz
from tests.repositories import RawRepository
from waypost.contracts.lock import Wanted
from waypost.contracts.trees import FILE, FOLDER, LINK, PROGRAM, SUBMODULE
from waypost.pins.commit_contents import Commit
from waypost.pins.pinning import pins_at
from waypost.sources.mirror import Mirror
from waypost.sources.objects import Objects
from waypost.sources.store import Store, exact_tree
from waypost.system.process import ProcessError

LOCKED_EVERY = 100  # a lock asks git several times
BOMBED_EVERY = 250  # the limit is reached in half a second
CONTRACT = b"name: c\nshared: [kit]\nentry_points: {main: {command: 'true'}}\n"
NAMES = [
    *(b"..", b".", b"", b"/", b"/tmp/OUT", b"../OUT", b"../../../OUT", b"a/b", b"kit/x", b"a\\b", b"..\\OUT"),
    *(b".git", b".GIT", b".git ", b".git.", b"git~1", b".g\xe2\x80\x8cit", b".git::$DATA", b".gitmodules"),
    *(
        b"a\nb",
        b"a\x1b[2J",
        b"\x7f",
        b"\xc2\x9b",
        b"\xff\xfe",
        b"\xed\xb0\x80",
        b"\xc0\xae\xc0\xae",
        b"x" * 300,
    ),
    *(
        b"x" * 255,
        "é".encode(),
        "e\u0301".encode(),
        b"A",
        b"a",
        b"-rf",
        b"--",
        b"CON",
        b" ",
        b"a:b",
        b"words.py",
    ),
]
TARGETS = [
    *(
        b"..",
        b"../..",
        b"../../../../OUT",
        b"/",
        b"/tmp/OUT",
        b".",
        b"",
        b"deep",
        b"deep/..",
        b"deep/../../..",
        b"l/x",
    ),
    *(
        b"../kit/words.py",
        b"../kit/../../OUT",
        b"../other/x",
        b"./run.py",
        b"//x",
        b"a\0b",
        b"\xff",
        b"x/" * 700,
    ),
]
MODES = [
    "100664",
    "040000",
    "0",
    "7777777",
    "160000",
    "010644",
    "060000",
    "120777",
    "100600",
    "",
    "4000x",
    "99999",
]

# A folder is a list of these; `content` is what a file or link holds, or what a folder is.
Entry = tuple[str, bytes, "bytes | Folder"]
Folder = list[Entry]
Mutation = Callable[[random.Random, Folder], None]


def component() -> Folder:
    deep: Folder = [(FILE, b"x", b"x"), (LINK, b"up", b"../run.py")]
    return [
        (FILE, b"MLproject", CONTRACT),
        (FOLDER, b"deep", [*deep, (FOLDER, b"er", [(FILE, b"y", b"y")])]),
        (LINK, b"l", b"deep"),
        (PROGRAM, b"run.py", b"print(1)\n"),
        (LINK, b"words.py", b"../kit/words.py"),
    ]


def folders_in(folder: Folder) -> list[Folder]:
    """Returns a folder and all in it, each once."""
    found, waiting = {}, [folder]
    while waiting:
        each = waiting.pop()
        if id(each) not in found:
            found[id(each)] = each
            waiting += [content for _, _, content in each if isinstance(content, list)]
    return list(found.values())


def renamed(chance: random.Random, folder: Folder) -> None:
    place = chance.choice([f for f in folders_in(folder) if f])
    index = chance.randrange(len(place))
    place[index] = (place[index][0], chance.choice(NAMES), place[index][2])


def more(chance: random.Random, folder: Folder) -> None:
    choices: list[bytes | Folder] = [b"x", [], [(FILE, b"OUT", b"x")], [(LINK, b"l", chance.choice(TARGETS))]]
    content = chance.choice(choices)
    mode = FOLDER if isinstance(content, list) else chance.choice([FILE, PROGRAM])
    chance.choice(folders_in(folder)).append((mode, chance.choice(NAMES), content))


def linked(chance: random.Random, folder: Folder) -> None:
    name = chance.choice([b"l2", b"deep", b"l", b"words.py", b"MLproject"])
    chance.choice(folders_in(folder)).append((LINK, name, chance.choice(TARGETS)))


def relinked(chance: random.Random, folder: Folder) -> None:
    for place in folders_in(folder):
        place[:] = [(m, n, chance.choice(TARGETS) if m == LINK else c) for m, n, c in place]


def doubled(chance: random.Random, folder: Folder) -> None:
    place = chance.choice([f for f in folders_in(folder) if f])
    mode, name, content = chance.choice(place)
    other: Entry = chance.choice(
        [(mode, name, content), (LINK, name, b".."), (FOLDER, name, []), (FILE, name, b"z")]
    )
    place.insert(chance.randrange(len(place) + 1), other)


def remoded(chance: random.Random, folder: Folder) -> None:
    place = chance.choice([f for f in folders_in(folder) if f])
    index = chance.randrange(len(place))
    kinds = [FILE, PROGRAM, LINK, FOLDER, SUBMODULE, *MODES]
    place[index] = (chance.choice(kinds), *place[index][1:])


def deepened(chance: random.Random, folder: Folder) -> None:
    for _ in range(chance.choice([5, 63, 64, 65, 200])):
        folder[:] = [(FOLDER, chance.choice([b"d", b"d" * 20]), list(folder))]


def bombed(chance: random.Random, folder: Folder) -> None:
    """Ten times the same on up to twelve levels: up to 10^12 files."""
    for _ in range(chance.choice([1, 12])):
        inner = list(folder)
        folder[:] = [(FOLDER, b"%d" % index, inner) for index in range(10)]


MUTATIONS: list[Mutation] = [
    renamed,
    renamed,
    more,
    more,
    linked,
    relinked,
    doubled,
    remoded,
    deepened,
]


@functools.cache
def repository(folder: Path) -> tuple[RawRepository, Objects, str]:
    """Returns the repository of all cases, what reads it, and the tree of what is shared."""
    raw = RawRepository(folder / "trees.git")
    kit = raw.tree((FILE, "words.py", raw.blob(b"WORD = 1\n")))
    return raw, Objects(raw.path), kit


def written(
    raw: RawRepository, folder: Folder, chance: random.Random, known: dict[int, str], *, ordered: bool
) -> str:
    """Writes a folder's tree; one that is there many times is written once."""
    if id(folder) not in known:
        entries = [
            (
                mode,
                name,
                written(raw, content, chance, known, ordered=ordered)
                if isinstance(content, list)
                else raw.blob(content),
            )
            for mode, name, content in folder
        ]
        if entries and chance.random() < 0.01:
            entries[0] = (*entries[0][:2], "12" * 20)  # an object that is not there
        known[id(folder)] = raw.tree(*entries, ordered=ordered)
    return known[id(folder)]


def case(number: int, raw: RawRepository) -> str:
    """Returns the tree of a case."""
    chance = random.Random(number)
    folder = component()
    if number % 10:  # a tenth are as they should be
        for mutation in chance.choices(MUTATIONS, k=chance.randint(1, 3)):
            mutation(chance, folder)
    if number % BOMBED_EVERY == 1:
        bombed(chance, folder)
    tree = written(raw, folder, chance, {}, ordered=chance.random() < 0.95)
    if number % 10 and chance.random() < 0.1:
        tree = flipped(raw, tree, chance)
    return tree


def flipped(raw: RawRepository, tree: str, chance: random.Random) -> str:
    """Returns a tree with the bytes of another one, some of them changed or missing."""
    body = bytearray(
        zlib.decompress((raw.path / "objects" / tree[:2] / tree[2:]).read_bytes()).partition(b"\0")[2]
    )
    for _ in range(chance.randint(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return raw.add("tree", bytes(body[: chance.randint(0, len(body))] if chance.random() < 0.3 else body))


def attempt(number: int, folder: Path) -> str:
    """Unpacks a case into a cache of its own; now and then, it is locked first."""
    raw, objects, kit = repository(folder.parent)
    tree = case(number, raw)
    try:
        if number % LOCKED_EVERY == 0:
            lock(number, folder, raw, tree, kit)
        place = Store(folder / "home", lambda _: None).add({"c": tree, "kit": kit}, objects)
    except ProcessError:  # git itself has no such object; the command line tells it in one line
        return "not there"
    assert exact_tree(place / "c") == tree
    for path in place.rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(place)), path  # ends in circles
    return "unpacked"


def lock(number: int, folder: Path, raw: RawRepository, tree: str, kit: str) -> None:
    commit = raw.release(raw.tree((FOLDER, "c", tree), (FOLDER, "kit", kit)))
    mirror = Mirror(raw.path, f"file://{raw.path}", lambda _: None)
    pins, findings = pins_at(Commit(mirror, commit), {"core/c": Wanted("core", "c", "x", "")})
    assert pins or findings["core/c"], number


@pytest.mark.journey
def test_hostile_trees(tmp_path: Path) -> None:
    """Trees with hostile names, links, kinds, doubles, depths and bytes write nothing outside, and nothing
    else goes wrong; those that are harmless are unpacked.
    """
    outcomes = fuzz(__name__, CASES, tmp_path)
    assert outcomes.total() == CASES
    assert outcomes["unpacked"] > CASES / 10, outcomes
    assert outcomes["refused"] > CASES / 2, outcomes
