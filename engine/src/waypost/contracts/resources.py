"""The resources that a step asks for, and whether a machine has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from waypost.contracts.schedule_line import Capacity, Demand
from waypost.errors import Finding
from waypost.texts.parsing import Strict

MIB = 1 << 20
_HINT = "run it where that is, or ask for less"


class Resources(Strict):
    """What a step is given: processors, memory and GPUs that no other step has meanwhile. They are no part
    of the step's key: how much a step is given does not change its result.
    """

    cpus: int | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)
    gpus: int | None = Field(default=None, gt=0)

    def demand(self, before: int) -> Demand:
        """Returns what to keep for a step that needed so many bytes `before`, 0 if nobody knows: what it
        asks for counts, and where it asks for no memory, what it needed.
        """
        memory = before if self.memory_mb is None else MIB * self.memory_mb
        return Demand(self.cpus or 0, memory, self.gpus or 0)


def lacks(steps: Mapping[str, Resources], there: Capacity, where: str, file: str) -> Iterator[Finding]:
    """Yields what steps ask for and one place does not have; `where` is that place, for the reader."""
    has = {
        "cpus": there.cpus,
        "memory_mb": None if there.memory is None else there.memory // MIB,
        "gpus": there.gpus,
    }
    for name, asked in steps.items():
        for key, most in has.items():
            wanted = getattr(asked, key)
            if wanted is not None and most is not None and wanted > most:
                place = f"{file}: steps.{name}.resources.{key}"
                yield Finding(place, f"it asks for {wanted}, {where} has {most}", _HINT)
