"""Steps that are one because they have the same key: one of them works for all."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Twins(Generic[Item]):
    """Those that want a key, in the order in which they came: the first of them works for all.

    An empty key is shared by nobody. Whatever is asked costs the same, however many want a key.
    """

    def __init__(self) -> None:
        self._wanting: dict[str, OrderedDict[Item, None]] = {}  # a dict is slow to say what is first

    def join(self, key: str, item: Item) -> bool:
        """Lets one want a key, which may want it already; returns whether it is the one that works."""
        if not key:
            return True
        wanting = self._wanting.setdefault(key, OrderedDict())
        wanting.setdefault(item)
        return next(iter(wanting)) == item

    def leave(self, key: str, item: Item) -> Item | None:
        """One wants a key no more; returns who works in its place, None if it did not or none is left."""
        wanting = self._wanting.get(key, OrderedDict())
        if item not in wanting:
            return None
        did_work = next(iter(wanting)) == item
        del wanting[item]
        if not wanting:
            del self._wanting[key]
            return None
        return next(iter(wanting)) if did_work else None

    def end(self, key: str, item: Item) -> list[Item]:
        """The work for a key is done: where that was this one's, returns the others, who want it no more."""
        wanting = self._wanting.get(key, OrderedDict())
        if next(iter(wanting), None) != item:
            return []
        return list(self._wanting.pop(key))[1:]
