"""Events of a run, for whoever displays them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waypost.contracts.plan import Plan

INTEGRITY = 4
"""Exit code of a component, and ours, for content that differs from what was asked for."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended: `state` is done, reused, failed, killed or skipped; `because` why it ran or not;
    `user` who computed a reused result, empty for this user; `models` the artifacts that are MLflow models;
    `warnings` the component's warnings about its result.
    """

    name: str
    uses: str
    state: str
    run_id: str = ""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    cause: str = ""
    tail: str = ""
    log: str = ""
    exit_code: int = 0
    because: str = ""
    user: str = ""
    models: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """How a run ended: `status` is FINISHED, FAILED or KILLED, as MLflow records it.

    `current`: an earlier run that is up to date; there was nothing to do. `experiment_id` is empty if only
    the server knows it. `differing` are parameters that differ from params.yaml, as `depth=7 (2)`, `dirty`
    uncommitted files that the run could read. `report` is where the run's page is, empty if none was made.
    """

    name: str
    run_id: str
    status: str
    seconds: float
    tracking_uri: str
    steps: tuple[StepResult, ...]
    warnings: tuple[str, ...] = ()
    current: bool = False
    experiment_id: str = ""
    differing: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()
    report: str = ""

    @property
    def exit_code(self) -> int:
        """0 ok, 4 if a step found other content than was asked for, else 1."""
        if self.status == "FINISHED":
            return 0
        return INTEGRITY if self.failed and self.failed.exit_code == INTEGRITY else 1

    @property
    def failed(self) -> StepResult | None:
        return next((step for step in self.steps if step.state in ("failed", "killed")), None)


class Reporter:
    """Receives run events; every method may be left out. Several steps may run at the same time."""

    def say(self, message: str) -> None:
        """A message worth knowing before or between steps."""

    def warn(self, message: str) -> None:
        """A warning that the user must not miss."""

    def starting(self, plan: Plan, run_id: str) -> None:
        """The parent run is open, no step has started."""

    def step_starting(self, name: str, because: str) -> None:
        """A step's process is about to start."""

    def step_held(self, name: str, cause: str) -> None:
        """A step waits: another run is computing it, or other processes have the GPUs."""

    def step_said(self, name: str, line: str) -> None:
        """A step that executes elsewhere wrote a log line; of many, not all are reported."""

    def step_ended(self, result: StepResult) -> None:
        """A step ended, or will not be executed."""

    def tick(self) -> None:
        """Called regularly while a step runs."""

    def ended(self, result: RunResult) -> None:
        """The parent run has its terminal status."""
