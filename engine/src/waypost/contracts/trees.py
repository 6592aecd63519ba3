"""Git trees without git: the id of a tree is the hash of its content, and it may contain any name.

Trees come from strangers. Git checks names only at checkout, which it never does for Waypost, so they are
checked here: before anything is written, and before a name becomes part of a path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from sys import intern

MOST_POINTER_BYTES = 1024  # of Git LFS
LFS_PROBLEM = "is a Git LFS pointer, not the file; keep data out of components"
SUBMODULE_PROBLEM = "is a submodule: its content is in another repository"
FOLDER, FILE, PROGRAM, LINK, SUBMODULE = "40000", "100644", "100755", "120000", "160000"
MOST_NAME_BYTES = 255  # limit of file systems
MOST_PATH_BYTES = 1024

_MODE = re.compile(rb"[0-7]{5,6}")
_SLASHES = re.compile(r"[/\\]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_TEXT = re.compile(r"[\ud800-\udfff]")  # stand-ins for bytes that are not UTF-8
# HFS+ ignores these when it compares names; the list is git's (utf8.c, next_hfs_char).
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
# NTFS ignores trailing dots and spaces and everything after a colon, and has a short name for `.git`
# (path.c, is_ntfs_dotgit).
_GITS_OWN = re.compile(r"(\.git|git~1)[ .]*(:.*)?", re.IGNORECASE | re.DOTALL)


class TreeError(ValueError):
    """A tree that git would not check out; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree: git's mode, as written there, and its id."""

    mode: str
    oid: str

    @property
    def kind(self) -> str:
        """Its type in git: tree, commit (of a submodule), else blob."""
        return {0o040000: "tree", 0o160000: "commit"}.get(int(self.mode, 8) & 0o170000, "blob")


def object_id(kind: str, body: bytes, *, digits: int = 40) -> str:
    """Returns the id of a git object: 40 hex digits (SHA-1) or 64 (SHA-256), as in its repository.

    Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    """
    hasher = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
    hasher.update(f"{kind} {len(body)}\0".encode())
    hasher.update(body)
    return hasher.hexdigest()


def tree_id(entries: Mapping[str, Entry], *, digits: int = 40) -> str:
    """Returns the id of the tree with these entries, by name."""
    # Names on disk may not be UTF-8: their bytes count.
    named = [(name.encode("utf-8", "surrogateescape"), entry) for name, entry in entries.items()]
    ordered = sorted((_place(name, e), name, e) for name, e in named)
    body = b"".join(e.mode.encode() + b" " + name + b"\0" + bytes.fromhex(e.oid) for _, name, e in ordered)
    return object_id("tree", body, digits=digits)


def _place(name: bytes, entry: Entry) -> bytes:
    """Returns git's sort key: a folder sorts as if its name ended with a slash."""
    return name + b"/" if entry.kind == "tree" else name


def tree_of_folders(folders: Mapping[str, str]) -> str:
    """Returns the id of the tree with these folders (name to tree): a component and its shared folders."""
    digits = max(len(tree) for tree in folders.values())
    return tree_id({name: Entry(FOLDER, tree) for name, tree in folders.items()}, digits=digits)


def read_tree(body: bytes, *, digits: int = 40) -> dict[str, Entry]:
    """Returns the entries of a tree object by name, each name checked. Raises TreeError."""
    entries: dict[str, Entry] = {}
    position, last = 0, b""
    while position < len(body):
        space = body.find(b" ", position, position + 7)
        end = body.find(b"\0", space)
        following = end + 1 + digits // 2
        mode = body[position:space]
        if space < 0 or end < 0 or following > len(body) or not _MODE.fullmatch(mode):
            raise TreeError("the tree is malformed or cut off")
        raw = body[space + 1 : end]
        name = raw.decode("utf-8", "surrogateescape")
        entry = Entry(intern(mode.decode()), body[end + 1 : following].hex())
        if problem := name_problem(name):
            raise TreeError(f"{shown(name)} {problem}")
        if name in entries:
            raise TreeError(f"{shown(name)} appears twice")
        place = _place(raw, entry)
        if place < last:
            raise TreeError(f"{shown(name)} is not in git's order")
        entries[name] = entry
        position, last = following, place
    return entries


def name_problem(name: str) -> str:
    """Returns why a name is not valid for a file or folder, empty if it is."""
    if name in ("", ".", ".."):
        return "is not a file name"
    if _SLASHES.search(name):
        return "contains a slash"
    if _CONTROLS.search(name):
        return "contains a control character"
    if _NOT_TEXT.search(name):
        return "is not UTF-8"
    if len(name.encode()) > MOST_NAME_BYTES:
        return f"is longer than {MOST_NAME_BYTES} bytes"
    if _GITS_OWN.fullmatch(_IGNORED.sub("", name)):
        return "is reserved by git"
    return ""


def path_problem(path: str) -> str:
    """Returns why a text is not a path inside its base folder, empty if it is."""
    if path.startswith("/"):
        return "is an absolute path"
    for part in path.split("/"):
        if problem := name_problem(part):
            return problem if part == path else f"is not a valid path: {shown(part)} in it {problem}"
    too_long = len(path.encode()) > MOST_PATH_BYTES
    return f"is longer than {MOST_PATH_BYTES} bytes" if too_long else ""


def link_problem(path: str, target: bytes, inside: Collection[str]) -> str:
    """Returns why a link cannot be unpacked at a path, empty if it can.

    It may lead into the folders `inside`, which are siblings. `..` is only allowed at the start of its
    target: after a name, which may itself be a link, its meaning is unknown.
    """
    text = target.decode("utf-8", "surrogateescape")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    ups = next((i for i, part in enumerate(parts) if part != ".."), len(parts))
    parents = path.split("/")[:-1]
    reached = [*parents[: max(len(parents) - ups, 0)], *parts[ups:]]
    if not text or any(name_problem(part) for part in parts[ups:]) or len(target) > MOST_PATH_BYTES:
        return f"is a link to {shown(text)}, which is not a path"
    if text.startswith("/") or ups > len(parents) or not reached or reached[0] not in inside:
        return f"is a link that may leave its folder, to {shown(text)}"
    return ""


def is_lfs_pointer(content: bytes) -> bool:
    """Tells whether the content of a file is what Git LFS has in its place."""
    return len(content) < MOST_POINTER_BYTES and content.startswith(
        b"version https://git-lfs.github.com/spec/"
    )


def shown(text: str) -> str:
    """Returns untrusted text for a message: quoted, without terminal control characters, truncated."""
    quoted = repr(text)
    return quoted if len(quoted) <= 80 else f"{quoted[:60]}…{quoted[-1]}"
