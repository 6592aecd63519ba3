"""A folder's part of a repository's history as a separate history, and the way back.

As in `git subtree split`: a commit that changes the folder is recreated with the folder's tree, and the same
author, committer, dates and message. The same history gives the same commits everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Other headers of a commit, above all a signature, are valid for its own tree only.
_TAKEN_OVER = (b"author", b"committer", b"encoding")
_KEPT_FOR_LATER = b"split-"


@dataclass(frozen=True)
class Content:
    """The contents of a commit: `headers` are its lines from the author on, with their continuation lines."""

    tree: str
    parents: tuple[str, ...]
    headers: tuple[bytes, ...]
    message: bytes

    def body(self) -> bytes:
        """Returns the commit as git stores it."""
        first = [f"tree {self.tree}", *(f"parent {parent}" for parent in self.parents)]
        return b"\n".join([*(line.encode() for line in first), *self.headers, b"", self.message])


def parse_commit(body: bytes) -> Content:
    """Parses a commit as git stores it."""
    head, _, message = body.partition(b"\n\n")
    headers: list[bytes] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and headers:
            headers[-1] += b"\n" + line
        else:
            headers.append(line)
    tree = headers.pop(0).partition(b" ")[2].decode()
    parents = [line.partition(b" ")[2].decode() for line in headers if line.startswith(b"parent ")]
    return Content(tree, tuple(parents), tuple(headers[len(parents) :]), message)


def inner(commit: Content, tree: str, parents: Sequence[str]) -> Content:
    """Returns a commit of the whole repository as one of the folder's history."""
    headers = (
        line.removeprefix(_KEPT_FOR_LATER)
        for line in commit.headers
        if line.startswith(_KEPT_FOR_LATER) or line.partition(b" ")[0] in _TAKEN_OVER
    )
    return Content(tree, tuple(parents), tuple(headers), commit.message)


def outer(commit: Content, tree: str, parents: Sequence[str]) -> Content:
    """Returns a commit of the folder's history as one of the whole repository; `inner` reverses it exactly.

    Headers that are valid for its own tree only, such as a signature, are kept under another name.
    """
    headers = (
        line if line.partition(b" ")[0] in _TAKEN_OVER else _KEPT_FOR_LATER + line for line in commit.headers
    )
    return Content(tree, tuple(parents), tuple(headers), commit.message)


@dataclass(frozen=True)
class Node:
    """A commit in a history; `tree` is the folder's at that commit, None if it has none."""

    id: str
    parents: tuple[str, ...]
    tree: str | None


@dataclass
class Split:
    """The folder's history: `of` maps each commit of the whole history to the folder's."""

    of: dict[str, str] = field(default_factory=dict)
    _trees: dict[str, str] = field(default_factory=dict)
    _parents: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, node: Node, make: Callable[[Node, Sequence[str]], str]) -> None:
        """Adds a commit after its parents; `make` creates its copy and returns the id.

        A commit that changes nothing in the folder maps to a parent's copy, unless that would lose what
        another parent brings. One without the folder is skipped.
        """
        parents = list(dict.fromkeys(self.of[parent] for parent in node.parents if parent in self.of))
        if node.tree is None:
            if parents:
                self.of[node.id] = parents[0]
            return
        same = [parent for parent in parents if self._trees[parent] == node.tree]
        found = next((one for one in same if self._has_all(one, parents)), None)
        if found is None:
            found = make(node, parents)
            self._trees[found], self._parents[found] = node.tree, tuple(parents)
        self.of[node.id] = found

    def _has_all(self, one: str, others: Iterable[str]) -> bool:
        """Returns whether commits are all in another commit's history."""
        rest = set(others) - {one}
        return not rest or rest <= set(self._history(one))

    def _history(self, tip: str) -> Iterator[str]:
        seen, waiting = {tip}, [tip]
        while waiting:
            commit = waiting.pop()
            yield commit
            new = [parent for parent in self._parents[commit] if parent not in seen]
            seen.update(new)
            waiting += new


def split_history(nodes: Iterable[Node], make: Callable[[Node, Sequence[str]], str]) -> Mapping[str, str]:
    """Returns the folder's commit for each commit of a whole history, given parents first."""
    split = Split()
    for node in nodes:
        split.add(node, make)
    return split.of
