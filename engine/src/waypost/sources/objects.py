"""The objects of a local git repository, by id: trees, commits, tags, blobs and their sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from waypost.contracts.listing import MOST_FILE_BYTES
from waypost.contracts.trees import Entry, TreeError, read_tree
from waypost.errors import Finding, FindingsError, WaypostError
from waypost.sources.git_settings import git_environment
from waypost.system.coprocess import Coprocess
from waypost.system.process import ProcessError

REFUSED = "tree-refused"
_AT_ONCE = 400  # ids of 64 digits stay below what a pipe holds
_MOST_TREE_BYTES = 16 << 20


class Objects:
    """The objects of a repository; one process reads them all.

    Only for objects that are there: for a missing one, git may try to fetch it.
    """

    def __init__(self, repository: Path) -> None:
        git = ["git", "-C", str(repository), "cat-file"]
        self._contents = Coprocess([*git, "--batch"], env=git_environment())
        self._facts = Coprocess([*git, "--batch-check"], env=git_environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes; the next question starts them again."""
        self._contents.end()
        self._facts.end()

    def sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Returns the sizes of objects in bytes, by id."""
        found = {}
        for some in _portions(list(dict.fromkeys(oids))):
            answer = self._facts.ask(_asked(some))
            found.update({oid: _facts(self._facts, answer, oid)[1] for oid in some})
        return found

    def trees(self, oids: Sequence[str]) -> Iterator[bytes]:
        """Yields the bodies of trees by their ids, in the order asked for."""
        return self._read(oids, "tree", _MOST_TREE_BYTES)

    def commits(self, oids: Sequence[str]) -> Iterator[bytes]:
        """Yields the bodies of commits by their ids, in the order asked for."""
        return self._read(oids, "commit", _MOST_TREE_BYTES)

    def tags(self, oids: Sequence[str]) -> Iterator[bytes]:
        """Yields the bodies of annotated tags by their ids, in the order asked for."""
        return self._read(oids, "tag", _MOST_TREE_BYTES)

    def blobs(self, oids: Sequence[str], most: int = MOST_FILE_BYTES) -> Iterator[bytes]:
        """Yields the contents of files by their ids, in the order asked for.

        Raises WaypostError for one of more than `most` bytes.
        """
        return self._read(oids, "blob", most)

    def _read(self, oids: Sequence[str], kind: str, most: int) -> Iterator[bytes]:
        is_whole = False
        try:
            for some in _portions(oids):
                answer = self._contents.ask(_asked(some))
                for oid in some:
                    actual, size = _facts(self._contents, answer, oid)
                    if actual != kind:
                        raise WaypostError(f"object {oid} is a {actual}, its tree says that it is a {kind}")
                    if size > most:
                        raise WaypostError(f"object {oid} has {size >> 20} MiB, {most >> 20} MiB are read")
                    body = answer.read(size + 1)
                    if len(body) <= size:
                        raise self._contents.failure()
                    yield body[:size]
            is_whole = True
        finally:
            if not is_whole:  # what is left of the answer must not be taken for the next one
                self._contents.end()


def _portions(oids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (oids[start : start + _AT_ONCE] for start in range(0, len(oids), _AT_ONCE))


def _asked(oids: Iterable[str]) -> bytes:
    return "".join(f"{oid}\n" for oid in oids).encode()


def _facts(process: Coprocess, answer: IO[bytes], oid: str) -> tuple[str, int]:
    """Reads the line `ID TYPE SIZE`; returns the last two. Raises ProcessError for an object not here."""
    line = answer.readline()
    words = line.decode(errors="replace").split()
    if not line.endswith(b"\n"):
        raise process.failure()
    if len(words) != 3:
        process.end()
        raise ProcessError(["git", "cat-file"], 1, f"object {oid} is missing")
    return words[1], int(words[2])


def entries(repository: Path, oid: str) -> dict[str, Entry]:
    """Returns what is at the top of a tree or commit, by name.

    Raises FindingsError where a name is none that git would check out.
    """
    with Objects(repository) as objects:
        [body] = objects.trees([f"{oid}^{{tree}}"])
    try:
        return read_tree(body, digits=len(oid))
    except TreeError as error:
        raise FindingsError([Finding(f"tree {oid}", str(error), "", REFUSED)], consequence="") from error
