"""Who holds which of a machine's resources, and who is next: places, processors, memory and GPUs.

Invariants:
- Items never hold more than there is, except processors and memory of an item that is alone.
- No item overtakes an earlier one that lacks a resource which both need: so every item gets its turn,
  however much it asks for. Items without GPUs overtake those that wait for one, and items without known
  memory overtake those that wait for memory.
- Every operation costs at most the logarithm of the line's length.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

Item = TypeVar("Item")

CPUS, MEMORY, GPUS = 1, 2, 4
"""Resources that an item may lack, as bits. Every item needs processors, but not every one the others."""
_ALL = CPUS | MEMORY | GPUS
_MILLI = 1000


@dataclass(frozen=True)
class Capacity:
    """The resources: `places` for steps, processors, bytes of memory, GPUs; None if unlimited."""

    places: int
    cpus: int | None = None
    memory: int | None = None
    gpus: int | None = None

    @property
    def share(self) -> int:
        """Processors of a step that declares none, in thousandths: one, or less if there are more places than
        processors.
        """
        return 0 if self.cpus is None else _MILLI * self.cpus // max(self.places, self.cpus)


@dataclass(frozen=True)
class Demand:
    """The resources that an item needs: processors and GPUs as declared, bytes as declared or measured; 0:
    none.
    """

    cpus: int = 0
    memory: int = 0
    gpus: int = 0

    @property
    def kinds(self) -> int:
        """The resources that it may lack, as bits."""
        return CPUS | MEMORY * bool(self.memory) | GPUS * bool(self.gpus)


NOTHING = Demand()


@dataclass(order=True)
class _Entry(Generic[Item]):
    order: tuple[int, int]
    item: Item = field(compare=False)
    demand: Demand = field(compare=False)
    is_waiting: bool = field(default=True, compare=False)


class Line(Generic[Item]):
    """Items that hold resources, and items that wait for their turn; the smallest `order` is next."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._waiting: dict[Item, _Entry[Item]] = {}
        self._holding: dict[Item, Demand] = {}
        # Items that may start now, by what they may lack; removed ones are dropped when met.
        self._ready: dict[int, list[_Entry[Item]]] = {}
        self._later: list[tuple[float, int, _Entry[Item]]] = []
        self._tickets = itertools.count()
        self._cpus = self._memory = self._gpus = 0  # held
        self._wanting_gpus = 0
        self._now = 0.0
        self._free: int | None = None
        self._unlocked = capacity.gpus
        self.lacking = 0
        """Resources that the last call of `first` lacked: an item that may lack one does not start now."""
        self.held_up: Item | None = None
        """The next item, if it waits for GPUs and none of them is held here."""

    def __contains__(self, item: Item) -> bool:
        return item in self._waiting

    @property
    def is_full(self) -> bool:
        return len(self._holding) >= self._capacity.places

    @property
    def has_next(self) -> bool:
        """Whether an item waits that may start now."""
        return any(self._heads())

    @property
    def wants_gpus(self) -> bool:
        """Whether an item waits for GPUs."""
        return self._wanting_gpus > 0

    def join(self, item: Item, demand: Demand, rank: int, not_before: float = -math.inf) -> None:
        """Adds an item behind those of the same or a smaller rank."""
        ticket = next(self._tickets)
        entry = self._waiting[item] = _Entry((rank, ticket), item, demand)
        self._wanting_gpus += bool(demand.gpus)
        if not_before > self._now:
            heapq.heappush(self._later, (not_before, ticket, entry))
        else:
            self._push(entry)

    def leave(self, item: Item) -> None:
        """Removes a waiting item."""
        if entry := self._waiting.pop(item, None):
            entry.is_waiting = False
            self._wanting_gpus -= bool(entry.demand.gpus)

    def take(self, item: Item) -> None:
        """Assigns a waiting item its resources."""
        demand = self._waiting[item].demand
        self.leave(item)
        self._holding[item] = demand
        self._hold(demand, 1)
        if self._free is not None:
            self._free -= demand.memory

    def give_back(self, item: Item) -> None:
        """Releases an item's resources."""
        if demand := self._holding.pop(item, None):
            self._hold(demand, -1)

    def pass_time(self, now: float, free: int | None, gpus: int | None, places: int | None = None) -> None:
        """Sets the time to `now`, and the free bytes and usable GPUs if known. Items keep their place, even
        if there are fewer `places` now.
        """
        self._now, self._free = now, free
        if places is not None and places != self._capacity.places:
            self._capacity = replace(self._capacity, places=places)
        self._unlocked = self._unlocked if gpus is None else gpus
        while self._later and self._later[0][0] <= now:
            _, _, entry = heapq.heappop(self._later)
            if entry.is_waiting:
                self._push(entry)

    def first(self) -> Item | None:
        """Returns the item that may take its resources now, None if there is none."""
        self.held_up = None
        self.lacking = _ALL if self.is_full else 0
        for entry in sorted(self._heads()):
            if entry.demand.kinds & self.lacking:
                continue
            found = self._lacks(entry.demand)
            if not found:
                return entry.item
            if found & GPUS and not self._gpus:
                self.held_up = entry.item
            self.lacking |= _ALL if found & CPUS else found
        return None

    def _push(self, entry: _Entry[Item]) -> None:
        heapq.heappush(self._ready.setdefault(entry.demand.kinds, []), entry)

    def _heads(self) -> Iterator[_Entry[Item]]:
        for queue in self._ready.values():
            while queue and not queue[0].is_waiting:
                heapq.heappop(queue)
            if queue:
                yield queue[0]

    def _hold(self, demand: Demand, sign: int) -> None:
        self._cpus += sign * self._milli(demand)
        self._memory += sign * demand.memory
        self._gpus += sign * demand.gpus

    def _milli(self, demand: Demand) -> int:
        return _MILLI * demand.cpus or self._capacity.share

    def _lacks(self, demand: Demand) -> int:
        """Returns the resources that an item lacks, as bits."""
        gpus = self._unlocked is not None and self._gpus + demand.gpus > self._unlocked
        lacking = GPUS if demand.gpus and gpus else 0
        if not self._holding:  # there is nothing to wait for
            return lacking
        cpus, memory = self._capacity.cpus, self._capacity.memory
        if cpus is not None and self._cpus + self._milli(demand) > _MILLI * cpus:
            lacking |= CPUS
        is_short = self._free is not None and demand.memory > self._free
        if demand.memory and (is_short or (memory is not None and self._memory + demand.memory > memory)):
            lacking |= MEMORY
        return lacking
