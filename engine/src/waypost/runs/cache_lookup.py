"""Whether a step has to run: its key, and the finished step with the same key."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.keys import FinishedStep, StepInputs, difference
from waypost.contracts.plan import Inline, PlannedStep
from waypost.runs.environments import platform_tag
from waypost.runs.index import Index
from waypost.runs.inputs import Inputs
from waypost.runs.prepare import Prepared
from waypost.sources.keyed import keyed_digest
from waypost.sources.memo import Memo
from waypost.system.places import home
from waypost.texts.sealed import variables_in

FIRST = "it has not run on this tracking server yet"

Lookup = Callable[[str], FinishedStep | None]
Whole = Callable[[PlannedStep, FinishedStep], bool]
"""Returns whether all outputs of a finished step can be reused."""


def is_whole_here(memo: Memo) -> Whole:
    """Returns the rule for steps that execute here: all declared outputs are here, byte for byte."""

    def is_whole(step: PlannedStep, found: FinishedStep) -> bool:
        for output in step.entry_point.outputs:
            path = Path(found.paths.get(output, ""))
            if output not in found.paths or not path.exists():
                return False
            if memo.digest(path) != found.digests[output]:
                return False
        return True

    return is_whole


def is_recorded(step: PlannedStep, found: FinishedStep) -> bool:
    """The rule for steps that execute elsewhere: the digests of all declared outputs are known. Whoever needs
    an output fetches and verifies it.
    """
    return step.entry_point.outputs.keys() <= found.digests.keys()


@dataclass(frozen=True)
class Reuse:
    """What may be reused: `cache` False: nothing; `force`: all but these steps; `only`: all but these steps,
    which are executed; `earlier` (by key): in any case.
    """

    cache: bool = True
    force: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    earlier: Mapping[str, FinishedStep] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """The key of a step, the finished step to reuse, and the reason for the decision.

    `is_shared`: others may reuse this step's result; `by_order`: it is executed even if others have a result.
    """

    key: str
    inputs: StepInputs
    earlier: FinishedStep | None
    because: str
    is_shared: bool = True
    by_order: bool = False


class CacheLookup:
    """Decides for the steps of one pipeline, from their inputs and from what may be reused."""

    def __init__(
        self,
        prepared: Prepared,
        environments: Mapping[str, str],
        index: Index,
        is_whole: Whole,
        inputs: Inputs,
        reuse: Reuse,
    ) -> None:
        self._prepared = prepared
        self._environments = environments
        self._index = index
        self._is_whole = is_whole
        self.inputs = inputs
        self.reuse = reuse

    def look_up(self, step: PlannedStep, ask: Lookup, is_there: Callable[[str], bool]) -> Decision:
        """Returns the decision for a step whose needs are finished.

        `ask` looks a key up on the server if the index lacks it or its outputs, `is_there` checks that the
        run of an index entry still exists.
        """
        inputs, unknown = self._inputs_of(step)
        key = inputs.key
        if unknown:
            because = f"the content of {unknown} is unknown without downloading it: set its sha256"
            return Decision(key, inputs, None, because, is_shared=False)
        if not self._prepared.pipeline.steps[step.name].cache:
            return Decision(key, inputs, None, "it says cache: false", is_shared=False)
        if refusal := self._refusal(step.name, key):
            return Decision(key, inputs, None, refusal, by_order=True)
        found = self._index.step(key)
        if found and is_there(found.run_id) and self._is_whole(step, found):
            return Decision(key, inputs, found, unchanged(found))
        if (asked := ask(key)) and self._is_whole(step, asked):
            return Decision(key, inputs, asked, unchanged(asked))
        found = asked or found
        if found:
            because = f"an output of run {found.run_id} is gone or has changed"
        else:
            latest = self._index.latest(self._prepared.pipeline.name, step.name)
            because = difference(latest.inputs, inputs.shown()) if latest else ""
        return Decision(key, inputs, None, because or FIRST)

    def _refusal(self, name: str, key: str) -> str:
        """Returns why nothing may be reused for a step, empty if it may."""
        if self.reuse.only is not None:
            return "requested" if name in self.reuse.only else ""
        if name in self.reuse.force:
            return "--force"
        return "" if self.reuse.cache or key in self.reuse.earlier else "--no-cache"

    def _inputs_of(self, step: PlannedStep) -> tuple[StepInputs, str]:
        """Returns what the key is made of, and the argument with unknown content, usually empty."""
        arguments, unknown = {}, ""
        for name, argument in step.arguments.items():
            identity = self.inputs.identity(step, name)
            if identity is None:
                unknown = name
            arguments[name] = identity or str(argument)
        inputs = StepInputs(
            trees=self._prepared.checkout(step).code,
            entry_point=step.entry_point.command,
            arguments=arguments,
            environment=self._environments[step.name],
            platform=platform_tag(),
            variables={name: self._variable(name) for name in _variables_of(step)},
        )
        return inputs, unknown

    def _variable(self, name: str) -> str:
        """Returns a digest of a variable's value, empty if it is not set, to detect changes.

        Colleagues get the same digest, except for a variable that the pipeline declares: its digest is keyed
        to this machine, so that nobody can find the value by trying (docs/decisions/0025).
        """
        if name in self._prepared.variables:
            return keyed_digest(home(), self._prepared.variables[name])
        return hashlib.sha256(os.environ[name].encode()).hexdigest() if name in os.environ else ""


def unchanged(found: FinishedStep) -> str:
    """Returns why a finished step is reused, and who computed it if it was somebody else."""
    whose = colleague(found)
    return f"unchanged; computed by {whose}" if whose else "unchanged"


def colleague(found: FinishedStep) -> str:
    """Returns who computed a finished step, empty if that was this user."""
    with contextlib.suppress(OSError, KeyError):  # a container's user may have no name
        return found.user if found.user != getpass.getuser() else ""
    return found.user


def _variables_of(step: PlannedStep) -> list[str]:
    """Returns the environment variables that decide a step's result by their values. Variables in a path or
    URL do not: the content behind it counts.
    """
    contents = (a.content if isinstance(a, Inline) else a for a in step.arguments.values())
    named = {name for content in contents for name in variables_in(content)}
    return [*step.entry_point.variables, *sorted(named.difference(step.entry_point.variables))]
