"""Git's ids, against git itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from waypost.contracts.trees import FILE, FOLDER, Entry, object_id, tree_id, tree_of_folders


@pytest.mark.parametrize(("form", "digits"), [("sha1", 40), ("sha256", 64)])
def test_ids_are_gits(form: str, digits: int, tmp_path: Path) -> None:
    """Blobs and trees have the ids that git gives them, in both of its object formats."""

    def git(*arguments: str, stdin: bytes = b"") -> str:
        command = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode().strip()

    git("init", "-q", f"--object-format={form}")
    blob = git("hash-object", "-w", "--stdin", stdin=b"x")
    assert object_id("blob", b"x", digits=digits) == blob
    inner = git("mktree", stdin=f"100644 blob {blob}\tx\n".encode())
    assert tree_id({"x": Entry(FILE, blob)}, digits=digits) == inner
    # A folder is sorted as if its name ended with a slash: a-b, a.b, a/, a0.
    names = ["a-b", "a.b", "a0"]
    lines = [f"100644 blob {blob}\t{name}" for name in names] + [f"040000 tree {inner}\ta"]
    entries = dict.fromkeys(names, Entry(FILE, blob)) | {"a": Entry(FOLDER, inner)}
    assert tree_id(entries, digits=digits) == git("mktree", stdin="\n".join(lines).encode() + b"\n")
    two = git("mktree", stdin=f"040000 tree {inner}\ta\n040000 tree {inner}\tb\n".encode())
    assert tree_of_folders({"a": inner, "b": inner}) == two


def test_the_short_form_is_the_default() -> None:
    """Ids are SHA-1 unless asked for otherwise."""
    assert object_id("blob", b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert tree_id({}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
