"""Names, links and amounts in trees of strangers: what git would not check out, and what is too much."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.contracts import listing
from waypost.contracts.listing import Listing, walk
from waypost.contracts.trees import (
    FILE,
    FOLDER,
    LINK,
    MOST_PATH_BYTES,
    PROGRAM,
    SUBMODULE,
    Entry,
    TreeError,
    link_problem,
    name_problem,
    path_problem,
    read_tree,
    shown,
    tree_id,
)

OID = "ab" * 20


def body_of(*named: tuple[str, bytes], oid: str = OID) -> bytes:
    """Returns a tree object with (mode, name) in this order."""
    return b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name in named)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is not a file name"),
        (".", "is not a file name"),
        ("..", "is not a file name"),
        ("a/b", "contains a slash"),
        ("/etc/passwd", "contains a slash"),
        ("../x", "contains a slash"),
        ("a\\b", "contains a slash"),
        ("a\x00b", "contains a control character"),
        ("a\nb", "contains a control character"),
        ("a\x1b[2J", "contains a control character"),
        ("a\x7f", "contains a control character"),
        ("a\x9b", "contains a control character"),
        ("a\udcff", "is not UTF-8"),
        ("é" * 128, "is longer than 255 bytes"),
        (".git", "is reserved by git"),
        (".GiT", "is reserved by git"),
        (".git ", "is reserved by git"),
        (".git. .", "is reserved by git"),
        (".git::$INDEX_ALLOCATION", "is reserved by git"),
        ("git~1", "is reserved by git"),
        ("GIT~1", "is reserved by git"),
        (".g\u200cit", "is reserved by git"),
        ("\ufeff.git", "is reserved by git"),
        (".gi\u202et", "is reserved by git"),
    ],
)
def test_names_that_are_refused(name: str, problem: str) -> None:
    """What git's own check refuses at checkout, and what cannot be shown or written, is no name."""
    assert name_problem(name) == problem


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a b",
        "-x",
        ".gitignore",
        ".github",
        "git",
        "git~2",
        "é",
        "日本",
        "a.",
        "...",
        "x" * 255,
        "a:b",
        "~",
    ],
)
def test_names_that_are_taken(name: str) -> None:
    """Odd names that harm nobody are names."""
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    "path", ["/a", "../a", "a/../b", "a//b", "a/", "./a", "", "a/.git/x", "b/" * 600 + "a"]
)
def test_paths_that_are_refused(path: str) -> None:
    """A path stays below its folder, and is written in one way."""
    assert path_problem(path)
    assert not path_problem("a/b c/d.txt")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (body_of((FILE, b"../x")), "'../x' contains a slash"),
        (body_of((FILE, b"a"), (LINK, b"a")), "'a' appears twice"),
        (body_of((LINK, b"a"), (FOLDER, b"a")), "'a' appears twice"),
        (body_of((LINK, b"a"), (FILE, b"a.c"), (FOLDER, b"a")), "'a' appears twice"),
        (body_of((FILE, b"b"), (FILE, b"a")), "'a' is not in git's order"),
        (body_of((FOLDER, b"a"), (FILE, b"a.c")), "'a.c' is not in git's order"),
        (body_of((FILE, b"\xff\xfe")), "'\\udcff\\udcfe' is not UTF-8"),
        (body_of((FILE, b"a"))[:-1], "the tree is malformed or cut off"),
        (b"100644 a", "the tree is malformed or cut off"),
        (b"100644a\0" + bytes(20), "the tree is malformed or cut off"),
        (b"9 a\0" + bytes(20), "the tree is malformed or cut off"),
        (b"x", "the tree is malformed or cut off"),
        (b"100644 " + b"a" * 13, "the tree is malformed or cut off"),
    ],
)
def test_trees_that_are_refused(body: bytes, problem: str) -> None:
    """A tree is refused by the entry that is wrong in it."""
    with pytest.raises(TreeError) as refused:
        read_tree(body)
    assert str(refused.value) == problem


def test_a_name_that_begins_with_a_space() -> None:
    """The mode ends at the first space: what follows is the name."""
    assert read_tree(body_of((FOLDER, b" a"))) == {" a": Entry(FOLDER, OID)}


