"""Git's identity of content, computed without git: the hash of a tree is the hash of what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

FOLDER, FILE, PROGRAM, LINK, SUBMODULE = "40000", "100644", "100755", "120000", "160000"


def object_id(kind: str, body: bytes, *, digits: int = 40) -> str:
    """Returns the id of a git object: of 40 hex digits (SHA-1) or 64 (SHA-256), as in its repository.

    Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    """
    hasher = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
    hasher.update(f"{kind} {len(body)}\0".encode())
    hasher.update(body)
    return hasher.hexdigest()


def tree_id(entries: Mapping[str, tuple[str, str]], *, digits: int = 40) -> str:
    """Returns the id of the tree that has these entries, name to (mode, id)."""
    # Git sorts a folder as if its name ended with a slash.
    ordered = sorted(entries.items(), key=lambda e: (e[0] + "/" * (e[1][0] == FOLDER)).encode())
    body = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid) for name, (mode, oid) in ordered)
    return object_id("tree", body, digits=digits)


def tree_of_folders(folders: Mapping[str, str]) -> str:
    """Returns the id of the tree with these folders (name to tree): a component with what it shares."""
    digits = max(len(tree) for tree in folders.values())
    return tree_id({name: (FOLDER, tree) for name, tree in folders.items()}, digits=digits)
