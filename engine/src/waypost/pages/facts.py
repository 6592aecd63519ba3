"""What a run says of itself, for its page. Whoever reads it from somewhere makes these values of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from waypost.contracts.figures import Figures
from waypost.contracts.metrics import MetricFacts
from waypost.contracts.run_comparison import RunComparison

EXECUTED = ("done", "failed", "killed")
NO_FIGURES = Figures()
_ENDS = {"FINISHED": "Finished", "FAILED": "Failed", "KILLED": "Killed", "RUNNING": "Still running"}


@dataclass(frozen=True)
class Picture:
    """An image that a step logged: its `kind` is png, jpeg, gif or svg+xml."""

    name: str
    kind: str
    content: bytes


@dataclass(frozen=True)
class Input:
    """A file that a step was given from outside: where it comes from, and the digest of its content."""

    name: str
    source: str
    digest: str


@dataclass(frozen=True)
class Step:
    """A step of a run. `state` is done, reused, failed, killed or skipped; `because` says why it was
    executed or reused, `cause` why it failed. `started` is in milliseconds since 1970, `memory` in bytes; of
    both, and of times, None is not known. `cpus`, `memory_mb` and `gpus` are what it asked for.
    """

    name: str
    component: str
    state: str
    run_id: str = ""
    because: str = ""
    cause: str = ""
    user: str = ""
    needs: tuple[str, ...] = ()
    started: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    memory: float | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    declared: Mapping[str, MetricFacts] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    trees: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    platform: str = ""
    warnings: tuple[str, ...] = ()
    figures: Figures = NO_FIGURES
    figures_problem: str = ""
    pictures: tuple[Picture, ...] = ()
    pictures_left_out: int = 0
    log_tail: str = ""


@dataclass(frozen=True)
class Remake:
    """How a run can be made again. `differing` are the parameters that are not as params.yaml has them, as
    `depth=7 (2)`; `diff` tells whether the changes that were not committed are kept: none, whole, masked or
    too large; `repository` is where others can fetch it, empty if that is not known; `outside` are folders
    that no copy of the repository has.
    """

    run_id: str
    command: str = ""
    differing: tuple[str, ...] = ()
    dirty: str = ""
    diff: str = "none"
    commit: str = ""
    repository: str = ""
    release: str = ""
    dev: bool = False
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A pipeline run. `comparison` is with the run that `baseline` names in words, None where there is none;
    `qualities` are the metrics that it is judged by, the most telling first, as (step, metric).
    `experiment` is the id of MLflow's experiment.
    """

    run_id: str
    pipeline: str
    status: str
    started: int
    seconds: float
    user: str = ""
    description: str = ""
    remake: Remake = Remake("")
    steps: tuple[Step, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    baseline: str = ""
    comparison: RunComparison | None = None
    experiment: str = ""

    @property
    def verdict(self) -> str:
        """How it ended, in a word or two."""
        word = _ENDS.get(self.status, self.status)
        failed = [step.name for step in self.steps if step.state == "failed"]
        return f"{word} at {failed[0]}" if failed and self.status == "FAILED" else word

    @property
    def qualities(self) -> list[tuple[Step, str]]:
        """The metrics that contracts declare as saying how good a result is; those of later steps first."""
        return [
            (step, name)
            for step in reversed(self.steps)
            for name, facts in step.declared.items()
            if facts.kind == "quality" and name in step.metrics
        ]

    @property
    def last_metrics(self) -> list[tuple[Step, str]]:
        """The metrics of the last step that declares any, where no contract says which tell the quality."""
        for step in reversed(self.steps):
            if names := [name for name in step.declared if name in step.metrics]:
                return [(step, name) for name in names]
        return []

    def states(self) -> dict[str, int]:
        """Returns how many steps ended how."""
        found: dict[str, int] = {}
        for step in self.steps:
            found[step.state] = found.get(step.state, 0) + 1
        return found