NAMES = st.text(min_size=1, max_size=12).filter(lambda name: not name_problem(name))
ENTRIES = st.builds(
    Entry, st.sampled_from([FILE, PROGRAM, LINK, FOLDER]), st.sampled_from(["ab" * 20, "01" * 20])
)


@given(st.dictionaries(NAMES, ENTRIES, max_size=8))
def test_trees_are_read_as_they_are_written(content: dict[str, Entry]) -> None:
    """What makes a tree's id is what is read from it."""
    ordered = sorted(content.items(), key=lambda e: e[0].encode() + b"/" * (e[1].mode == FOLDER))
    body = b"".join(f"{e.mode} {n}".encode() + b"\0" + bytes.fromhex(e.oid) for n, e in ordered)
    assert read_tree(body) == content
    assert tree_id(read_tree(body)) == tree_id(content)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_tree_or_refused(body: bytes) -> None:
    """Reading ends in entries or in a refusal, whatever the bytes are."""
    with contextlib.suppress(TreeError):
        assert all(not name_problem(name) for name in read_tree(body))


@pytest.mark.parametrize(
    ("path", "target", "is_fine"),
    [
        ("c/a", b"b", True),
        ("c/a", b"./b", True),
        ("c/d/a", b"../b", True),
        ("c/a", b"../kit/words.py", True),
        ("c/a", b"/etc/passwd", False),
        ("c/a", b"/", False),
        ("c/a", b"..", False),
        ("c/a", b"../../x", False),
        ("c/a", b"../other/x", False),
        ("c/d/e/a", b"../../../../c/x", False),
        # b may be a link to a folder further up: `..` after it is not what it seems.
        ("c/a", b"b/../x", False),
        ("c/a", b"d/../../x", False),
        ("c/a", b"", False),
        ("c/a", b"\xff", False),
        ("c/a", b"a\0b", False),
        ("c/a", b"x/" * 600, False),
        ("c/d/a", b"./" * (MOST_PATH_BYTES // 2), True),
        ("c/d/a", b"./" * (MOST_PATH_BYTES // 2) + b"x", False),
        ("c/a", b".git/config", False),
    ],
)
def test_links_stay_inside(path: str, target: bytes, *, is_fine: bool) -> None:
    """A link leads to something in the folders that lie beside each other, by whatever way it is written."""
    assert (link_problem(path, target, ["c", "kit"]) == "") is is_fine


def reader(trees: Mapping[str, bytes]) -> Callable[[Sequence[str]], Iterator[bytes]]:
    return lambda oids: iter([trees[oid] for oid in oids])


def walked(*levels: tuple[str, bytes]) -> Listing:
    """Walks a chain of trees: each holds the next one under (mode, name), the last one nothing."""
    trees = {
        f"{number:040x}": body_of(named, oid=f"{number + 1:040x}") for number, named in enumerate(levels)
    }
    return walk({"c": f"{0:040x}"}, reader({**trees, f"{len(levels):040x}": b""}))


def test_everything_in_a_folder_by_path() -> None:
    """Folders come before what is in them; files, links and folders are told apart."""
    trees = {"11" * 20: body_of((LINK, b"a"), (FOLDER, b"d")), OID: body_of((PROGRAM, b"x"))}
    found = walk({"c": "11" * 20}, reader(trees))
    assert list(found.entries) == ["c/a", "c/d", "c/d/x"]
    assert found.links() == {"c/a": OID}
    assert found.problems == {}


@pytest.mark.parametrize(
    ("levels", "problem"),
    [
        ([(FOLDER, b"d"), (FILE, b"..")], "in 'c/d', '..' is not a file name"),
        (
            [(FOLDER, b"d"), (SUBMODULE, b"s")],
            "'c/d/s' is a submodule: its content is in another repository",
        ),
        ([("100664", b"x")], "'c/x' has the mode 100664, which git does not write"),
        ([("040000", b"x")], "'c/x' has the mode 040000, which git does not write"),
        ([("060000", b"x")], "'c/x' has the mode 060000, which git does not write"),
        ([(FOLDER, b"d")] * 70, "it has more levels of folders than the limit of 64"),
        ([(FOLDER, b"d" * 255)] * 5, "the path of"),
    ],
)
def test_folders_that_cannot_be_unpacked(levels: list[tuple[str, bytes]], problem: str) -> None:
    """A bad name, a submodule, an odd mode, too many levels, too long a path: each is told with its place."""
    assert walked(*levels).problems["c"].startswith(problem)


def test_one_bad_folder_does_not_hide_the_others() -> None:
    """Each folder is judged by itself."""
    trees = {"11" * 20: body_of((FILE, b"..")), "22" * 20: body_of((FILE, b"a"))}
    found = walk({"bad": "11" * 20, "good": "22" * 20}, reader(trees))
    assert set(found.problems) == {"bad"}
    assert found.of_kind("blob") == {"good/a": OID}


def test_a_folder_with_a_problem_ends_there() -> None:
    """What else is in a bad folder is passed over; the folders after it are still looked at."""
    two = b"".join(body_of((FOLDER, name), oid=oid) for name, oid in ((b"x", "11" * 20), (b"y", "22" * 20)))
    trees = {
        "00" * 20: two,
        "11" * 20: body_of((FILE, b"..")),
        "22" * 20: b"",
        "33" * 20: body_of((FILE, b"f")),
    }
    trees["44" * 20] = body_of((FOLDER, b"z"), oid="33" * 20)
    found = walk({"bad": "00" * 20, "good": "44" * 20}, reader(trees))
    assert set(found.problems) == {"bad"}
    assert set(found.part(["good"]).entries) == {"good/z", "good/z/f"}


def test_listings_are_put_together_and_parted() -> None:
    """One takes over what another has; a part is what lies in some of the folders, with their problems."""
    entry = Entry(FILE, OID)
    one, other = (
        Listing({"a/x": entry}, {"a": "odd", "b": "old"}),
        Listing({"c/x": entry}, {"b": "new", "d": "bad"}),
    )
    one.add(other)
    assert one == Listing({"a/x": entry, "c/x": entry}, {"a": "odd", "b": "new", "d": "bad"})
    assert one.part(["c", "d"]) == Listing({"c/x": entry}, {"d": "bad"})


def test_a_tree_bomb_costs_no_more_than_the_limit() -> None:
    """Ten folders of ten folders of …, twenty times: refused at the limit, not after 10^20 of them."""
    asked: list[str] = []
    bodies = {
        f"{n:040x}": body_of(*((FOLDER, b"%d" % i) for i in range(10)), oid=f"{n + 1:040x}")
        for n in range(20)
    }

    def read(oids: Sequence[str]) -> Iterator[bytes]:
        asked.extend(oids)
        return iter([bodies[oid] for oid in oids])

    found = walk({"c": f"{0:040x}"}, read)
    assert found.problems == {"c": "it has more files and folders than the limit of 100,000"}
    assert len(asked) == len(set(asked)) < 10


def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many folders that are each below the limit are refused where they are too much together."""
    monkeypatch.setattr(listing, "MOST_ENTRIES_AT_ONCE", 3)
    trees = {f"{n:040x}": body_of((FILE, b"a"), (FILE, b"b")) for n in range(4)}
    found = walk({f"c{n}": f"{n:040x}" for n in range(4)}, reader(trees))
    assert set(found.problems) == {"c1", "c2", "c3"}


def test_sizes_have_limits() -> None:
    """A file that is too large, and files that are too large together, are told with their size."""
    trees = {"11" * 20: body_of((FILE, b"a"), (FILE, b"b")), "22" * 20: body_of((FILE, b"a"), oid="cd" * 20)}
    found = walk({"many": "11" * 20, "large": "22" * 20}, reader(trees))
    found.note_sizes({OID: 0, "cd" * 20: 0})
    assert found.problems == {}
    found.note_sizes({OID: 200 << 20, "cd" * 20: 300 << 20})
    assert found.problems == {"large": "'large/a' has 300 MiB, the limit is 256 MiB"}
    tenfold = walk({"c": "11" * 20}, reader({"11" * 20: body_of(*((FILE, b"%d" % i) for i in range(9)))}))
    tenfold.note_sizes({OID: 200 << 20})
    four = walk({"c": "11" * 20}, reader({"11" * 20: body_of(*((FILE, b"%d" % i) for i in range(4)))}))
    four.note_sizes({OID: 256 << 20})
    assert four.problems == {}
    assert tenfold.of_kind("blob") == tenfold.of_kind("tree") == {}
    assert tenfold.problems == {"c": "its files have 1800 MiB, the limit is 1024 MiB"}


def test_texts_of_strangers_in_messages() -> None:
    """They are quoted, without what a terminal obeys, and not long."""
    assert shown("a\x1b[2J\u202e") == "'a\\x1b[2J\\u202e'"
    assert len(shown("x" * 1000)) < 80


def test_as_many_as_the_limits_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries, levels and lengths may be as many as the limits say, and not one more."""
    full = {"11" * 20: body_of(*((FILE, b"%d" % n) for n in range(3))), "22" * 20: body_of((FILE, b"x"))}
    monkeypatch.setattr(listing, "MOST_ENTRIES", 3)
    monkeypatch.setattr(listing, "MOST_ENTRIES_AT_ONCE", 4)
    assert walk({"c": "11" * 20, "d": "22" * 20}, reader(full)).problems == {}
    monkeypatch.setattr(listing, "MOST_ENTRIES", 2)
    told = "it has more files and folders than the limit of 2"
    assert walk({"c": "11" * 20, "d": "22" * 20}, reader(full)).problems == {"c": told}
    monkeypatch.setattr(listing, "MOST_ENTRIES", 3)
    monkeypatch.setattr(listing, "MOST_ENTRIES_AT_ONCE", 3)
    found = walk({"c": "11" * 20, "d": "22" * 20}, reader(full))
    assert found.problems == {"d": "it has more files and folders than the limit of 3"}
    monkeypatch.setattr(listing, "MOST_ENTRIES_AT_ONCE", 5)
    found = walk({"c": "11" * 20, "d": "11" * 20}, reader(full))
    assert found.problems == {"d": "it has more files and folders than the limit of 5"}


def test_reading_stops_where_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many trees no more are read than can be taken at once."""
    monkeypatch.setattr(listing, "MOST_ENTRIES_AT_ONCE", 3)
    trees = {f"{n:040x}": body_of((FILE, b"a"), (FILE, b"b")) for n in range(9)}
    read: list[str] = []

    def one_by_one(oids: Sequence[str]) -> Iterator[bytes]:
        for oid in oids:
            read.append(oid)
            yield trees[oid]

    walk({f"c{n}": oid for n, oid in enumerate(trees)}, one_by_one)
    assert len(read) == 2
    bad = {"11" * 20: body_of((FILE, b"..")), "22" * 20: body_of((FILE, b"a"), (FILE, b"b"), (FILE, b"c"))}
    bad["33" * 20] = b""
    assert set(walk({"bad": "11" * 20, "good": "22" * 20, "none": "33" * 20}, reader(bad)).problems) == {
        "bad"
    }
    with pytest.raises(ValueError, match="shorter"):
        walk({"c": "11" * 20}, lambda _: iter(()))


def test_the_deepest_and_the_longest() -> None:
    """64 levels below a folder, and a path of 1,024 bytes, are unpacked."""
    assert walked(*[(FOLDER, b"d")] * 64).problems == {}
    assert set(walked(*[(FOLDER, b"d")] * 65).problems) == {"c"}
    above = [(FOLDER, b"d" * 200)] * 4
    room = MOST_PATH_BYTES - len("c/") - 4 * 201
    assert walked(*above, (FILE, b"f" * room)).problems == {}
    assert set(walked(*above, (FILE, b"f" * (room + 1))).problems) == {"c"}


def test_which_name_of_a_path_is_wrong() -> None:
    """A path of one name has that name's problem; of several, the one that is wrong is named."""
    assert path_problem("..") == name_problem("..")
    assert path_problem("a/..") == f"is not a valid path: '..' in it {name_problem('..')}"
    longest = "/".join(["a" * 200] * 5) + "/" + "b" * (MOST_PATH_BYTES - 5 * 201)
    assert path_problem(longest) == ""
    assert path_problem(f"{longest}a") == f"is longer than {MOST_PATH_BYTES} bytes"
