"""The texts of a library, by the ids of their files: fetched together, each read once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from waypost.catalogue.opening import Opened
from waypost.contracts.component import Component, component_of, contract_content
from waypost.contracts.trees import Entry, TreeError, read_tree
from waypost.errors import FindingsError
from waypost.sources.memo import Memo
from waypost.sources.mirror_objects import MOST_TEXT_BYTES
from waypost.sources.objects import Objects

Contract = Component | str
"""A contract, or why it cannot be read."""
_KIND = "contract-1"  # what a file with a contract says; another number, another form


class Texts:
    """Reads from a library; to be closed."""

    def __init__(self, opened: Opened, memo: Memo) -> None:
        self.opened = opened
        self._memo = memo
        self._stack = ExitStack()
        self._objects = self._stack.enter_context(Objects(opened.repository))
        self._trees: dict[str, dict[str, Entry]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look(self, trees: Iterable[str]) -> None:
        """Reads trees, all at once; one that git would not check out is as good as empty."""
        new = [oid for oid in dict.fromkeys(trees) if oid not in self._trees]
        for oid, body in zip(new, self._objects.trees(new), strict=True):
            self._trees[oid] = _entries(body, len(oid))

    def entries(self, tree: str) -> Mapping[str, Entry]:
        """Returns what lies directly in a tree that was looked at."""
        return self._trees[tree]

    def file(self, tree: str, name: str) -> str:
        """Returns the id of a file that lies directly in a tree that was looked at, empty where none does."""
        entry = self._trees[tree].get(name)
        return entry.oid if entry and entry.kind == "blob" else ""

    def read(self, trees: Sequence[str], oids: Collection[str]) -> dict[str, str]:
        """Returns texts by their ids; they lie directly in `trees`. One that is too large is left out."""
        wanted = list(dict.fromkeys(filter(None, oids)))
        if not wanted:
            return {}
        self.opened.fetch(trees, set(wanted))
        sizes = self._objects.sizes(wanted)
        small = [oid for oid in wanted if sizes[oid] <= MOST_TEXT_BYTES]
        return {
            oid: content.decode(errors="replace")
            for oid, content in zip(small, self._objects.blobs(small, MOST_TEXT_BYTES), strict=True)
        }

    def contracts(self, trees: Sequence[str], oids: Collection[str]) -> Iterator[tuple[str, Contract]]:
        """Gives the contracts in files, by the files' ids: what YAML says of one is found out once, ever."""

        def find_out(missing: Sequence[str]) -> dict[str, str]:
            texts = self.read(trees, missing)
            return {oid: _said(texts.get(oid, "")) for oid in missing}

        for oid, said in self._memo.many_by_content(_KIND, list(dict.fromkeys(oids)), find_out).items():
            yield oid, _contract(said)


def _entries(body: bytes, digits: int) -> dict[str, Entry]:
    try:
        return read_tree(body, digits=digits)
    except TreeError:
        return {}


def _said(text: str) -> str:
    """Returns what a contract's YAML says as JSON: a mapping, or a text that says what is wrong."""
    try:
        content = contract_content(text, "MLproject")
    except FindingsError as error:
        return json.dumps(str(error.findings[0]))
    return json.dumps(content, default=str)


def _contract(said: str) -> Contract:
    content: Any = json.loads(said)
    if isinstance(content, str):
        return content
    try:
        return component_of(content, "MLproject")
    except FindingsError as error:
        return str(error.findings[0])
