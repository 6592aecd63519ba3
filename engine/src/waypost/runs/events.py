"""What happens during a run, told to whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waypost.contracts.plan import Plan

INTEGRITY = 4
"""Exit code by which a component says that content is not what was asked for; ours, too."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended: `state` is done, reused, failed, killed or skipped; `because` says why it ran or
    did not, `user` whose result was taken over, empty if it is this user's own; `models` are the
    artifacts that are MLflow models; `warnings` what its component tells of its result.
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

    One that is `current` was there before: there was nothing to do. `experiment_id` is empty if only
    the server could tell. `differing` are the parameters that are not as params.yaml has them, as
    `depth=7 (2)`, `dirty` the files that it could read and that were not committed. `report` is where the
    page of the run is, empty if it made none.
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
        """0 ok, 4 where a step found other content than was asked for, else 1."""
        if self.status == "FINISHED":
            return 0
        return INTEGRITY if self.failed and self.failed.exit_code == INTEGRITY else 1

    @property
    def failed(self) -> StepResult | None:
        return next((step for step in self.steps if step.state in ("failed", "killed")), None)


class Reporter:
    """Hears what happens; every method may be left out. Several steps may run at the same time."""

    def say(self, message: str) -> None:
        """Something worth knowing before or between steps."""

    def warn(self, message: str) -> None:
        """Something that the user must not miss."""

    def starting(self, plan: Plan, run_id: str) -> None:
        """The parent run exists, no step has started."""

    def step_starting(self, name: str, because: str) -> None:
        """A step's process is about to start."""

    def step_held(self, name: str, cause: str) -> None:
        """A step waits for somebody else: the same one of another run, or a process that has the GPUs."""

    def step_said(self, name: str, line: str) -> None:
        """A step that executes elsewhere wrote a line to its log; of many, not all are told."""

    def step_ended(self, result: StepResult) -> None:
        """A step ended, or will not be executed."""

    def tick(self) -> None:
        """Time goes by while a step runs."""

    def ended(self, result: RunResult) -> None:
        """The parent run has its terminal status."""
