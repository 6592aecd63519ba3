"""Steps that are one because they have the same key: one of them works for all."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Twins(Generic[Item]):
    """The items that want a key, in order of arrival: the first of them works for all.

    An empty key is never shared. Every operation has constant cost, however many items want a key.
    """

    def __init__(self) -> None:
        self._wanting: dict[str, OrderedDict[Item, None]] = {}  # the first key of a dict is slow to find

    def join(self, key: str, item: Item) -> bool:
        """Adds an item for a key, if not there already; returns whether it is the one that works."""
        if not key:
            return True
        wanting = self._wanting.setdefault(key, OrderedDict())
        wanting.setdefault(item)
        return next(iter(wanting)) == item

    def leave(self, key: str, item: Item) -> Item | None:
        """Removes an item; returns the one that now works in its place, None if it did not work or none is
        left.
        """
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
        """Ends the work for a key; if the item was the one that worked, removes and returns the others."""
        wanting = self._wanting.get(key, OrderedDict())
        if next(iter(wanting), None) != item:
            return []
        return list(self._wanting.pop(key))[1:]
