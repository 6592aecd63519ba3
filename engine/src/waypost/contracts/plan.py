"""The plan of a pipeline: every step with its arguments and the steps that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from waypost.contracts.component import EntryPoint
from waypost.errors import Finding, FindingsError, did_you_mean


@dataclass(frozen=True)
class Reference:
    """The output of an earlier step."""

    step: str
    output: str

    def __str__(self) -> str:
        return f"{self.step}.{self.output}"


@dataclass(frozen=True)
class Inline:
    """A mapping or list given for a path: it becomes a file with this canonical YAML.

    `content` is the value itself, if it contains environment variables.
    """

    text: str
    content: Any = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Location:
    """A file, folder or URL given by the user; relative to the pipeline's folder."""

    text: str

    def __str__(self) -> str:
        return self.text


Argument = str | Reference | Inline | Location


@dataclass(frozen=True)
class PlannedStep:
    """A step that can run once the steps in `needs` are finished."""

    name: str
    uses: str
    entry_point: EntryPoint
    arguments: Mapping[str, Argument]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The steps of a pipeline, each after everything that it needs."""

    name: str
    steps: tuple[PlannedStep, ...]

    @cached_property
    def _by_name(self) -> dict[str, PlannedStep]:
        return {step.name: step for step in self.steps}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {step.name: number for number, step in enumerate(self.steps, 1)}

    def step(self, name: str) -> PlannedStep:
        return self._by_name[name]

    def numbered(self, name: str) -> str:
        """Returns a step's name after its number in the plan, by which a list of names sorts as steps run."""
        return f"{self._numbers[name]:0{len(str(len(self.steps)))}} {name}"

    def needed_for(self, names: Iterable[str]) -> frozenset[str]:
        """Returns these steps and everything that they need, directly or not."""
        wanted = set(names)
        for step in reversed(self.steps):
            if step.name in wanted:
                wanted.update(step.needs)
        return frozenset(wanted)

    def select(self, only: Iterable[str], start: str | None) -> frozenset[str]:
        """Returns the names of the steps to execute; the others are reused from an earlier run.

        Raises FindingsError for unknown names.
        """
        names = self._by_name
        asked = [*only, *([start] if start else [])]
        if unknown := [name for name in asked if name not in names]:
            raise FindingsError(
                Finding("command line", f"no step {name!r}", did_you_mean(name, names)) for name in unknown
            )
        chosen = set(only) if only else set(names)
        if start:
            reached = {start}
            for step in self.steps:
                if reached & set(step.needs):
                    reached.add(step.name)
            chosen = chosen & reached if only else reached
        return frozenset(chosen)
