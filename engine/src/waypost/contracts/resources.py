"""The resources that a step asks for, and whether a machine has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from waypost.contracts.schedule_line import Capacity, Demand
from waypost.errors import Finding
from waypost.texts.parsing import Strict

MIB = 1 << 20
_HINT = "run it on a larger machine, or ask for less"


class Resources(Strict):
    """Resources reserved for a step: processors, memory and GPUs. They are not part of the step's key: they
    do not change its result.
    """

    cpus: int | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)
    gpus: int | None = Field(default=None, gt=0)

    def demand(self, before: int) -> Demand:
        """Returns the resources to reserve for a step that needed `before` bytes earlier, 0 if unknown: what
        it asks for, and if it asks for no memory, what it needed before.
        """
        memory = before if self.memory_mb is None else MIB * self.memory_mb
        return Demand(self.cpus or 0, memory, self.gpus or 0)


def lacks(steps: Mapping[str, Resources], there: Capacity, where: str, file: str) -> Iterator[Finding]:
    """Yields resources that steps ask for and a place does not have; `where` names the place for the
    reader.
    """
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
